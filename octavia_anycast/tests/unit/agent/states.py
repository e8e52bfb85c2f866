# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Desired states for the agent's tests."""

from dataclasses import replace
from ipaddress import ip_address

from octavia_anycast.model.bgp import AuthType, Peer, Speaker
from octavia_anycast.model.wire import (
    DesiredState,
    Frontend,
    FrontendAddress,
    Intent,
    ListenerSocket,
    VipState,
)

AMPHORA = "11111111-1111-4111-8111-111111111111"
BALANCER = "22222222-2222-4222-8222-222222222222"
PEER4 = Peer(
    id="p4",
    peer_ip=ip_address("172.31.0.11"),
    remote_as=65001,
    auth_type=AuthType.MD5,
    password="s;e{c}r#et",
    ttl_hops=1,
    hold_time=3,
)
PEER6 = Peer(
    id="p6",
    peer_ip=ip_address("fd00:31::11"),
    remote_as=65001,
    communities=("65001:7", "1:2:3"),
    med=50,
    as_path_prepend=2,
)


def vip(address, **attributes):
    ip = ip_address(address)
    next_hop = "10.1.0.5" if ip.version == 4 else "fd00:10:1::5"
    values = {
        "vip_ip": ip,
        "nexthop_ip": ip_address(next_hop),
        "load_balancer_id": BALANCER,
        "intent": Intent.ADVERTISE,
        **attributes,
    }
    return VipState(**values)


VIP4, VIP6 = vip("198.51.100.1"), vip("2001:db8:100::1")


def speaker(*peers, **attributes):
    version = peers[0].peer_ip.version
    return Speaker(
        **{
            "id": f"s{version}",
            "ip_version": version,
            "local_as": 65100,
            "peers": peers,
            **attributes,
        }
    )


def state(**attributes):
    made = DesiredState(
        amphora_id=AMPHORA,
        revision="r1",
        router_id="172.31.1.5",
        speakers=(speaker(PEER4),),
        vips=(VIP4, VIP6),
        frontend=Frontend(
            mac_address="fa:16:3e:00:00:01",
            mtu=1450,
            addresses=(
                FrontendAddress(
                    ip_address=ip_address("10.1.0.5"),
                    prefix_length=24,
                    gateway=ip_address("10.1.0.1"),
                ),
                FrontendAddress(
                    ip_address=ip_address("fd00:10:1::5"),
                    prefix_length=64,
                    gateway=ip_address("fd00:10:1::1"),
                ),
            ),
        ),
        load_balancer_id=BALANCER,
        listeners=(
            ListenerSocket(listener_id="l", ip_address=VIP4.vip_ip, port=80),
        ),
    )
    return replace(made, **attributes)
