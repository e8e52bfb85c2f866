# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Neutron networks as bridges: ``wiring.json``, and the cables to them.

``{"<network id>": {"<zone>": {"namespace": ..., "bridge": ...}}}``; the zone
``*`` stands for every zone. Written when the networks are seeded. The network
``*`` stands for those that a tenant makes later: each gets a bridge of its own
in that namespace when its first port is plugged in; nothing else is on it.
"""

import json

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.host import netns

ANY_ZONE = "*"
ANY_NETWORK = "*"
_OWN = "n"


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
    zones = content.get(network_id) or content.get(ANY_NETWORK, {})
    place = zones.get(zone) or zones.get(ANY_ZONE)
    if place is None:
        raise WiringError(f"network {network_id} has no bridge in {zone}")
    bridge = place.get("bridge") or f"{_OWN}{network_id[:8]}"
    return machine.Wire(namespace=place["namespace"], bridge=bridge)


def plug(namespace: str, nic: machine.Nic) -> None:
    """Lay a fresh cable from an instance's namespace to the bridge."""
    unplug(nic)
    if nic.wire.bridge == f"{_OWN}{nic.network_id[:8]}":
        _ensure_bridge(nic.wire)
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


def _ensure_bridge(wire: machine.Wire) -> None:
    """Make a tenant network's bridge, unless somebody else did."""
    if netns.has_link(wire.namespace, wire.bridge):
        return
    try:
        netns.bridge(wire.namespace, wire.bridge)
    except netns.NamespaceError:
        # Another amphora was plugged in at the same time.
        if not netns.has_link(wire.namespace, wire.bridge):
            raise
