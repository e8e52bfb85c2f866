# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's data model of a load balancer: what of it goes into force.

Only octavia_adapter looks into the data model; all others are given a
``LoadBalancerTree`` (model/load_balancer.py).

Layer: octavia_adapter. No I/O.
"""

import copy
import hashlib
import json
from typing import Any

from octavia.common import constants
from octavia_lib.common import constants as lib_constants

from octavia_anycast.planning.cluster.culprits import Suspect

# Octavia's API lets other listeners have no L7 policies.
L7_PROTOCOLS = frozenset(
    (constants.PROTOCOL_HTTP, lib_constants.PROTOCOL_TERMINATED_HTTPS)
)
# Statuses, names and times do not change what an amphora is to do.
_NOT_CONFIGURATION = frozenset(
    {
        "provisioning_status",
        "operating_status",
        "created_at",
        "updated_at",
        "name",
        "description",
        "tags",
        "topology",
        "server_group_id",
        "stats",
        "vrrp_group",
        "amphorae",
        "load_balancer",
    }
)


def children(load_balancer: Any) -> list[tuple[str, Any]]:
    """Each (kind, object) below the load balancer, leaves first.

    The kinds are the keys of Octavia's status updates. An L7 policy's pool
    is one of the load balancer's pools, so nothing is named twice.
    """
    found: list[tuple[str, Any]] = []
    for pool in load_balancer.pools:
        found += [("members", member) for member in pool.members]
        if pool.health_monitor:
            found.append(("healthmonitors", pool.health_monitor))
    for listener in load_balancer.listeners:
        for policy in listener.l7policies:
            found += [("l7rules", rule) for rule in policy.l7rules]
            found.append(("l7policies", policy))
    found += [("pools", pool) for pool in load_balancer.pools]
    found += [("listeners", listener) for listener in load_balancer.listeners]
    return found


def haproxy_listeners(load_balancer: Any) -> list[Any]:
    """The listeners that HAProxy's configuration is made from."""
    return [
        listener
        for listener in load_balancer.listeners
        if listener.protocol not in constants.LVS_PROTOCOLS
    ]


def is_haproxy_wanted(load_balancer: Any) -> bool:
    """Whether anything is to listen; HAProxy does not start otherwise."""
    return bool(load_balancer.enabled) and any(
        listener.enabled for listener in haproxy_listeners(load_balancer)
    )


def lvs_listeners(load_balancer: Any) -> list[Any]:
    """The listeners that keepalived serves, by id; HAProxy has no part."""
    if not load_balancer.enabled:
        return []
    return [
        listener
        for listener in sorted(load_balancer.listeners, key=lambda x: x.id)
        if listener.enabled and listener.protocol in constants.LVS_PROTOCOLS
    ]


def suspects(load_balancer: Any) -> tuple[Suspect, ...]:
    """What is in the configuration, parents first."""
    return tuple(
        Suspect(
            kind=kind,
            id=child.id,
            is_new=child.provisioning_status
            in (constants.PENDING_CREATE, constants.PENDING_UPDATE),
        )
        for kind, child in reversed(children(load_balancer))
    )


def trial_model(load_balancer: Any, left_out: frozenset[str]) -> Any:
    """Copy the load balancer without some objects, for trials only.

    An L7 policy keeps the rules that are not left out, so that each can be
    tried: in force it would match too much.
    """
    model = copy.deepcopy(load_balancer)
    for _, child in children(model):
        if child.id in left_out:
            child.provisioning_status = constants.ERROR
    prune(model, is_trial=True)
    return model


