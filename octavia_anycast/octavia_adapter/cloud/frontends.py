# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Check front ends against Neutron: network, subnet and VIPs must fit.

Layer: octavia_adapter.
"""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from octavia.common import exceptions, utils, validate

from octavia_anycast.model.distributor import (
    FRONTEND_NETWORK_ID,
    FRONTEND_SUBNET_ID,
    Choice,
)
from octavia_anycast.model.errors import InvalidRequest


def versions_of(
    vips: Iterable[tuple[str | None, str | None]],
) -> frozenset[int]:
    """Return the IP versions of VIPs, each given by (address, subnet id).

    Without an address, it is the version of the subnet.
    """
    return frozenset(
        ip_address(address).version
        if address
        else utils.get_network_driver().get_subnet(subnet_id).ip_version
        for address, subnet_id in vips
    )


def completed(
    choice: Choice, versions: frozenset[int], context: Any = None
) -> Choice:
    """Check the front end that was chosen and fill in its network.

    :param versions: the IP versions of the VIPs
    :param context: whose networks may be used; None: all there are
    :raises InvalidRequest: naming the attribute that does not fit.
    """
    if choice.frontend_subnet_id is not None:
        return _with_subnet(choice, versions, context)
    if choice.frontend_network_id is not None:
        network = _network(choice.frontend_network_id, context)
        found = frozenset(
            _subnet(subnet_id, context).ip_version
            for subnet_id in network.subnets
        )
        _check_versions(
            FRONTEND_NETWORK_ID,
            f"network {choice.frontend_network_id}",
            versions - found,
        )
    return choice


def _with_subnet(
    choice: Choice, versions: frozenset[int], context: Any
) -> Choice:
    assert choice.frontend_subnet_id is not None
    subnet = _subnet(choice.frontend_subnet_id, context)
    network_id = choice.frontend_network_id or subnet.network_id
    _network(network_id, context)
    if subnet.network_id != network_id:
        raise InvalidRequest(
            FRONTEND_SUBNET_ID,
            f"subnet {subnet.id} is not one of network {network_id}",
        )
    _check_versions(
        FRONTEND_SUBNET_ID,
        f"subnet {subnet.id}",
        versions - {subnet.ip_version},
    )
    return replace(choice, frontend_network_id=network_id)


def _check_versions(name: str, what: str, missing: frozenset[int]) -> None:
    if missing:
        families = " and ".join(f"IPv{version}" for version in sorted(missing))
        raise InvalidRequest(
            name,
            f"{what} has no {families}, but a VIP of the load balancer has: "
            "an amphora could not be the next hop of that VIP",
        )


def _network(network_id: str, context: Any) -> Any:
    try:
        network = validate.network_exists_optionally_contains_subnet(
            network_id, context=context
        )
    except exceptions.InvalidSubresource as e:
        raise InvalidRequest(
            FRONTEND_NETWORK_ID, f"there is no network {network_id}"
        ) from e
    if network.port_security_enabled is False:
        raise InvalidRequest(
            FRONTEND_NETWORK_ID,
            f"port security has to be enabled on network {network_id}",
        )
    return network


def _subnet(subnet_id: str, context: Any) -> Any:
    try:
        return validate.subnet_exists(subnet_id, context=context)
    except exceptions.InvalidSubresource as e:
        raise InvalidRequest(
            FRONTEND_SUBNET_ID, f"there is no subnet {subnet_id}"
        ) from e
