# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy's alerts about a refused configuration, and their objects.

Octavia's template names its sections, servers and ACLs by the ids of the
objects. HAProxy names a line, or such a section or ACL.

Layer: octavia_adapter. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octavia_anycast.planning.cluster.culprits import Alert

# A configuration that ends with this is never taken: HAProxy looks for the
# backend after it has read and checked everything else. So a configuration
# can be tried on an amphora, and the one in force stays where it is.
TRIAL_NAME = "octavia-anycast-trial"
TRIAL_GLOBAL = "global\n    daemon\n"  # instead of one with objects
TRIAL_END = f"""
frontend {TRIAL_NAME}
    mode http
    bind unix@{TRIAL_NAME}.sock
    timeout client 1s
    default_backend {TRIAL_NAME}-no-such-backend
"""
_ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\) : (?:config : )?(?P<text>.*)")
_PLACE = re.compile(r"^(?:[Pp]arsing )?\[[^\]]*\]\s*(?:: )?")
_LINE = re.compile(r"\[[^\]\s]*:(?P<number>\d+)\]")
_CONCLUSION = re.compile(
    r"^(Error\(s\) found in configuration file|Fatal errors found in "
    r"configuration)"
)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECTIONS = ("frontend ", "backend ", "peers ", "global", "defaults")
_OF_MONITOR = ("option httpchk", "http-check", "timeout check", "external-")
_OF_POLICY = ("http-request deny if", "use_backend ", "redirect")
_OF_LISTENER = "redirect scheme https if !{ ssl_fc }"
# Words about a server that do not come from the member: of its pool's TLS,
# and of the health monitor.
_POOL_WORDS = re.compile(
    r"ssl|tls|cipher|\bcrt|ca-file|crl|alpn|verify|\bsni", re.IGNORECASE
)
_MONITOR_WORDS = re.compile(r"check|inter\b|\brise\b|\bfall\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """What has lines in the configuration that do not bear its id.

    ``monitors``: pool id -> health monitor id. ``policies``: L7 rule id ->
    L7 policy id.
    """

    monitors: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, load_balancer: Any) -> "Owners":
        """Find them in Octavia's model of a load balancer."""
        return cls(
            monitors={
                pool.id: pool.health_monitor.id
                for pool in load_balancer.pools
                if pool.health_monitor
            },
            policies={
                rule.id: policy.id
                for listener in load_balancer.listeners
                for policy in listener.l7policies
                for rule in policy.l7rules
            },
        )


def sentences(output: str) -> tuple[str, ...]:
    """Return HAProxy's alerts, also the one about the end of a trial."""
    return tuple(text for text, _ in _alerts(output))


def alerts_about(
    output: str, configuration: str, owners: Owners
) -> tuple[Alert, ...]:
    """Return the alerts, each with the objects that it may be about."""
    lines = configuration.splitlines()
    return tuple(
        Alert(sentence=text, about=_about(raw, lines, owners))
        for text, raw in _alerts(output)
        if TRIAL_NAME not in raw
    )


def _alerts(output: str) -> list[tuple[str, str]]:
    """Return (sentence, raw text) of each alert but the conclusions."""
    found = []
    for line in output.splitlines():
        match = _ALERT.match(line)
        if match and not _CONCLUSION.match(match["text"]):
            text = _PLACE.sub("", match["text"]).strip()
            found.append((text, match["text"]))
    return found


def _about(raw: str, lines: Sequence[str], owners: Owners) -> tuple[str, ...]:
    number = _LINE.search(raw)
    if number is None or int(number["number"]) > len(lines):
        return _named_by(raw, owners)
    index = int(number["number"]) - 1
    found = (*_acl_of(raw), *_owners_of(lines, index, raw, owners))
    return tuple(dict.fromkeys(found))


def _acl_of(raw: str) -> list[str]:
    """Return the ACL that the alert names: the id of an L7 rule."""
    named = re.search(rf"ACL\s*:?\s*'({_ID.pattern})'", raw)
    return [named[1]] if named else []


def _owners_of(
    lines: Sequence[str], index: int, raw: str, owners: Owners
) -> tuple[str, ...]:
    line = lines[index].strip()
    ids = _ID.findall(line)
    if line.startswith("acl "):
        return tuple(ids[:1])
    if line.startswith("server "):
        return _of_server(raw, ids[:1], owners)
    if line.startswith(_OF_POLICY) and not line.startswith(_OF_LISTENER):
        policies = (owners.policies.get(one) for one in ids)
        return tuple(policy for policy in policies if policy)
    heads = (lines[at] for at in range(index, -1, -1))
    head = next((x for x in heads if x.startswith(_SECTIONS)), "")
    section = _ID.findall(head)[:1]
    if head.startswith("backend ") and line.startswith(_OF_MONITOR):
        return tuple(owners.monitors.get(pool, pool) for pool in section)
    return tuple(section)


def _of_server(
    raw: str, member_ids: Sequence[str], owners: Owners
) -> tuple[str, ...]:
    """Order member, health monitor and pool by what the alert is about."""
    named = re.search(rf"'server ({_ID.pattern}):", raw)
    pool_id = named[1] if named else ""
    monitor_id = owners.monitors.get(pool_id, "")
    text = _ID.sub("", _LINE.sub("", raw))
    if _POOL_WORDS.search(text):
        order = (pool_id, *member_ids, monitor_id)
    elif _MONITOR_WORDS.search(text):
        order = (monitor_id, *member_ids, pool_id)
    else:
        order = (*member_ids, monitor_id, pool_id)
    return tuple(one for one in order if one)


def _named_by(raw: str, owners: Owners) -> tuple[str, ...]:
    ids = _ID.findall(raw)
    if "'server " in raw:
        return _of_server(raw, ids[2:3], owners)
    return tuple(ids[:1])
