# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""openstacksdk with distributors, BGP peers and BGP speakers.

::

    import openstack
    from octavia_anycast_client import sdk

    connection = sdk.add_to(openstack.connect(cloud="admin"))
    balancing = connection.load_balancer
    tor = balancing.create_bgp_peer(
        name="tor-1", peer_ip="192.0.2.1", remote_as=65001
    )
    fabric = balancing.create_distributor(
        name="fabric",
        speakers=[
            {"ip_version": 4, "local_as": 65010, "peers": [{"id": tor.id}]}
        ],
    )
    balancing.wait_for_distributor(fabric)
    for path in balancing.distributor_paths(fabric):
        print(path.prefix, path.next_hop, path.peer_name, path.state)

``add_to`` can also be named as ``vendor_hook`` of a cloud in
``clouds.yaml``: ``vendor_hook: octavia_anycast_client.sdk:add_to``.
"""

from octavia_anycast_client.sdk.amphora import AmphoraDrain
from octavia_anycast_client.sdk.balancer import Cluster, LoadBalancer
from octavia_anycast_client.sdk.bgp import BgpPeer, BgpSpeaker
from octavia_anycast_client.sdk.check import DistributorCheck
from octavia_anycast_client.sdk.distributor import Distributor, Path
from octavia_anycast_client.sdk.event import (
    DistributorEvent,
    LoadBalancerEvent,
)
from octavia_anycast_client.sdk.external_vip import ExternalVip
from octavia_anycast_client.sdk.fleet.change import Fleet, FleetChange
from octavia_anycast_client.sdk.fleet.zone_drain import ZoneDrain
from octavia_anycast_client.sdk.proxy import Proxy
from octavia_anycast_client.sdk.registration import AmphoraRegistration
from octavia_anycast_client.sdk.service import add_to

__all__ = [
    "AmphoraDrain",
    "AmphoraRegistration",
    "BgpPeer",
    "BgpSpeaker",
    "Cluster",
    "Distributor",
    "DistributorCheck",
    "DistributorEvent",
    "ExternalVip",
    "Fleet",
    "FleetChange",
    "LoadBalancer",
    "LoadBalancerEvent",
    "Path",
    "Proxy",
    "ZoneDrain",
    "add_to",
]
