# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A watcher of the fabric that knows what amphorae may announce."""

import functools
import ipaddress

from cluster_bench import Balancer, Bench
from octavia_anycast_lab.chaos import watch


def watcher(bench: Bench, balancer: Balancer) -> watch.Watcher:
    """One for a load balancer; all VIPs of all of them may be announced."""
    found = []
    for each in bench.octavia.load_balancers():
        others = [vip["ip_address"] for vip in each.additional_vips]
        found += [each.vip_address, *others]
    allowed = frozenset(map(ipaddress.ip_network, found))
    return watch.Watcher(
        bench.lab,
        balancer.vips,
        allowed,
        functools.partial(watch.statuses, bench.plane),
    )
