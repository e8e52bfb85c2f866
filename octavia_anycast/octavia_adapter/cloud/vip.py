# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""VIP ports: allocated and released through Octavia's network driver.

Dicts here are those of octavia_lib's provider interface.
"""

from typing import Any

from octavia.api.drivers import utils as driver_utils
from octavia.common import data_models, utils
from octavia.network import base as network_base
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    InvalidValue,
    Permanent,
    Retryable,
)
from octavia_anycast.octavia_adapter.errors import answer_of

VipDict = dict[str, Any]
# What Neutron answers when a quota, or the addresses of a subnet, are used up.
_EXHAUSTED = (403, 409, 413)


def allocate(
    load_balancer_id: str,
    project_id: str,
    vip: VipDict,
    additional_vips: list[VipDict],
) -> tuple[VipDict, list[VipDict]]:
    """Make or check the port of the VIPs; one port holds them all.

    :raises Conflict: an address is taken, or a quota or subnet exhausted.
    :raises InvalidValue: Neutron refuses what was asked for.
    :raises Retryable: Neutron does not answer.
    :raises Permanent: the network cannot be used.
    """
    driver = utils.get_network_driver()
    try:
        network = driver.get_network(vip[lib_constants.VIP_NETWORK_ID])
        if not network.port_security_enabled:
            raise Permanent(
                "Port security must be enabled on the VIP network."
            )
        allocated, others = driver.allocate_vip(
            _load_balancer(load_balancer_id, project_id, vip, additional_vips)
        )
    except network_base.NetworkException as e:
        raise _refusal(e, _asked(vip, additional_vips)) from e
    return (
        driver_utils.vip_dict_to_provider_dict(allocated.to_dict()),
        [
            driver_utils.additional_vip_dict_to_provider_dict(other.to_dict())
            for other in others
        ],
    )


def deallocate(load_balancer_id: str, project_id: str, vip: VipDict) -> None:
    """Release the port if Octavia made it; a user's port stays.

    :raises Permanent: if Neutron does not delete it.
    """
    load_balancer = _load_balancer(load_balancer_id, project_id, vip, [])
    load_balancer.vip.load_balancer = load_balancer
    try:
        utils.get_network_driver().deallocate_vip(load_balancer.vip)
    except network_base.NetworkException as e:
        raise _refusal(e, lib_constants.VIP_PORT_ID) from e


def _load_balancer(
    load_balancer_id: str,
    project_id: str,
    vip: VipDict,
    additional_vips: list[VipDict],
) -> Any:
    return data_models.LoadBalancer(
        id=load_balancer_id,
        project_id=project_id,
        vip=driver_utils.provider_vip_dict_to_vip_obj(vip),
        additional_vips=[
            driver_utils.provider_additional_vip_dict_to_additional_vip_obj(
                additional
            )
            for additional in additional_vips
        ],
        amphorae=[],
    )


def _asked(vip: VipDict, additional_vips: list[VipDict]) -> str:
    """Return the most specific attribute of the request."""
    if vip.get(lib_constants.VIP_ADDRESS):
        return str(lib_constants.VIP_ADDRESS)
    if any(additional.get("ip_address") for additional in additional_vips):
        return "additional_vips"
    if vip.get(lib_constants.VIP_SUBNET_ID):
        return str(lib_constants.VIP_SUBNET_ID)
    return str(lib_constants.VIP_NETWORK_ID)


def _refusal(error: Any, asked: str) -> AnycastError:
    """Make our own error, in Neutron's words if it answered.

    :param asked: the attribute that is named if Neutron refuses the request
    """
    if isinstance(error, network_base.VIPInUseException):
        return Conflict(getattr(error, "orig_msg", None) or str(error))
    answer = answer_of(error)
    if answer is None:
        return Permanent(getattr(error, "orig_msg", None) or str(error))
    if not answer.is_final:
        return Retryable(f"Neutron: {answer.sentence}")
    if answer.status in _EXHAUSTED:
        return Conflict(answer.sentence)
    return InvalidValue(asked, answer.sentence)
