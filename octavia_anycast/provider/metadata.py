# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What flavors and availability zones may say, checked and read.

A flavor says how large a cluster is, whether it scales by itself, what its
health gate does and which distributor it uses. An availability zone says what
it says to Octavia's amphora provider, and may choose a distributor, too. That
is the choice of load balancers whose user and flavor choose nothing.
"""

from collections.abc import Callable
from typing import Any

from jsonschema import exceptions as schema_exceptions
from jsonschema import validate
from octavia.api.drivers.amphora_driver import availability_zone_schema
from octavia.common import constants, utils
from octavia.common import exceptions as octavia_exceptions
from octavia.network import base as network_base
from oslo_config import cfg
from stevedore import driver as stevedore_driver

from octavia_anycast.model.autoscale import (
    SCALE_IN_DELAY_MAX_SECONDS,
    TARGET_MAX,
    TOLERANCE_MAX,
    Autoscale,
    Metric,
)
from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    COOLDOWN_MAX_SECONDS,
    SPARE_COUNT_MAX,
    TIMEOUT_MAX_SECONDS,
    ClusterSize,
)
from octavia_anycast.model.distributor import (
    CHOICE,
    DISTRIBUTOR_ID,
    FRONTEND_NETWORK_ID,
    FRONTEND_SUBNET_ID,
    Choice,
)
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.octavia_adapter.cloud import frontends
from octavia_anycast.options import OPTIONS, Settings
from octavia_anycast.planning.amphora.gate_choice import KEYS

CLUSTER_SIZE = "cluster_size"
CLUSTER_MIN_SIZE = "cluster_min_size"
FLOW_RESCUE = "flow_rescue"
CLUSTER_MAX_SIZE = "cluster_max_size"
AUTOSCALE = "cluster_autoscale_"


def _text(description: str, **limits: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **limits}


def _number(
    minimum: int, maximum: float, description: str, kind: str = "integer"
) -> dict[str, Any]:
    limits = {"minimum": minimum, "maximum": maximum}
    return {"type": kind, **limits, "description": description}


_CHOICE = {
    DISTRIBUTOR_ID: _text(
        "The ID of the distributor. Default: the default distributor."
    ),
    FRONTEND_NETWORK_ID: _text(
        "The ID of the network from which amphorae announce the VIPs. "
        "Default: that of the amphora's zone in the distributor, else the "
        "VIP's own network."
    ),
    FRONTEND_SUBNET_ID: _text(
        "The ID of the subnet from which amphorae announce the VIPs; it has "
        "to be of the VIPs' address family. Default: one of the front-end "
        "network for each family."
    ),
}
_AUTOSCALE = {
    f"{AUTOSCALE}metric": _text(
        "The cluster is scaled by this. Default: its size is not changed.",
        enum=[metric.value for metric in Metric],
    ),
    f"{AUTOSCALE}target": _number(
        1, TARGET_MAX, "How much of the metric one amphora is to carry."
    ),
    f"{AUTOSCALE}tolerance": _number(
        0,
        TOLERANCE_MAX,
        "By which share of the target the load may differ from it.",
        "number",
    ),
    f"{AUTOSCALE}scale_in_delay": _number(
        0,
        SCALE_IN_DELAY_MAX_SECONDS,
        "Seconds for which one amphora fewer must have sufficed.",
    ),
}
_GATE = {
    option.name: {
        "type": "integer" if isinstance(option, cfg.IntOpt) else "string",
        "description": f"{option.help} Default: [anycast] {option.name}.",
    }
    for option in OPTIONS
    if option.name in KEYS
}
FLAVOR: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Flavor metadata of the anycast provider",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        CLUSTER_SIZE: _number(
            1,
            CLUSTER_SIZE_MAX,
            "Amphorae that serve the load balancer at the same time.",
        ),
        CLUSTER_MIN_SIZE: _number(
            1,
            CLUSTER_SIZE_MAX,
            "Amphorae that must hold a configuration for the load balancer "
            "to be ACTIVE. At most the cluster size.",
        ),
        CLUSTER_MAX_SIZE: _number(
            1,
            CLUSTER_SIZE_MAX,
            "The largest size that the cluster can be given later. At least "
            "the cluster size.",
        ),
        "cluster_cooldown": _number(
            0,
            COOLDOWN_MAX_SECONDS,
            "Seconds between two changes of the size that autoscaling makes.",
        ),
        "cluster_spare_count": _number(
            0,
            SPARE_COUNT_MAX,
            "Amphorae that stand by beside those that serve, and take the "
            "place of a lost one at once.",
        ),
        FLOW_RESCUE: {
            "type": "boolean",
            "description": "Whether amphorae hand packets of each other's "
            "connections to the amphora that has the connection. Default: "
            "true. It needs [anycast] flow_rescue.",
        },
        **_AUTOSCALE,
        **_CHOICE,
        **_GATE,
        "peer_group_size": _number(
            0,
            CLUSTER_SIZE_MAX,
            "Amphorae that share their stick tables. Default: [anycast] "
            "peer_group_size.",
        ),
        "drain_timeout": _number(
            0,
            TIMEOUT_MAX_SECONDS,
            "Seconds that the connections of an amphora that leaves may last. "
            "Default: [anycast] drain_timeout.",
        ),
        constants.COMPUTE_FLAVOR: _text("The compute driver flavor ID."),
        constants.AMP_IMAGE_TAG: _text("The amphora image tag."),
    },
}
_STOCK_ZONE = availability_zone_schema.SUPPORTED_AVAILABILITY_ZONE_SCHEMA
AVAILABILITY_ZONE: dict[str, Any] = {
    **_STOCK_ZONE,
    "title": "Availability zone metadata of the anycast provider",
    "properties": {**_STOCK_ZONE["properties"], **_CHOICE},
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
    allowed = settings.size.maximum
    desired = int(metadata.get(CLUSTER_SIZE, settings.size.desired))
    maximum = int(metadata.get(CLUSTER_MAX_SIZE, allowed))
    for key, size in ((CLUSTER_SIZE, desired), (CLUSTER_MAX_SIZE, maximum)):
        if size > allowed:
            raise InvalidRequest(
                key,
                f"{size} is more than {allowed}, the most that this "
                "deployment allows ([anycast] cluster_max_size)",
            )
    if CLUSTER_SIZE not in metadata:
        desired = min(desired, maximum)
    minimum = metadata.get(
        CLUSTER_MIN_SIZE, min(settings.size.minimum, desired)
    )
    return ClusterSize(desired=desired, minimum=int(minimum), maximum=maximum)


def whole(metadata: dict[str, Any], key: str) -> int:
    """Read a number, 0 if it is not there; to the schema 60.0 is whole."""
    return int(metadata.get(key, 0))


def autoscale_of(metadata: dict[str, Any]) -> Autoscale | None:
    """Read what a flavor says of autoscaling; None: nothing.

    :raises InvalidRequest: naming the key that does not fit or is missing.
    """
    given: dict[str, Any] = {
        key.removeprefix(AUTOSCALE): int(value)
        if isinstance(value, float) and schema["type"] == "integer"
        else value
        for key, schema in _AUTOSCALE.items()
        if (value := metadata.get(key)) is not None
    }
    if not given:
        return None
    for name in ("metric", "target"):
        if name not in given:
            raise InvalidRequest(
                f"{AUTOSCALE}{name}", "autoscaling needs it, and it is missing"
            )
    try:
        return Autoscale(**given | {"metric": Metric(given["metric"])})
    except InvalidRequest as e:
        raise InvalidRequest(f"{AUTOSCALE}{e.field}", e.reason) from e


def choice_of(load_balancer: Any) -> Choice:
    """What is chosen for a load balancer that is being created.

    Our API has put together and checked what user, flavor and availability
    zone say, and hands it over inside the availability zone's metadata (ADR
    0053). Under Octavia's own application there are flavor and availability
    zone only.

    :param load_balancer: octavia_lib's
    :raises InvalidRequest: naming what does not fit its VIPs.
    """
    zone = load_balancer.availability_zone or {}
    if CHOICE in zone:
        return Choice.of(zone[CHOICE])
    choice = Choice.of(load_balancer.flavor or {}).or_else(Choice.of(zone))
    if not choice.has_frontend:
        return choice
    vips = [(load_balancer.vip_address, load_balancer.vip_subnet_id)]
    vips += [
        (vip["ip_address"], vip["subnet_id"])
        for vip in load_balancer.additional_vips or ()
    ]
    return frontends.completed(choice, frontends.versions_of(vips))


def check_resources(metadata: dict[str, Any]) -> None:
    """Ask network, compute, image and volume services for what is named.

    :raises InvalidRequest: naming the key whose value they do not know.
    """
    frontends.completed(Choice.of(metadata), frozenset())
    for key, look_up in _LOOK_UPS.items():
        values = metadata.get(key) or ()
        for value in [values] if isinstance(values, str) else values:
            try:
                look_up(value)
            except (
                octavia_exceptions.OctaviaException,
                octavia_exceptions.APIException,
                network_base.NetworkException,
            ) as e:
                raise InvalidRequest(key, str(e)) from e


def _driver(kind: str) -> Any:
    return stevedore_driver.DriverManager(
        namespace=f"octavia.{kind}.drivers",
        name=cfg.CONF.controller_worker[f"{kind}_driver"],
        invoke_on_load=True,
    ).driver


def _look_up_image(tag: str) -> None:
    owner = cfg.CONF.controller_worker.amp_image_owner_id
    _driver("image").get_image_id_by_tag(tag, owner)


def _look_up_network(network_id: str) -> None:
    utils.get_network_driver().get_network(network_id)


# key -> asks the service that knows its values
_LOOK_UPS: dict[str, Callable[[str], Any]] = {
    constants.COMPUTE_FLAVOR: lambda v: _driver("compute").validate_flavor(v),
    constants.AMP_IMAGE_TAG: _look_up_image,
    constants.COMPUTE_ZONE: (
        lambda v: _driver("compute").validate_availability_zone(v)
    ),
    constants.VOLUME_ZONE: (
        lambda v: _driver("volume").validate_availability_zone(v)
    ),
    constants.VALID_VIP_NETWORKS: _look_up_network,
    constants.MANAGEMENT_NETWORK: _look_up_network,
}
