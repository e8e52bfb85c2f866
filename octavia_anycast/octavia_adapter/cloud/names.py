# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Names of servers, ports and security groups in the cloud.

Servers, VIP ports and security groups have Octavia's names; those of stock
amphorae and load balancers are the same. Front-end and member ports have
names of ours.

Layer: octavia_adapter.
"""

import re
from functools import partial

from octavia.common import constants

SERVER_PREFIX = "amphora-"
VIP_PREFIX = "octavia-lb-"
FRONTEND_PREFIX = "octavia-anycast-fe-"
MEMBER_PREFIX = "octavia-anycast-member-"

_ID = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"


def server_name(amphora_id: str) -> str:
    """The name of an amphora's server: Octavia's."""
    return SERVER_PREFIX + amphora_id


def frontend_port_name(amphora_id: str) -> str:
    """The name of an amphora's front-end port."""
    return FRONTEND_PREFIX + amphora_id


def member_port_name(amphora_id: str, network_id: str) -> str:
    """The name of an amphora's port in a network of members."""
    return f"{MEMBER_PREFIX}{amphora_id}-{network_id}"


def _read(pattern: str, name: str | None) -> str | None:
    """Read the id in a name; None if it is another kind of name."""
    found = re.fullmatch(pattern, name or "")
    return next(filter(None, found.groups())) if found else None


amphora_of_server = partial(_read, SERVER_PREFIX + _ID)
amphora_of_port = partial(
    _read, f"{FRONTEND_PREFIX}{_ID}|{MEMBER_PREFIX}{_ID}-.+"
)
load_balancer_of_port = partial(_read, VIP_PREFIX + _ID)
load_balancer_of_group = partial(
    _read, constants.VIP_SECURITY_GROUP_PREFIX + _ID
)
