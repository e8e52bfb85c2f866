# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's load balancers of our provider, read from its own tables.

Octavia's rows in PENDING_* are the work queue; one indexed query finds them.
:meth:`OctaviaLoadBalancers.read` makes the tree that a reconcile works on.

Layer: octavia_adapter. Reads only.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from octavia.common import constants
from octavia.db import models, repositories
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import Vip
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.housekeeping import Census
from octavia_anycast.model.load_balancer import (
    PENDING,
    ConfiguredMember,
    LoadBalancerTree,
    Pending,
    RowVersion,
)
from octavia_anycast.model.wire import ListenerSocket, Scheme
from octavia_anycast.octavia_adapter.load_balancer import object_rows
from octavia_anycast.octavia_adapter.load_balancer.data_model import (
    children,
    haproxy_listeners,
    lvs_listeners,
    prune,
    revision_of,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

PROVIDER = "anycast"
# The kinds of session persistence that HAProxy keeps in a stick table.
STICK_TABLE_TYPES = frozenset(
    (
        constants.SESSION_PERSISTENCE_SOURCE_IP,
        constants.SESSION_PERSISTENCE_APP_COOKIE,
    )
)
# Those of the load balancers that are worked on; another one is read anew.
MODELS_MAX = 32


class OctaviaLoadBalancers:
    """The load balancers whose provider is ours; safe for several threads."""

    def __init__(self) -> None:
        self._flavors = repositories.FlavorRepository()
        self._zones = repositories.AvailabilityZoneRepository()
        self._guard = threading.Lock()
        # load_balancer_id -> revision, and the data model that has it
        self._models: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def pending_ids(self) -> list[str]:
        """List those in PENDING_*: one query, whatever their number."""
        return list(self._statuses(PENDING))

    def all_statuses(self) -> dict[str, str]:
        """Map the id of each that is not DELETED to its status: one query."""
        return self._statuses((*PENDING, constants.ACTIVE, constants.ERROR))

    @staticmethod
    def _statuses(wanted: tuple[str, ...]) -> dict[str, str]:
        row = models.LoadBalancer
        with transaction() as session:
            return {
                identifier: status
                for identifier, status in session.query(
                    row.id, row.provisioning_status
                )
                .filter(row.provider == PROVIDER)
                .filter(row.provisioning_status.in_(wanted))
                .order_by(row.updated_at)
            }

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
    def row_version(load_balancer_id: str) -> RowVersion | None:
        """Read the version of its row; None if there is none. One query."""
        row = models.LoadBalancer
        with transaction() as session:
            found = (
                session.query(
                    row.provisioning_status,
                    row.operating_status,
                    row.updated_at,
                )
                .filter(row.id == load_balancer_id)
                .first()
            )
        return None if found is None else RowVersion(**found._mapping)

    def read(self, load_balancer_id: str) -> LoadBalancerTree | None:
        """Read the whole tree; None if it is not there or DELETED.

        A thousand members take about as many queries as one does.
        """
        with transaction() as session:
            row = object_rows.load_balancer(
                session, id=load_balancer_id, provider=PROVIDER
            )
            if row is None or row.provisioning_status == constants.DELETED:
                return None
            found = row.to_data_model()
            flavor = found.flavor_id and (
                self._flavors.get_flavor_metadata_dict(
                    session, found.flavor_id
                )
            )
            zone = found.availability_zone and (
                self._zones.get_availability_zone_metadata_dict(
                    session, found.availability_zone
                )
            )
        tree = snapshot(found, flavor or {}, zone or {})
        self._keep(tree, found)
        return tree

    def model_of(self, tree: LoadBalancerTree) -> Any:
        """Return the data model that the tree was made from.

        :raises Retryable: the load balancer has changed since it was read.
        """
        model = self._kept(tree)
        if model is None and self.read(tree.id) is not None:
            model = self._kept(tree)
        if model is None:
            raise Retryable(f"Load balancer {tree.id} changed meanwhile.")
        return model

    def _keep(self, tree: LoadBalancerTree, model: Any) -> None:
        with self._guard:
            self._models[tree.id] = tree.revision, model
            self._models.move_to_end(tree.id)
            if len(self._models) > MODELS_MAX:
                self._models.popitem(last=False)

    def _kept(self, tree: LoadBalancerTree) -> Any:
        with self._guard:
            revision, model = self._models.get(tree.id, ("", None))
        return model if revision == tree.revision else None


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
    flavor: Mapping[str, Any] | None = None,
    availability_zone: Mapping[str, Any] | None = None,
) -> LoadBalancerTree:
    """Make the tree of a data model, which is pruned to what is in force."""
    below = children(load_balancer)
    pending = tuple(
        Pending(kind=kind, id=child.id, status=child.provisioning_status)
        for kind, child in below
        if child.provisioning_status in PENDING
    )
    statuses = {
        (kind, child.id): child.operating_status
        for kind, child in below
        if kind in ("listeners", "pools", "members")
    }
    in_error = frozenset(
        child.id
        for _, child in below
        if child.provisioning_status == constants.ERROR
    )
    prune(load_balancer)
    vips = _vips(load_balancer)
    return LoadBalancerTree(
        id=load_balancer.id,
        project_id=load_balancer.project_id,
        project_ids=frozenset(
            (load_balancer.project_id, *(x.project_id for _, x in below))
        ),
        provisioning_status=load_balancer.provisioning_status,
        operating_status=load_balancer.operating_status,
        is_enabled=bool(load_balancer.enabled),
        vips=vips,
        listeners=_sockets(load_balancer, vips),
        lvs_listener_ids=tuple(x.id for x in lvs_listeners(load_balancer)),
        has_stick_tables=_has_stick_tables(load_balancer),
        has_metrics_listener=_has_metrics_listener(load_balancer),
        unused_pool_ids=_unused_pools(load_balancer),
        member_subnet_ids=_member_subnets(load_balancer),
        revision=revision_of(load_balancer),
        updated_at=load_balancer.updated_at,
        pending=pending,
        left_out_ids=in_error,
        operating_statuses=statuses,
        disabled_ids=_disabled_ids(load_balancer),
        members=_members(load_balancer),
        flavor=flavor or {},
        availability_zone=availability_zone or {},
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
    if not load_balancer.enabled:
        return ()
    return tuple(
        ListenerSocket(
            listener_id=listener.id,
            ip_address=vip.ip_address,
            port=listener.protocol_port,
            scheme=_scheme(listener),
        )
        for listener in sorted(
            haproxy_listeners(load_balancer), key=lambda x: x.id
        )
        if listener.enabled
        for vip in vips
    )


def _scheme(listener: Any) -> Scheme:
    """How a probe may ask it; not at all where it wants a certificate."""
    if listener.protocol == constants.PROTOCOL_HTTP:
        return Scheme.HTTP
    if (
        listener.protocol == lib_constants.PROTOCOL_TERMINATED_HTTPS
        and listener.client_authentication != constants.CLIENT_AUTH_MANDATORY
    ):
        return Scheme.HTTPS
    return Scheme.OPAQUE


def _has_stick_tables(load_balancer: Any) -> bool:
    return any(
        pool.session_persistence is not None
        and pool.session_persistence.type in STICK_TABLE_TYPES
        for pool in load_balancer.pools
    )


def _has_metrics_listener(load_balancer: Any) -> bool:
    return bool(load_balancer.enabled) and any(
        listener.enabled
        and listener.protocol == lib_constants.PROTOCOL_PROMETHEUS
        for listener in haproxy_listeners(load_balancer)
    )


def _unused_pools(load_balancer: Any) -> tuple[str, ...]:
    used = {x.id for one in load_balancer.listeners for x in one.pools}
    return tuple(x.id for x in load_balancer.pools if x.id not in used)


def _member_subnets(load_balancer: Any) -> tuple[str, ...]:
    subnets = {m.subnet_id for x in load_balancer.pools for m in x.members}
    return tuple(sorted(filter(None, subnets)))


def _disabled_ids(load_balancer: Any) -> frozenset[str]:
    return frozenset(
        part.id
        for part in (*load_balancer.listeners, *load_balancer.pools)
        if not (load_balancer.enabled and part.enabled)
    )


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
