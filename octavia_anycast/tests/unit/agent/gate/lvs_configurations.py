# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""keepalived's configurations of UDP and SCTP listeners, by Octavia's own
template.
"""

from types import SimpleNamespace

from octavia.common.jinja.lvs.jinja_cfg import LvsJinjaTemplater

LISTENER = "dddddddd-0000-4000-8000-000000000000"
VIP4, VIP6 = "198.51.100.10", "2001:db8:100::a"
MORE4, MORE6 = "198.51.100.11", "2001:db8:100::b"
ACTIVE = "ACTIVE"


def member(number, address, weight=1, *, is_enabled=True):
    """One member of the listener's pool."""
    return SimpleNamespace(
        id=f"{number:08d}-0000-4000-8000-000000000000",
        ip_address=address,
        protocol_port=8081,
        weight=weight,
        enabled=is_enabled,
        monitor_address=None,
        monitor_port=None,
        provisioning_status=ACTIVE,
    )


MEMBERS4 = (member(1, "10.10.0.11"), member(2, "10.10.0.12"))
MEMBERS6 = (member(3, "fd00:10::11"),)


def _pool(protocol, members, monitor, *, is_enabled, is_persistent):
    checks = SimpleNamespace(
        id="bbbbbbbb-0000-4000-8000-000000000000",
        type=monitor,
        delay=2,
        timeout=1,
        fall_threshold=2,
        enabled=True,
        provisioning_status=ACTIVE,
    )
    persistence = SimpleNamespace(
        type="SOURCE_IP",
        persistence_timeout=None,
        persistence_granularity=None,
    )
    return SimpleNamespace(
        id="aaaaaaaa-0000-4000-8000-000000000000",
        protocol=protocol,
        lb_algorithm="ROUND_ROBIN",
        members=list(members),
        enabled=is_enabled,
        provisioning_status=ACTIVE,
        session_persistence=persistence if is_persistent else None,
        health_monitor=checks if monitor else None,
    )


def configuration(
    protocol="UDP",
    port=53,
    vips=(VIP4,),
    members=MEMBERS4,
    monitor=None,
    *,
    is_balancer_enabled=True,
    is_listener_enabled=True,
    has_pool=True,
    is_pool_enabled=True,
    is_persistent=False,
):
    """Render what Octavia's agent gets for one listener."""
    pool = _pool(
        protocol,
        members,
        monitor,
        is_enabled=is_pool_enabled,
        is_persistent=is_persistent,
    )
    balancer = SimpleNamespace(
        id="cccccccc-0000-4000-8000-000000000000",
        enabled=is_balancer_enabled,
        vip=SimpleNamespace(ip_address=vips[0]),
        additional_vips=[SimpleNamespace(ip_address=vip) for vip in vips[1:]],
    )
    listener = SimpleNamespace(
        id=LISTENER,
        protocol_port=port,
        protocol=protocol,
        enabled=is_listener_enabled,
        connection_limit=-1,
        default_pool=pool if has_pool else None,
        load_balancer=balancer,
    )
    return LvsJinjaTemplater(base_amp_path="/var/lib/octavia").build_config(
        listener
    )
