# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's load balancers of our provider, read from its own tables.

Octavia's rows in PENDING_* are the work queue; one indexed query tells
which they are. :meth:`OctaviaLoadBalancers.read` makes the snapshot that a
reconcile works on.

Layer: octavia_adapter. Reads only.
"""

import copy
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from octavia.common import constants
from octavia.db import models, repositories
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import Vip
from octavia_anycast.model.housekeeping import Census
from octavia_anycast.model.wire import ListenerSocket, Scheme
from octavia_anycast.octavia_adapter.load_balancer import (
    object_rows,
    row_versions,
)
from octavia_anycast.octavia_adapter.load_balancer.row_versions import (
    RowVersion,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction
from octavia_anycast.planning.cluster.culprits import Suspect
from octavia_anycast.planning.cluster.health import ConfiguredMember

PROVIDER = "anycast"
PENDING = (
    constants.PENDING_CREATE,
    constants.PENDING_UPDATE,
    constants.PENDING_DELETE,
)
# Other listeners do not read what L7 policies are about.
L7_PROTOCOLS = frozenset(
    (constants.PROTOCOL_HTTP, lib_constants.PROTOCOL_TERMINATED_HTTPS)
)
# The kinds of session persistence that HAProxy keeps in a stick table.
STICK_TABLE_TYPES = frozenset(
    (
        constants.SESSION_PERSISTENCE_SOURCE_IP,
        constants.SESSION_PERSISTENCE_APP_COOKIE,
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An object below the load balancer whose status is PENDING_*."""

    kind: str
    id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerTree:
    """One load balancer with all that belongs to it, as of one read.

    ``revision`` is the SHA-256 of everything that the configuration of an
    amphora or of its ports depends on. ``is_deletion_wanted``: its deletion
    failed, which goes on. ``model`` is Octavia's own data model, without the
    children that are being deleted or in ERROR: what HAProxy's configuration
    is rendered from. Nobody outside octavia_adapter looks into it.
    ``left_out_ids``: the children in ERROR.
    """

    id: str
    project_id: str
    provisioning_status: str
    operating_status: str
    is_enabled: bool
    vips: tuple[Vip, ...]
    listeners: tuple[ListenerSocket, ...]
    member_subnet_ids: tuple[str, ...]
    revision: str
    updated_at: datetime | None
    pending: tuple[Pending, ...] = ()
    left_out_ids: frozenset[str] = frozenset()
    lvs_listener_ids: tuple[str, ...] = ()
    has_stick_tables: bool = False
    operating_statuses: dict[tuple[str, str], str] = field(
        default_factory=dict
    )
    disabled_ids: frozenset[str] = frozenset()
    members: tuple[ConfiguredMember, ...] = ()
    project_ids: frozenset[str] = frozenset()
    flavor: dict[str, Any] = field(default_factory=dict)
    availability_zone: dict[str, Any] = field(default_factory=dict)
    is_deletion_wanted: bool = False
    model: Any = field(default=None, repr=False, compare=False)

    @property
    def is_pending(self) -> bool:
        """Whether somebody waits for us to settle it."""
        return self.provisioning_status in PENDING

    @property
    def is_in_error(self) -> bool:
        """Whether it is shown as ERROR."""
        return self.provisioning_status == str(constants.ERROR)

    @property
    def is_being_deleted(self) -> bool:
        """Whether it and everything below it is to go."""
        return self.is_deletion_wanted or self.provisioning_status in (
            constants.PENDING_DELETE,
            constants.DELETED,
        )


