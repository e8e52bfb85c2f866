# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What python-openstackclient loads: the client of our commands.

The commands are entry points of the group ``openstack.load_balancer.v2``,
beside python-octaviaclient's. Those that replace one of its commands are in
``openstack.extension``, which is loaded last and so wins.
"""

import argparse
from typing import Any

from octavia_anycast_client import sdk

API_NAME = "load_balancer_anycast"
API_VERSION_OPTION = "os_load_balancer_anycast_api_version"
DEFAULT_API_VERSION = "2.0"
API_VERSIONS = (DEFAULT_API_VERSION,)


def make_client(instance: Any) -> sdk.Proxy:
    """Make the client that commands find in the client manager."""
    connection = sdk.add_to(instance.sdk_connection)
    client: sdk.Proxy = connection.load_balancer
    return client


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add no global option: there is one version."""
    return parser
