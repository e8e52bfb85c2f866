# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flavor metadata: how large a cluster is and which distributor it uses."""

from typing import Any

from jsonschema import exceptions as schema_exceptions
from jsonschema import validate
from octavia.common import constants
from oslo_config import cfg

from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    COOLDOWN_MAX_SECONDS,
    SPARE_COUNT_MAX,
    ClusterSize,
)
from octavia_anycast.model.distributor import (
    DISTRIBUTOR_ID,
    FRONTEND_NETWORK_ID,
    FRONTEND_SUBNET_ID,
    Choice,
)
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.octavia_adapter.cloud import frontends
from octavia_anycast.options import Settings
from octavia_anycast.provider import (
    autoscale_flavors,
    gate_flavors,
    services,
)

CLUSTER_SIZE = "cluster_size"
CLUSTER_MIN_SIZE = "cluster_min_size"
PEER_GROUP_SIZE = "peer_group_size"
CLUSTER_MAX_SIZE = "cluster_max_size"
CLUSTER_COOLDOWN = "cluster_cooldown"
CLUSTER_SPARE_COUNT = "cluster_spare_count"
# What a flavor and an availability zone may choose; the flavor wins.
FRONTEND: dict[str, Any] = {
    DISTRIBUTOR_ID: {
        "type": "string",
        "description": "The ID of the distributor. Default: the default "
        "distributor.",
    },
    FRONTEND_NETWORK_ID: {
        "type": "string",
        "description": "The ID of the network from which amphorae announce "
        "the VIPs. Default: that of the amphora's zone in the distributor, "
        "else the VIP's own network.",
    },
    FRONTEND_SUBNET_ID: {
        "type": "string",
        "description": "The ID of the subnet from which amphorae announce "
        "the VIPs; it has to be of the VIPs' address family. Default: one "
        "of the front-end network for each family.",
    },
}

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Flavor metadata of the anycast provider",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        CLUSTER_SIZE: {
            "type": "integer",
            "minimum": 1,
            "maximum": CLUSTER_SIZE_MAX,
            "description": "Amphorae that serve the load balancer at the "
            "same time.",
        },
        CLUSTER_MIN_SIZE: {
            "type": "integer",
            "minimum": 1,
            "maximum": CLUSTER_SIZE_MAX,
            "description": "Amphorae that must hold a configuration for the "
            "load balancer to be ACTIVE. At most the cluster size.",
        },
        CLUSTER_MAX_SIZE: {
            "type": "integer",
            "minimum": 1,
            "maximum": CLUSTER_SIZE_MAX,
            "description": "The largest size that the cluster can be given "
            "later. At least the cluster size.",
        },
        CLUSTER_COOLDOWN: {
            "type": "integer",
            "minimum": 0,
            "maximum": COOLDOWN_MAX_SECONDS,
            "description": "Seconds between two changes of the size that "
            "autoscaling makes.",
        },
        CLUSTER_SPARE_COUNT: {
            "type": "integer",
            "minimum": 0,
            "maximum": SPARE_COUNT_MAX,
            "description": "Amphorae that stand by beside those that serve, "
            "and take the place of a lost one at once.",
        },
        **autoscale_flavors.PROPERTIES,
        **FRONTEND,
        **gate_flavors.PROPERTIES,
        PEER_GROUP_SIZE: {
            "type": "integer",
            "minimum": 0,
            "maximum": CLUSTER_SIZE_MAX,
            "description": "Amphorae that share their stick tables. Default: "
            "[anycast] peer_group_size.",
        },
        constants.COMPUTE_FLAVOR: {
            "type": "string",
            "description": "The compute driver flavor ID.",
        },
        constants.AMP_IMAGE_TAG: {
            "type": "string",
            "description": "The amphora image tag.",
        },
    },
}


def check_schema(metadata: dict[str, Any], schema: dict[str, Any]) -> None:
    """Check metadata against a schema.

    :raises InvalidRequest: naming the offending key.
    """
    try:
        validate(metadata, schema)
    except schema_exceptions.ValidationError as e:
        unknown = sorted(set(metadata) - set(schema["properties"]))
        key = e.relative_path[0] if e.relative_path else unknown[0]
        reason = e.message if e.relative_path else "unknown key"
        raise InvalidRequest(str(key), reason) from e


def size_of(metadata: dict[str, Any], settings: Settings) -> ClusterSize:
    """Make the cluster's size of flavor metadata and settings.

    The configured minimum gives way to a smaller cluster; one in the
    metadata does not.

    :raises InvalidRequest: naming the key that does not fit.
    """
    desired = int(metadata.get(CLUSTER_SIZE, settings.size.desired))
    maximum = int(metadata.get(CLUSTER_MAX_SIZE, settings.max_size))
    for key, size in ((CLUSTER_SIZE, desired), (CLUSTER_MAX_SIZE, maximum)):
        if size > settings.max_size:
            raise InvalidRequest(
                key,
                f"{size} is more than {settings.max_size}, the most that "
                "this deployment allows ([anycast] cluster_max_size)",
            )
    if CLUSTER_SIZE not in metadata:
        desired = min(desired, maximum)
    minimum = metadata.get(
        CLUSTER_MIN_SIZE, min(settings.size.minimum, desired)
    )
    return ClusterSize(desired=desired, minimum=int(minimum), maximum=maximum)


def whole(metadata: dict[str, Any], key: str) -> int:
    """A number of the metadata, 0 if it is not there.

    JSON has one kind of number, and 60.0 is an integer to the schema.
    """
    return int(metadata.get(key, 0))


def check_resources(metadata: dict[str, Any]) -> None:
    """Ask network, compute and image services for what is named.

    :raises InvalidRequest: naming the key whose value they do not know.
    """
    frontends.completed(Choice.of(metadata), frozenset())
    flavor = metadata.get(constants.COMPUTE_FLAVOR)
    if flavor:
        with services.blaming(constants.COMPUTE_FLAVOR):
            services.compute().validate_flavor(flavor)
    tag = metadata.get(constants.AMP_IMAGE_TAG)
    if tag:
        with services.blaming(constants.AMP_IMAGE_TAG):
            services.image().get_image_id_by_tag(
                tag, cfg.CONF.controller_worker.amp_image_owner_id
            )
