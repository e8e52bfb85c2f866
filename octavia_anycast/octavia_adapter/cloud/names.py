# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What things of amphorae are called in the cloud, and read back.

Servers, VIP ports and security groups have the names that Octavia gives
them: stock amphorae and load balancers have such, too. Front-end and member
ports have names of ours.

Layer: octavia_adapter.
"""

import re

from octavia.common import constants

SERVER_PREFIX = "amphora-"
VIP_PREFIX = "octavia-lb-"
FRONTEND_PREFIX = "octavia-anycast-fe-"
MEMBER_PREFIX = "octavia-anycast-member-"

_ID = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_SERVER = re.compile(SERVER_PREFIX + _ID)
_VIP_PORT = re.compile(VIP_PREFIX + _ID)
_AMPHORA_PORT = re.compile(f"{FRONTEND_PREFIX}{_ID}|{MEMBER_PREFIX}{_ID}-.+")
_GROUP = re.compile(constants.VIP_SECURITY_GROUP_PREFIX + _ID)


def server_name(amphora_id: str) -> str:
    """The name of an amphora's server: Octavia's."""
    return SERVER_PREFIX + amphora_id


def frontend_port_name(amphora_id: str) -> str:
    """The name of an amphora's front-end port."""
    return FRONTEND_PREFIX + amphora_id


def member_port_name(amphora_id: str, network_id: str) -> str:
    """The name of an amphora's port in a network of members."""
    return f"{MEMBER_PREFIX}{amphora_id}-{network_id}"


def amphora_of_server(name: str | None) -> str | None:
    """The amphora whose server this is; None if it is none."""
    return _read(_SERVER, name)


def amphora_of_port(name: str | None) -> str | None:
    """The amphora whose port of ours this is; None if it is none."""
    return _read(_AMPHORA_PORT, name)


def load_balancer_of_port(name: str | None) -> str | None:
    """The load balancer whose VIP port this is; None if it is none."""
    return _read(_VIP_PORT, name)


def load_balancer_of_group(name: str | None) -> str | None:
    """The load balancer whose security group this is; None if none."""
    return _read(_GROUP, name)


def _read(pattern: re.Pattern[str], name: str | None) -> str | None:
    found = pattern.fullmatch(name or "")
    return next(filter(None, found.groups())) if found else None
