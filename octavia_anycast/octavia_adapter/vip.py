# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""VIP ports: allocated and given back through Octavia's network driver.

Dicts here are those of octavia_lib's provider interface.
"""

from typing import Any

from octavia.api.drivers import utils as driver_utils
from octavia.common import data_models, utils
from octavia.network import base as network_base
from octavia_lib.common import constants as lib_constants

from octavia_anycast.model.errors import AnycastError, Conflict, Permanent

VipDict = dict[str, Any]


def allocate(
    load_balancer_id: str,
    project_id: str,
    vip: VipDict,
    additional_vips: list[VipDict],
) -> tuple[VipDict, list[VipDict]]:
    """Make or check the port of the VIPs; one port holds them all.

    :raises Conflict: an address is taken.
    :raises Permanent: the network cannot be used, or Neutron said no.
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
        raise _refusal(e) from e
    return (
        driver_utils.vip_dict_to_provider_dict(allocated.to_dict()),
        [
            driver_utils.additional_vip_dict_to_provider_dict(other.to_dict())
            for other in others
        ],
    )


def deallocate(load_balancer_id: str, project_id: str, vip: VipDict) -> None:
    """Give the port back if Octavia made it; a user's port stays.

    :raises Permanent: if Neutron does not delete it.
    """
    load_balancer = _load_balancer(load_balancer_id, project_id, vip, [])
    load_balancer.vip.load_balancer = load_balancer
    try:
        utils.get_network_driver().deallocate_vip(load_balancer.vip)
    except network_base.NetworkException as e:
        raise _refusal(e) from e


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


def _refusal(error: Any) -> AnycastError:
    """Say it in the words of Neutron, where there are some."""
    message = getattr(error, "orig_msg", None) or str(error)
    if isinstance(error, network_base.VIPInUseException):
        return Conflict(message)
    return Permanent(message)
