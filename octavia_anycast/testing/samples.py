# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Valid request bodies, to be varied by tests."""

from typing import Any

PASSWORD = "s3cret-of-the-fabric"


def peer(**changes: Any) -> dict[str, Any]:
    """A peer: leaf1 over the management network."""
    return {
        "name": "leaf1",
        "peer_ip": "172.31.0.11",
        "remote_as": 65001,
        "auth_type": "md5",
        "password": PASSWORD,
        "ttl_hops": 1,
        "hold_time": 3,
        "keepalive_interval": 1,
        "availability_zone": "rack1",
        "communities": ["65100:1"],
    } | changes


def speaker(**changes: Any) -> dict[str, Any]:
    """An IPv4 speaker with one peer."""
    return {"ip_version": 4, "local_as": 65100, "peers": [peer()]} | changes


def distributor(**changes: Any) -> dict[str, Any]:
    """A distributor with one speaker, in its root element."""
    return {
        "distributor": {"name": "fabric", "speakers": [speaker()]} | changes
    }