def prune(load_balancer: Any, *, is_trial: bool = False) -> None:
    """Leave out what is being deleted or in ERROR, wherever it is named.

    What is in ERROR was refused by amphorae. What cannot be without it goes
    along: an L7 policy with one rule fewer would match more requests, so it
    is left out as a whole. It stays ACTIVE, because Octavia's API refuses to
    change a rule of a policy in ERROR (ADR 0090).

    And the L7 policies that a fully populated create has brought to a
    listener which cannot have any: the API does not let the provider see
    them, so they are shown as ERROR when the rest is settled.
    """
    load_balancer.listeners = _kept(load_balancer.listeners)
    for listener in load_balancer.listeners:
        # Octavia counts it up with each listener and opens that port, but its
        # template has every HAProxy listen on the first one.
        listener.peer_port = constants.HAPROXY_BASE_PEER_PORT
        listener.pools = _kept(listener.pools)
        if not _is_kept(listener.default_pool):
            listener.default_pool = None
            listener.default_pool_id = None
        listener.l7policies = [
            policy
            for policy in _kept(listener.l7policies)
            if listener.protocol in L7_PROTOCOLS
            and _has_its_pool(policy)
            and (is_trial or not _has_refused_rule(policy))
        ]
        for policy in listener.l7policies:
            policy.l7rules = _kept(policy.l7rules)
    load_balancer.pools = _kept(load_balancer.pools)
    for pool in load_balancer.pools:
        pool.members = _kept(pool.members)
        if pool.protocol in constants.LVS_PROTOCOLS:
            # ip_vs chooses by their order for SOURCE_IP: the same everywhere.
            pool.members.sort(key=lambda member: member.id)
        if not _is_kept(pool.health_monitor):
            pool.health_monitor = None


def _has_its_pool(policy: Any) -> bool:
    return policy.redirect_pool is None or _is_kept(policy.redirect_pool)


def _has_refused_rule(policy: Any) -> bool:
    rules = policy.l7rules or ()
    return any(r.provisioning_status == constants.ERROR for r in rules)


def _kept(rows: Any) -> list[Any]:
    return [row for row in rows or () if _is_kept(row)]


def _is_kept(row: Any) -> bool:
    return row is not None and row.provisioning_status not in (
        constants.PENDING_DELETE,
        constants.DELETED,
        constants.ERROR,
    )


def revision_of(load_balancer: Any) -> str:
    """Name the configuration by its content (SHA-256, hex)."""
    text = configuration_text(load_balancer)
    return hashlib.sha256(text.encode()).hexdigest()


def configuration_text(load_balancer: Any) -> str:
    """Everything that the configuration depends on, in a stable order."""
    document = _plain(load_balancer)
    document["vip"] = _plain(load_balancer.vip)
    document["additional_vips"] = sorted(
        map(_plain, load_balancer.additional_vips or ()),
        key=lambda item: json.dumps(item, sort_keys=True, default=str),
    )
    document["pools"] = list(map(_plain_pool, _by_id(load_balancer.pools)))
    document["listeners"] = list(
        map(_plain_listener, _by_id(load_balancer.listeners))
    )
    return json.dumps(document, sort_keys=True, default=str)


def _by_id(rows: Any) -> list[Any]:
    return sorted(rows, key=lambda row: row.id)


def _plain(row: Any) -> dict[str, Any]:
    if row is None:
        return {}
    return {
        key: value
        for key, value in row.to_dict().items()
        if key not in _NOT_CONFIGURATION and value not in (None, [])
    }


def _plain_pool(pool: Any) -> dict[str, Any]:
    return _plain(pool) | {
        "members": [_plain(member) for member in _by_id(pool.members)],
        "health_monitor": _plain(pool.health_monitor),
        "session_persistence": _plain(pool.session_persistence),
    }


def _plain_listener(listener: Any) -> dict[str, Any]:
    return _plain(listener) | {
        "pools": sorted(pool.id for pool in listener.pools),
        "sni_containers": sorted(
            (sni.position or 0, sni.tls_container_id)
            for sni in listener.sni_containers
        ),
        "allowed_cidrs": sorted(row.cidr for row in listener.allowed_cidrs),
        "l7policies": [
            _plain(policy)
            | {"l7rules": [_plain(rule) for rule in _by_id(policy.l7rules)]}
            for policy in sorted(
                listener.l7policies, key=lambda x: (x.position, x.id)
            )
        ],
    }
