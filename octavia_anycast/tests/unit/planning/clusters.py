# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the planner's tests share: a desired cluster to start from."""

from dataclasses import replace
from ipaddress import ip_address

from octavia_anycast.model.bgp import Asn, Peer, Speaker
from octavia_anycast.model.cluster import (
    ClusterPolicy,
    ClusterSize,
    DesiredCluster,
    Vip,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.wire import ListenerSocket

VIP4 = ip_address("198.51.100.10")
VIP6 = ip_address("2001:db8:100::10")
RACKS = tuple(
    Zone(availability_zone=f"rack{n}", frontend_network_id=f"fe-rack{n}")
    for n in (1, 2)
)


def distributor(*zones: Zone) -> Distributor:
    """A distributor with one peer in each zone."""
    peers = tuple(
        Peer(
            id=f"leaf{n}",
            peer_ip=ip_address(f"172.31.0.1{n}"),
            remote_as=Asn(65000 + n),
            availability_zone=zone.availability_zone,
        )
        for n, zone in enumerate(zones or (Zone(),), start=1)
    )
    return Distributor(
        id="distributor",
        zones=zones,
        speakers=(
            Speaker(
                id="speaker", ip_version=4, local_as=Asn(65100), peers=peers
            ),
        ),
    )


def sockets(*ports: int) -> tuple[ListenerSocket, ...]:
    """Listeners on both VIPs."""
    return tuple(
        ListenerSocket(listener_id=f"l{port}", ip_address=vip, port=port)
        for port in ports
        for vip in (VIP4, VIP6)
    )


def with_peers(desired: DesiredCluster, **changes: object) -> DesiredCluster:
    """The cluster after a change of each peer of its distributor."""
    speakers = tuple(
        replace(
            speaker,
            peers=tuple(
                replace(peer, **changes)  # type: ignore[arg-type]
                for peer in speaker.peers
            ),
        )
        for speaker in desired.distributor.speakers
    )
    return replace(
        desired, distributor=replace(desired.distributor, speakers=speakers)
    )


def desired_cluster(
    size: int = 4, minimum: int = 1, **changes: object
) -> DesiredCluster:
    """A dual-stack load balancer with a listener, in two racks."""
    cluster = DesiredCluster(
        load_balancer_id="lb",
        is_deleted=False,
        is_enabled=True,
        vips=tuple(
            Vip(
                ip_address=ip,
                network_id="anycast",
                subnet_id=f"anycast-{ip.version}",
                port_id=f"vip-{ip.version}",
            )
            for ip in (VIP4, VIP6)
        ),
        revision="r1",
        listeners=sockets(80),
        member_network_ids=("backend",),
        size=ClusterSize(desired=size, minimum=minimum),
        distributor=distributor(*RACKS),
        policy=ClusterPolicy(boot_timeout=60.0, drain_timeout=5.0),
    )
    return replace(cluster, **changes)  # type: ignore[arg-type]
