# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""tempest.conf of a lab, and the workspace that it is in.

Tempest makes its own users and projects, as the lab's operator. There is
neither Nova nor Glance in a lab; Octavia's plug-in wants both to be there
before it runs any test that is not for no-op drivers. Its API tests call
neither.
"""

import configparser
import io
import pathlib
from collections.abc import Mapping

from octavia_anycast.provider.metadata import FLAVOR
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.cloud import octavia_api

INTERVAL_SECONDS = 1
BUILD_SECONDS = 600
CHANGE_SECONDS = 300
VIP_SUBNET = "anycast-v4"
ZONE = str(settings.RACK_LEAVES[0].rack)
FLAVOR_KEY = "cluster_size"
_FALSE, _TRUE = "false", "true"


def write(plane: deployment.Deployment, api: rest.Api) -> pathlib.Path:
    """Write tempest.conf; returns the workspace, where tempest is run."""
    workspace = plane.state_dir / "tempest"
    workspace.mkdir(exist_ok=True)
    text = render(
        sections(plane, vip_subnet_id=subnet_id(api, VIP_SUBNET)), workspace
    )
    deployment.write_private(workspace / "tempest.conf", text)
    return workspace


def sections(
    plane: deployment.Deployment, *, vip_subnet_id: str
) -> dict[str, Mapping[str, object]]:
    """Section -> option -> value."""
    login = plane.clouds()["clouds"]["admin"]["auth"]
    return {
        "auth": {
            "admin_username": login["username"],
            "admin_password": login["password"],
            "admin_project_name": login["project_name"],
            "admin_domain_name": login["user_domain_name"],
            "use_dynamic_credentials": _TRUE,
            "create_isolated_networks": _FALSE,
        },
        "identity": {
            "auth_version": "v3",
            "uri_v3": plane.identity_url,
            "region": deployment.REGION,
            "v3_endpoint_type": "public",
        },
        "service_available": {
            "load_balancer": _TRUE,
            "neutron": _TRUE,
            "nova": _TRUE,
            "glance": _TRUE,
            "cinder": _FALSE,
            "swift": _FALSE,
        },
        # On a busy machine; by default a call may take a minute.
        "service-clients": {"http_timeout": CHANGE_SECONDS},
        "network": {"project_networks_reachable": _TRUE},
        "network-feature-enabled": {"port_security": _TRUE},
        **_load_balancing(vip_subnet_id),
    }


def _load_balancing(vip_subnet_id: str) -> dict[str, Mapping[str, object]]:
    return {
        "load_balancer": {
            "provider": "anycast",
            "region": deployment.REGION,
            "RBAC_test_type": "keystone_default_roles",
            "enabled_provider_drivers": ",".join(
                f"{name}:{description}"
                for name, description in octavia_api.providers().items()
            ),
            "build_interval": INTERVAL_SECONDS,
            "build_timeout": CHANGE_SECONDS,
            "check_interval": INTERVAL_SECONDS,
            "check_timeout": CHANGE_SECONDS,
            "lb_build_interval": INTERVAL_SECONDS,
            "lb_build_timeout": BUILD_SECONDS,
            "log_user_roles": _FALSE,
            "availability_zone": ZONE,
            "expected_flavor_capability": f"{FLAVOR_KEY}:{_described()}",
        },
        # Octavia's topologies: a test that asks for one skips itself.
        "loadbalancer-feature-enabled": {"not_implemented_is_error": _FALSE},
        "load_balancer_anycast": {"vip_subnet_id": vip_subnet_id},
    }


def _described() -> str:
    """What the API says of that key of a flavor."""
    description: str = FLAVOR["properties"][FLAVOR_KEY]["description"]
    return description


def render(
    content: Mapping[str, Mapping[str, object]], workspace: pathlib.Path
) -> str:
    """The text of tempest.conf."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser["DEFAULT"] = {
        "log_dir": str(workspace),
        "log_file": "tempest.log",
    }
    for section, options in content.items():
        parser[section] = {name: str(v) for name, v in options.items()}
    parser["oslo_concurrency"] = {"lock_path": str(workspace / "lock")}
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def subnet_id(api: rest.Api, name: str) -> str:
    """The id of one of the lab's subnets.

    :raises LookupError: there is none of that name.
    """
    for subnet in api.get(rest.NETWORK, "/v2.0/subnets")["subnets"]:
        if subnet["name"] == name:
            return str(subnet["id"])
    raise LookupError(f"{seed.ANYCAST_NETWORK} has no subnet {name}")
