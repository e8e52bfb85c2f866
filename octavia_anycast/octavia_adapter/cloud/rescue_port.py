# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The port of flow rescue, open between the amphorae of a load balancer.

Layer: octavia_adapter.
"""

from typing import Any

from openstack import exceptions

from octavia_anycast.model.wire import RESCUE_PORT

# UDP by its number: whenever Octavia writes the rules of a group, it deletes
# those of "udp" which are of no listener.
_UDP = "17"
_ETHERTYPES = ("IPv4", "IPv6")


def open_port(driver: Any, group_id: str) -> None:
    """Let the ports that have this security group reach each other's tunnel.

    A group that is among the sources of its own rule means: from members
    only, whoever they are at the time.

    :param driver: Octavia's network driver
    """
    proxy = driver.network_proxy
    found = {
        rule.ether_type
        for rule in proxy.security_group_rules(
            security_group_id=group_id, remote_group_id=group_id
        )
        if rule.protocol == _UDP and rule.port_range_min == RESCUE_PORT
    }
    for ethertype in sorted(set(_ETHERTYPES) - found):
        try:
            proxy.create_security_group_rule(
                security_group_id=group_id,
                remote_group_id=group_id,
                direction="ingress",
                ether_type=ethertype,
                protocol=_UDP,
                port_range_min=RESCUE_PORT,
                port_range_max=RESCUE_PORT,
            )
        except exceptions.ConflictException:
            continue  # another controller was first
