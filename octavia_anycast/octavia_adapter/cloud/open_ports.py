# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the security groups of load balancers let in, and what they are to.

Read from Octavia's tables and from Neutron's list of groups, which has their
rules in it: one call, however many load balancers there are.

Layer: octavia_adapter. Reads only.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from octavia.common import constants
from octavia.common import utils as octavia_utils
from octavia.db import models

from octavia_anycast.model.errors import Permanent
from octavia_anycast.model.wire import RESCUE_PORT
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction
from octavia_anycast.planning.doctor.seen import Opening, SeenGroup

_NUMBERS = {"tcp": "6", "udp": "17", "sctp": "132"}
_INGRESS = "ingress"
# What is looked at of each row, in one query for a table and 500 rows.
_load = models.orm.selectinload
_LOADED = (
    _load(models.LoadBalancer.vip).options(_load(models.Vip.sgs)),
    _load(models.LoadBalancer.additional_vips),
    _load(models.LoadBalancer.listeners).options(
        _load(models.Listener.allowed_cidrs)
    ),
)


def look(
    owners: Mapping[str, str],
    *,
    opens_rescue_port: bool,
    driver: Any = None,
) -> tuple[SeenGroup, ...]:
    """Compare the groups of load balancers with what they are to let in.

    Load balancers that are being changed, and those without a listener, are
    left out: their rules are being made, or there are none.

    :param owners: load_balancer_id -> its distributor
    :param opens_rescue_port: flow rescue's port is to be open among members
    :raises Retryable: the network service, or Octavia's database, does not
        answer.
    :raises Permanent: the network service refuses.
    """
    if not owners:
        return ()
    wanted = _wanted(owners, opens_rescue_port=opens_rescue_port)
    if not wanted:
        return ()
    with translated("reading security groups"):
        driver = driver or octavia_utils.get_network_driver()
        proxy = getattr(driver, "network_proxy", None)
        if proxy is None:
            raise Permanent("the network driver cannot list security groups")
        project_id = driver.project_id
        groups = {
            group.name: group
            for group in proxy.security_groups(project_id=project_id)
        }
    return tuple(
        _seen(load_balancer_id, owners, openings, groups)
        for load_balancer_id, openings in wanted.items()
    )


def _seen(
    load_balancer_id: str,
    owners: Mapping[str, str],
    openings: tuple[Opening, ...],
    groups: Mapping[str, Any],
) -> SeenGroup:
    name = octavia_utils.get_vip_security_group_name(load_balancer_id)
    group = groups.get(name)
    there = group.security_group_rules if group is not None else ()
    return SeenGroup(
        load_balancer_id=load_balancer_id,
        distributor_id=owners[load_balancer_id],
        name=name,
        id=None if group is None else group.id,
        missing=tuple(x for x in openings if not is_open(x, there)),
    )


def is_open(
    opening: Opening, rules: Iterable[Mapping[str, Any]] | None
) -> bool:
    """Whether some rule, as Neutron shows it, lets it in from anywhere."""
    return any(
        rule["direction"] == _INGRESS
        and rule["ethertype"] == f"IPv{opening.ip_version}"
        and str(rule.get("protocol") or opening.protocol).lower()
        in (opening.protocol, _NUMBERS[opening.protocol])
        and (rule.get("port_range_min") or 0) <= opening.port
        and opening.port <= (rule.get("port_range_max") or 65_535)
        for rule in rules or ()
    )


def _wanted(
    owners: Mapping[str, str], *, opens_rescue_port: bool
) -> dict[str, tuple[Opening, ...]]:
    """load_balancer_id -> what its group is to let in."""
    found = {}
    with transaction() as session:
        rows = (
            session.query(models.LoadBalancer)
            .options(*_LOADED)
            .filter(
                models.LoadBalancer.id.in_(list(owners)),
                models.LoadBalancer.provisioning_status == constants.ACTIVE,
            )
        )
        for row in rows.order_by(models.LoadBalancer.id):
            openings = wanted_of(row, opens_rescue_port=opens_rescue_port)
            if openings:
                found[row.id] = openings
    return found


def wanted_of(row: Any, *, opens_rescue_port: bool) -> tuple[Opening, ...]:
    """What the group of a load balancer is to let in, a row or data model."""
    active = [
        listener
        for listener in row.listeners
        if listener.provisioning_status == constants.ACTIVE
    ]
    if not active:
        return ()
    found = _openings(row, active, opens_rescue_port=opens_rescue_port)
    return tuple(sorted(set(found)))


def _openings(
    row: Any, active: list[Any], *, opens_rescue_port: bool
) -> Iterator[Opening]:
    vips = [row.vip, *row.additional_vips]
    versions = {ip_address(vip.ip_address).version for vip in vips}
    for version in versions:
        # The VIP's own groups decide instead, if it has some.
        for listener in active if not row.vip.sg_ids else ():
            if not _takes(listener, version):
                continue
            yield Opening(
                protocol=_protocol(listener),
                port=listener.protocol_port,
                ip_version=version,
                why=f"listener {listener.name or listener.id}",
            )
        for port in {listener.peer_port for listener in active}:
            yield Opening(
                protocol="tcp",
                port=port,
                ip_version=version,
                is_among_members=True,
                why="session persistence among the amphorae",
            )
        if opens_rescue_port:
            yield Opening(
                protocol="udp",
                port=RESCUE_PORT,
                ip_version=version,
                is_among_members=True,
                why="flow rescue",
            )


def _takes(listener: Any, version: int) -> bool:
    """Whether anybody of a family may reach it at all."""
    cidrs = [one.cidr for one in listener.allowed_cidrs]
    return not cidrs or any((":" in cidr) == (version == 6) for cidr in cidrs)


def _protocol(listener: Any) -> str:
    if listener.protocol in constants.LVS_PROTOCOLS:
        return str(listener.protocol).lower()
    return "tcp"
