# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The choice of a load balancer, as its provider driver gets it.

Our API has put together and checked what user, flavor and availability zone
say, and hands it over inside the availability zone's metadata (ADR 0053).
Under Octavia's own application there are flavor and availability zone only.
"""

from typing import Any

from octavia_anycast.model.distributor import CHOICE, Choice
from octavia_anycast.octavia_adapter.cloud import frontends


def of(load_balancer: Any) -> Choice:
    """What is chosen for a load balancer that is being created.

    :param load_balancer: octavia_lib's
    :raises InvalidRequest: naming what does not fit its VIPs.
    """
    zone = load_balancer.availability_zone or {}
    if CHOICE in zone:
        return Choice.of(zone[CHOICE])
    choice = Choice.of(load_balancer.flavor or {}).or_else(Choice.of(zone))
    if not choice.has_frontend:
        return choice
    vips = [(load_balancer.vip_address, load_balancer.vip_subnet_id)]
    vips += [
        (vip["ip_address"], vip["subnet_id"])
        for vip in load_balancer.additional_vips or ()
    ]
    return frontends.completed(choice, frontends.versions_of(vips))
