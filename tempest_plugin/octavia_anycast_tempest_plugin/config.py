# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Options of tempest.conf; the rest is that of Octavia's plug-in."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    name="load_balancer_anycast",
    title="Active-active load balancers (provider anycast)",
)
OPTIONS = [
    cfg.BoolOpt(
        "has_fabric",
        default=True,
        help="Whether amphorae boot and BGP routers answer them: load "
        "balancers become ACTIVE. If not, the scenario tests are skipped.",
    ),
    cfg.StrOpt(
        "provider",
        default="anycast",
        help="The name of the provider in [api_settings] "
        "enabled_provider_drivers of octavia.conf.",
    ),
    cfg.StrOpt(
        "vip_subnet_id",
        help="The subnet of the VIPs, whose host routes the fabric accepts. "
        "The project of the tests must be able to use it. The scenario tests "
        "need it.",
    ),
    cfg.IntOpt(
        "peer_as",
        default=65010,
        min=1,
        help="The AS number of the BGP peers that the tests create. No "
        "amphora peers with them.",
    ),
    cfg.StrOpt(
        "peer_prefix",
        default="10.255.254.0/24",
        help="Where the addresses of these peers are from. They have to be "
        "unicast addresses; no packet is sent there.",
    ),
]
