# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ports that are open between the amphorae of a load balancer, to nobody else.

Layer: octavia_adapter.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from openstack import exceptions
from oslo_log import log as logging

from octavia_anycast.model.wire import METRICS_PORT, RESCUE_PORT

LOG = logging.getLogger(__name__)

# Neutron answers 409 for a rule that is there, and for a quota used up.
_QUOTA = "quota"
_ETHERTYPES = ("IPv4", "IPv6")


@dataclass(frozen=True, slots=True)
class MemberPort:
    """A port of each amphora, for the others.

    ``protocol``: by its number. Whenever Octavia writes the rules of a group,
    it deletes those of "tcp" and "udp" which are of no listener.
    """

    protocol: str
    number: int

    def is_of(self, rule: Any) -> bool:
        """Whether a rule is about this port."""
        return (rule.protocol, rule.port_range_min) == (
            self.protocol,
            self.number,
        )


RESCUE = MemberPort("17", RESCUE_PORT)
METRICS = MemberPort("6", METRICS_PORT)


def bring_about(
    driver: Any,
    group_id: str,
    *,
    opened: Collection[MemberPort],
    closed: Collection[MemberPort] = (),
) -> None:
    """Let the ports that have this security group reach each other there.

    A group that is among the sources of its own rule means: from members
    only, whoever they are at the time.

    :param driver: Octavia's network driver; one without a client of Neutron,
        such as noop, has no rules
    """
    proxy = getattr(driver, "network_proxy", None)
    if proxy is None:
        return
    rules = list(
        proxy.security_group_rules(
            security_group_id=group_id, remote_group_id=group_id
        )
    )
    for port in opened:
        found = {rule.ether_type for rule in rules if port.is_of(rule)}
        for ethertype in sorted(set(_ETHERTYPES) - found):
            _open(proxy, group_id, port, ethertype)
    for port in closed:
        for rule in rules:
            if port.is_of(rule):
                proxy.delete_security_group_rule(rule.id)


def _open(proxy: Any, group_id: str, port: MemberPort, ethertype: str) -> None:
    try:
        proxy.create_security_group_rule(
            security_group_id=group_id,
            remote_group_id=group_id,
            direction="ingress",
            ether_type=ethertype,
            protocol=port.protocol,
            port_range_min=port.number,
            port_range_max=port.number,
        )
    except exceptions.ConflictException as e:
        if _QUOTA in str(e).lower():
            LOG.warning(
                "Port %s is not opened between the amphorae of security group "
                "%s: %s",
                port.number,
                group_id,
                e,
            )
        # Else another controller has made it.
