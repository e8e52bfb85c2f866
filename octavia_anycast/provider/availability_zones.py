# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Availability zone metadata: the amphora provider's, and a choice.

It is the choice of load balancers whose user and flavor say nothing.
"""

from typing import Any

from octavia.api.drivers.amphora_driver import availability_zone_schema
from octavia.common import constants, utils

from octavia_anycast.model.distributor import Choice
from octavia_anycast.octavia_adapter.cloud import frontends
from octavia_anycast.provider import services
from octavia_anycast.provider.flavors import FRONTEND, check_schema

_STOCK = availability_zone_schema.SUPPORTED_AVAILABILITY_ZONE_SCHEMA
SCHEMA: dict[str, Any] = {
    **_STOCK,
    "title": "Availability zone metadata of the anycast provider",
    "properties": {**_STOCK["properties"], **FRONTEND},
}


def check(metadata: dict[str, Any]) -> None:
    """Check metadata, and that the services know what it names.

    :raises InvalidRequest: naming the offending key.
    """
    check_schema(metadata, SCHEMA)
    frontends.completed(Choice.of(metadata), frozenset())
    compute_zone = metadata.get(constants.COMPUTE_ZONE)
    if compute_zone:
        with services.blaming(constants.COMPUTE_ZONE):
            services.compute().validate_availability_zone(compute_zone)
    volume_zone = metadata.get(constants.VOLUME_ZONE)
    if volume_zone:
        with services.blaming(constants.VOLUME_ZONE):
            services.volume().validate_availability_zone(volume_zone)
    for key, network_id in _networks(metadata):
        with services.blaming(key):
            utils.get_network_driver().get_network(network_id)


def _networks(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    vip_networks = metadata.get(constants.VALID_VIP_NETWORKS, [])
    networks = [(constants.VALID_VIP_NETWORKS, name) for name in vip_networks]
    management = metadata.get(constants.MANAGEMENT_NETWORK)
    if management:
        networks.append((constants.MANAGEMENT_NETWORK, management))
    return networks
