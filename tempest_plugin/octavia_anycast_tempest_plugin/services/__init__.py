# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Service clients, one for each resource that is added to the API."""

from octavia_anycast_tempest_plugin.services.clients import (
    BgpPeerClient,
    BgpSpeakerClient,
    ClusterClient,
    DistributorClient,
    DrainClient,
    ExternalVipClient,
    PathClient,
)

# The attribute of tempest's client managers that has them.
NAME = "load_balancer_anycast"

__all__ = [
    "BgpPeerClient",
    "BgpSpeakerClient",
    "ClusterClient",
    "DistributorClient",
    "DrainClient",
    "ExternalVipClient",
    "PathClient",
]