class OctaviaLoadBalancers:
    """The load balancers whose provider is ours."""

    def __init__(self) -> None:
        self._flavors = repositories.FlavorRepository()
        self._zones = repositories.AvailabilityZoneRepository()

    def pending_ids(self) -> list[str]:
        """List those in PENDING_*: one query, whatever their number."""
        return [row[0] for row in self._query(PENDING)]

    def all_statuses(self) -> dict[str, str]:
        """Map the id of each that is not DELETED to its status."""
        statuses = (*PENDING, constants.ACTIVE, constants.ERROR)
        return {row[0]: row[1] for row in self._query(statuses)}

    @staticmethod
    def census() -> Census:
        """Say whose is what, the DELETED ones too; five queries."""
        balancer, vip = models.LoadBalancer, models.Vip
        with transaction() as session:
            statuses = (
                session.query(balancer.id, balancer.provisioning_status)
                .filter(balancer.provider == PROVIDER)
                .all()
            )
            stock = session.query(models.Amphora.id).all()
            vips: dict[str, set[IPAddress]] = {}
            for model in (vip, models.AdditionalVip):
                for load_balancer_id, address in _ours(
                    session, model, model.ip_address
                ).filter(model.ip_address.isnot(None)):
                    known = vips.setdefault(load_balancer_id, set())
                    known.add(ip_address(address))
            owned = _ours(session, vip).filter(vip.octavia_owned.is_(True))
            with_own_port = {row[0] for row in owned}
        deleted = {i for i, status in statuses if status == constants.DELETED}
        return Census(
            live=frozenset(i for i, _ in statuses) - deleted,
            deleted=frozenset(deleted),
            vips={i: frozenset(addresses) for i, addresses in vips.items()},
            stock_amphorae=frozenset(row[0] for row in stock),
            with_own_vip_port=frozenset(with_own_port) - deleted,
        )

    @staticmethod
    def _query(statuses: tuple[str, ...]) -> list[tuple[str, str]]:
        model = models.LoadBalancer
        with transaction() as session:
            rows = (
                session.query(model.id, model.provisioning_status)
                .filter(model.provider == PROVIDER)
                .filter(model.provisioning_status.in_(statuses))
                .order_by(model.updated_at)
                .all()
            )
            return [(row[0], row[1]) for row in rows]

    @staticmethod
    def row_version(load_balancer_id: str) -> RowVersion | None:
        """What its row shows of changes; one query."""
        return row_versions.read(load_balancer_id)

    def read(self, load_balancer_id: str) -> LoadBalancerTree | None:
        """Read the whole tree; None if it is not there or DELETED.

        As many queries for a thousand members as for one, nearly.
        """
        with transaction() as session:
            row = object_rows.load_balancer(
                session, id=load_balancer_id, provider=PROVIDER
            )
            if row is None or row.provisioning_status == constants.DELETED:
                return None
            found = row.to_data_model()
            flavor = (
                self._flavors.get_flavor_metadata_dict(
                    session, found.flavor_id
                )
                if found.flavor_id
                else {}
            )
            zone = (
                self._zones.get_availability_zone_metadata_dict(
                    session, found.availability_zone
                )
                if found.availability_zone
                else {}
            )
        return snapshot(found, flavor, zone)


def _ours(session: Any, model: Any, *columns: Any) -> Any:
    """Query a kind of VIP of our load balancers, after their ids."""
    balancer = models.LoadBalancer
    return (
        session.query(model.load_balancer_id, *columns)
        .join(balancer, balancer.id == model.load_balancer_id)
        .filter(balancer.provider == PROVIDER)
    )


def snapshot(
    load_balancer: Any,
    flavor: dict[str, Any] | None = None,
    availability_zone: dict[str, Any] | None = None,
) -> LoadBalancerTree:
    """Make the snapshot of Octavia's data model (which it prunes)."""
    pending = tuple(_pending_below(load_balancer))
    project_ids = {x.project_id for _, x in children(load_balancer)}
    statuses = dict(_operating_statuses(load_balancer))
    left_out = _left_out_ids(load_balancer)
    _prune(load_balancer)
    vips = _vips(load_balancer)
    return LoadBalancerTree(
        id=load_balancer.id,
        project_id=load_balancer.project_id,
        project_ids=frozenset(project_ids | {load_balancer.project_id}),
        provisioning_status=load_balancer.provisioning_status,
        operating_status=load_balancer.operating_status,
        is_enabled=bool(load_balancer.enabled),
        vips=vips,
        listeners=_sockets(load_balancer, vips),
        lvs_listener_ids=tuple(x.id for x in lvs_listeners(load_balancer)),
        has_stick_tables=_has_stick_tables(load_balancer),
        member_subnet_ids=_member_subnets(load_balancer),
        revision=revision_of(load_balancer),
        updated_at=load_balancer.updated_at,
        pending=pending,
        left_out_ids=left_out,
        operating_statuses=statuses,
        disabled_ids=_disabled_ids(load_balancer),
        members=_members(load_balancer),
        flavor=flavor or {},
        availability_zone=availability_zone or {},
        model=load_balancer,
    )


def _vips(load_balancer: Any) -> tuple[Vip, ...]:
    rows = [load_balancer.vip, *load_balancer.additional_vips]
    return tuple(
        Vip(
            ip_address=ip_address(row.ip_address),
            network_id=row.network_id,
            subnet_id=row.subnet_id,
            port_id=row.port_id,
        )
        for row in rows
        if row is not None and row.ip_address
    )


def _sockets(
    load_balancer: Any, vips: tuple[Vip, ...]
) -> tuple[ListenerSocket, ...]:
    """The sockets that HAProxy will hold open; stable order."""
    if not load_balancer.enabled:
        return ()
    return tuple(
        ListenerSocket(
            listener_id=listener.id,
            ip_address=vip.ip_address,
            port=listener.protocol_port,
            scheme=_scheme(listener),
        )
        for listener in sorted(load_balancer.listeners, key=lambda x: x.id)
        if listener.enabled
        and listener.protocol not in constants.LVS_PROTOCOLS
        for vip in vips
    )


def _scheme(listener: Any) -> Scheme:
    """What may be asked of it; one that wants a certificate may not."""
    if listener.protocol == constants.PROTOCOL_HTTP:
        return Scheme.HTTP
    if (
        listener.protocol == lib_constants.PROTOCOL_TERMINATED_HTTPS
        and listener.client_authentication != constants.CLIENT_AUTH_MANDATORY
    ):
        return Scheme.HTTPS
    return Scheme.OPAQUE


