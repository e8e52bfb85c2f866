# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How much there is of everything that a fault could leave behind.

On the machine, in Neutron and in our tables as ``survey`` sees it; and on the
fabric: ports of bridges, rules that drop, ports that swallow, and sessions of
amphorae, dead ones too.
"""

import collections
import collections.abc
import json
import typing

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.fabric import observe, topology
from octavia_anycast_lab.host import netns

_FORWARDING = "forwarding"
_BRIDGES = {
    "mgmt": settings.MGMT_BRIDGE,
    "tenant": settings.TENANT_BRIDGE,
    **{leaf.name: settings.FRONT_END_BRIDGE for leaf in settings.LEAVES},
}


def count(plane: deployment.Deployment, api: rest.Api) -> dict[str, int]:
    """Kind of thing -> how many there are.

    Processes in containers come and go by themselves; the containers count.

    :raises RouterError: a leaf does not answer.
    """
    things = dict(survey.take(plane, api).things)
    del things["processes in containers"]
    rows = things.pop("rows in our tables")
    counts = {kind: len(ids) for kind, ids in things.items()}
    # Rows of replaced amphorae say DELETED until housekeeping purges them.
    counts["rows of paths"] = sum("registration" in row for row in rows)
    return counts | on_fabric(plane.lab)


def on_fabric(lab: settings.Lab) -> dict[str, int]:
    """The same for what routers and bridges hold.

    :raises RouterError: a leaf does not answer.
    """
    counts: collections.Counter[str] = collections.Counter()
    for role, bridge in _BRIDGES.items():
        found = ports(_json(lab, role, "bridge", "-j", "link"), bridge)
        counts[f"ports of {bridge}"] += len(found)
        counts["ports that swallow"] += sum(
            state != _FORWARDING for state in found.values()
        )
    for role in topology.ROLES:
        for name in tables(_json(lab, role, "nft", "-j", "list", "tables")):
            counts[f"rules {name} in {role}"] += 1
    for role in (*_BRIDGES, *topology.ROUTER_NAMES):
        counts["links down"] += down(_json(lab, role, "ip", "-j", "link"))
    sessions = observe.amphora_sessions(lab, established_only=False)
    counts["sessions of amphorae"] = len(sessions)
    counts["sessions established"] = sum(s.is_established for s in sessions)
    return dict(counts)


def ports(answer: typing.Any, bridge: str) -> dict[str, str]:
    """Port -> state, of one bridge, out of ``bridge -j link``."""
    return {
        item["ifname"]: item.get("state", "")
        for item in answer
        if item.get("master") == bridge
    }


def tables(answer: typing.Any) -> list[str]:
    """Names of tables out of ``nft -j list tables``."""
    return [
        item["table"]["name"]
        for item in answer.get("nftables", ())
        if "table" in item
    ]


def down(answer: typing.Any) -> int:
    """How many interfaces were taken down, out of ``ip -j link``."""
    return sum("UP" not in item.get("flags", ()) for item in answer)


def changed(
    before: collections.abc.Mapping[str, int],
    now: collections.abc.Mapping[str, int],
) -> dict[str, tuple[int, int]]:
    """Kind -> how many there were and are, of what is not as before."""
    return {
        kind: (before.get(kind, 0), now.get(kind, 0))
        for kind in sorted(before.keys() | now.keys())
        if before.get(kind, 0) != now.get(kind, 0)
    }


def _json(lab: settings.Lab, role: str, *argv: str) -> typing.Any:
    done = netns.run(lab.namespace(role), list(argv))
    return json.loads(done.stdout or "[]")
