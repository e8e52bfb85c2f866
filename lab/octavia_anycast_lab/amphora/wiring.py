# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Neutron networks as bridges: ``wiring.json``, and the cables to them.

``{"<network id>": {"<zone>": {"namespace": ..., "bridge": ...}}}``; the zone
``*`` stands for every zone. Written when the networks are seeded.
"""

import json

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.host import netns

ANY_ZONE = "*"


class WiringError(Exception):
    """No bridge is known for a network in a zone."""


def wire_of(lab: settings.Lab, network_id: str, zone: str) -> machine.Wire:
    """Where to plug a port of a network for an instance in a zone.

    :raises WiringError: the network has no bridge there.
    """
    try:
        content = json.loads(lab.wiring.read_text("utf-8"))
    except FileNotFoundError as error:
        raise WiringError(f"no {lab.wiring}: is the lab up?") from error
    zones = content.get(network_id, {})
    place = zones.get(zone) or zones.get(ANY_ZONE)
    if place is None:
        raise WiringError(f"network {network_id} has no bridge in {zone}")
    return machine.Wire(namespace=place["namespace"], bridge=place["bridge"])


def plug(namespace: str, nic: machine.Nic) -> None:
    """Lay a fresh cable from an instance's namespace to the bridge."""
    unplug(nic)
    netns.veth(
        netns.Port(namespace=namespace, interface=nic.interface, mac=nic.mac),
        netns.Port(
            namespace=nic.wire.namespace,
            interface=nic.tap,
            bridge=nic.wire.bridge,
        ),
    )
    netns.ip_batch(
        namespace,
        [f"address add {a} dev {nic.interface}" for a in nic.addresses],
    )


def unplug(nic: machine.Nic) -> None:
    """Take the cable away, wherever its near end is by now."""
    netns.delete_link(nic.wire.namespace, nic.tap)