def _has_stick_tables(load_balancer: Any) -> bool:
    """Whether HAProxy remembers members in a table, not in a cookie."""
    return any(
        pool.session_persistence is not None
        and pool.session_persistence.type in STICK_TABLE_TYPES
        for pool in load_balancer.pools
    )


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


def _member_subnets(load_balancer: Any) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                member.subnet_id
                for pool in load_balancer.pools
                for member in pool.members
                if member.subnet_id
            }
        )
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


def _pending_below(load_balancer: Any) -> list[Pending]:
    return [
        Pending(kind=kind, id=child.id, status=child.provisioning_status)
        for kind, child in children(load_balancer)
        if child.provisioning_status in PENDING
    ]


def _operating_statuses(
    load_balancer: Any,
) -> list[tuple[tuple[str, str], str]]:
    return [
        ((kind, child.id), child.operating_status)
        for kind, child in children(load_balancer)
        if kind in ("listeners", "pools", "members")
    ]


def _left_out_ids(load_balancer: Any) -> frozenset[str]:
    """What amphorae have refused, and nobody has changed since."""
    return frozenset(
        child.id
        for _, child in children(load_balancer)
        if child.provisioning_status == constants.ERROR
    )


def _disabled_ids(load_balancer: Any) -> frozenset[str]:
    """Listeners and pools that are down, by themselves or with the whole."""
    parts = [*load_balancer.listeners, *load_balancer.pools]
    if not load_balancer.enabled:
        return frozenset(part.id for part in parts)
    return frozenset(part.id for part in parts if not part.enabled)


def _members(load_balancer: Any) -> tuple[ConfiguredMember, ...]:
    return tuple(
        ConfiguredMember(
            id=member.id,
            pool_id=pool.id,
            is_enabled=bool(member.enabled),
            is_checked=bool(
                pool.health_monitor and pool.health_monitor.enabled
            ),
        )
        for pool in load_balancer.pools
        for member in pool.members
    )


def suspects(tree: LoadBalancerTree) -> tuple[Suspect, ...]:
    """What is in the configuration, parents first."""
    return tuple(
        Suspect(kind=kind, id=child.id, is_new=_is_new(child))
        for kind, child in reversed(children(tree.model))
    )


def _is_new(child: Any) -> bool:
    return child.provisioning_status in (
        constants.PENDING_CREATE,
        constants.PENDING_UPDATE,
    )


def trial_model(tree: LoadBalancerTree, left_out: frozenset[str]) -> Any:
    """A copy of the model without some objects, for trials only.

    An L7 policy keeps the rules that are not left out, so that each can be
    tried: in force it would match too much.
    """
    model = copy.deepcopy(tree.model)
    for _, child in children(model):
        if child.id in left_out:
            child.provisioning_status = constants.ERROR
    _prune(model, is_trial=True)
    return model


def _prune(load_balancer: Any, *, is_trial: bool = False) -> None:
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
    for listener in load_balancer.listeners:
        listener.pools = _kept(listener.pools)
        if not _is_kept(listener.default_pool):
            listener.default_pool = None
            listener.default_pool_id = None
        listener.l7policies = [
            policy
            for policy in _kept(listener.l7policies)
            if _can_have_policies(listener)
            and _has_its_pool(policy)
            and (is_trial or not _has_refused_rule(policy))
        ]
        for policy in listener.l7policies:
            policy.l7rules = _kept(policy.l7rules)
    _prune_pools(load_balancer)


def _prune_pools(load_balancer: Any) -> None:
    load_balancer.pools = _kept(load_balancer.pools)
    for pool in load_balancer.pools:
        pool.members = _kept(pool.members)
        if not _is_kept(pool.health_monitor):
            pool.health_monitor = None


def _can_have_policies(listener: Any) -> bool:
    return listener.protocol in L7_PROTOCOLS


def _has_its_pool(policy: Any) -> bool:
    return policy.redirect_pool is None or _is_kept(policy.redirect_pool)


def _has_refused_rule(policy: Any) -> bool:
    """Whether one of the policy's rules is in ERROR."""
    return any(
        rule.provisioning_status == constants.ERROR
        for rule in policy.l7rules or ()
    )


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
    document["additional_vips"] = _plain_list(load_balancer.additional_vips)
    document["pools"] = [
        _plain_pool(pool) for pool in _by_id(load_balancer.pools)
    ]
    document["listeners"] = [
        _plain_listener(listener)
        for listener in _by_id(load_balancer.listeners)
    ]
    return json.dumps(document, sort_keys=True, default=str)


def _by_id(rows: Any) -> list[Any]:
    return sorted(rows, key=lambda row: row.id)


def _plain(row: Any) -> dict[str, Any]:
    """The row's own columns: no lists of children, no references."""
    if row is None:
        return {}
    return {
        key: value
        for key, value in row.to_dict().items()
        if key not in _NOT_CONFIGURATION and value not in (None, [])
    }


def _plain_list(rows: Any) -> list[dict[str, Any]]:
    return sorted(
        (_plain(row) for row in rows or ()),
        key=lambda item: json.dumps(item, sort_keys=True, default=str),
    )


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
