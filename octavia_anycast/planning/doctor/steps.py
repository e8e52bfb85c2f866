# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Where to type something, and how things are called there.

Layer: planning. Pure.
"""

from octavia_anycast.model.bgp import IPAddress, Peer
from octavia_anycast.planning.doctor.seen import SeenAmphora, Step

CLOUD = "cloud"
CONTROLLER = "host of the controller"


def on_router(peer: Peer, command: str) -> Step:
    """A command of a router's shell."""
    return Step(
        place=f"router {peer.name or peer.peer_ip} (FRR)", command=command
    )


def vtysh(peer: Peer, *commands: str) -> Step:
    """Commands of FRR, one after the other."""
    said = " ".join(f"-c '{command}'" for command in commands)
    return on_router(peer, f"vtysh {said}")


def configure(peer: Peer, *commands: str) -> Step:
    """Commands of FRR, in the configuration of BGP."""
    return vtysh(
        peer, "configure terminal", f"router bgp {peer.remote_as}", *commands
    )


def in_cloud(command: str) -> Step:
    """A command of the client."""
    return Step(place=CLOUD, command=command)


def on_controller(command: str) -> Step:
    """A command where octavia-anycast-controller runs."""
    return Step(place=CONTROLLER, command=command)


def in_amphora(amphora: SeenAmphora, command: str) -> Step:
    """A command in an amphora."""
    return Step(place=f"amphora {amphora.id}", command=command)


def failover(amphora: SeenAmphora) -> Step:
    """Replace an amphora."""
    return in_cloud(f"openstack loadbalancer amphora failover {amphora.id}")


def called(peer: Peer) -> str:
    """What a sentence calls a peer."""
    return f"{peer.name} ({peer.peer_ip})" if peer.name else str(peer.peer_ip)


def address_of(amphora: SeenAmphora, peer: Peer) -> str:
    """From which of its addresses an amphora speaks to a peer."""
    record = amphora.record
    found: IPAddress | None = None
    if peer.peering_network == "management":
        found = record.lb_network_ip
    elif record.frontend is not None:
        version = peer.peer_ip.version
        found = next(
            (
                one.ip_address
                for one in record.frontend.addresses
                if one.ip_address.version == version
            ),
            None,
        )
    return "AMPHORA" if found is None else str(found)
