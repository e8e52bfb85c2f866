# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The operator's part: a distributor by the client, and who peers with whom.

Every amphora peers with the leaf of its own rack. The leaves say so, and so
does our API; both are asked.
"""

import collections
import collections.abc
import contextlib
import dataclasses
import tempfile
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.api import distributors, rest, seed
from octavia_anycast_lab.demo import context
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import process

BFD_MS = 100
BFD_MULTIPLIER = 3
_ACTIVE_SECONDS = 30.0
_REPORTED_SECONDS = 30.0
_PATH_LIST = "loadbalancer distributor path list"


def create_distributor(stage: context.Stage) -> dict[str, typing.Any]:
    """How amphorae meet the fabric; an operator does this once.

    One that somebody's own load balancers in this lab use is taken as it is.
    """
    screen = stage.screen
    screen.act("a distributor, by the operator: one router for each rack")
    found = distributors.find(stage.admin)
    if found is not None:
        screen.say("(your load balancers use the one that is there)")
    else:
        with screen.progress.step("distributor ACTIVE"):
            found = _made(stage)
    _show_peers(stage, found)
    return found


def _made(stage: context.Stage) -> dict[str, typing.Any]:
    with tempfile.NamedTemporaryFile("w", prefix="bgp-password-") as file:
        file.write(settings.BGP_PASSWORD)
        file.flush()
        for leaf in settings.RACK_LEAVES:
            stage.operator.run(*_peer_command(leaf, file.name).split())
    stage.operator.run(*_distributor_command().split())

    def is_active() -> bool:
        found = distributors.find(stage.admin) or {}
        return found.get("provisioning_status") == "ACTIVE"

    process.wait_until(is_active, _ACTIVE_SECONDS, "a distributor ACTIVE")
    found = distributors.find(stage.admin)
    assert found is not None
    return found


def _peer_command(leaf: settings.Leaf, password_file: str) -> str:
    return (
        f"loadbalancer bgp peer create --name {leaf.name}"
        f" --peer-ip {leaf.mgmt.ip} --remote-as {leaf.asn}"
        f" --password-file {password_file} --ttl-hops {settings.BGP_TTL_HOPS}"
        f" --hold-time {settings.HOLD_TIME_SECONDS}"
        f" --bfd min-tx-ms={BFD_MS},min-rx-ms={BFD_MS}"
        f",multiplier={BFD_MULTIPLIER}"
        f" --availability-zone {leaf.rack}"
    )


def _distributor_command() -> str:
    peers = "".join(f",peer={leaf.name}" for leaf in settings.RACK_LEAVES)
    zones = ""
    for leaf in settings.RACK_LEAVES:
        network = seed.front_end_network(str(leaf.rack))
        zones += (
            f" --zone availability-zone={leaf.rack},network={network}"
            f",subnet={network}-v4,subnet={network}-v6"
        )
    return (
        f"loadbalancer distributor create --name {distributors.NAME} --default"
        f" --speaker ip-version=4,local-as={settings.AMPHORA_AS}"
        f",driver=bird{peers}{zones}"
    )


def _show_peers(
    stage: context.Stage, distributor: dict[str, typing.Any]
) -> None:
    peers = distributors.peers(stage.admin, distributor)
    stage.screen.table(
        (
            "peer",
            "address",
            "remote AS",
            "auth_type",
            "hold time",
            "BFD",
            "zone",
        ),
        [
            (
                peer["name"],
                peer["peer_ip"],
                peer["remote_as"],
                peer["auth_type"],
                peer["hold_time"],
                _timers(peer),
                peer["availability_zone"],
            )
            for peer in peers
        ],
    )
    stage.screen.claim(
        bool(peers) and not any(peer.get("password") for peer in peers),
        "the API does not give the peers' passwords away",
    )
    path = f"{distributors.PATH}/{distributor['id']}"
    shown = str(stage.tenant.get(rest.LOAD_BALANCER, path))
    stage.screen.claim(
        not any(peer["peer_ip"] in shown for peer in peers),
        "a tenant sees the distributor without the routers' addresses",
    )


def has_bfd(stage: context.Stage, distributor: dict[str, typing.Any]) -> bool:
    """True if all peers have it: false at most for a visitor's own."""
    peers = distributors.peers(stage.admin, distributor)
    return all(peer["bfd"] for peer in peers)


@contextlib.contextmanager
def quick_leaves(lab: settings.Lab) -> collections.abc.Iterator[None]:
    """The leaves' side of BFD is as fast, for the length of a block."""
    frr.set_bfd_interval(lab, BFD_MS)
    try:
        yield
    finally:
        frr.set_bfd_interval(lab, frr.BFD_INTERVAL_MS)


def _timers(peer: dict[str, typing.Any]) -> str:
    bfd = peer["bfd"]
    if not bfd:
        return "-"
    return f"{bfd['multiplier']} x {bfd['min_rx_ms']} ms"


def show_sessions(stage: context.Stage, subject: context.Subject) -> None:
    """Each amphora's session is with the leaf of its rack: both sides."""
    screen = stage.screen
    screen.act("each amphora peers with the router of its own rack")
    amphorae = context.amphorae(stage, subject)
    paths = _reported(stage, subject, amphorae)
    stage.operator.run(*f"{_PATH_LIST} {distributors.NAME}".split())
    seen = [
        _side(stage, leaf, amphorae, paths) for leaf in settings.RACK_LEAVES
    ]
    screen.table(
        (
            "router",
            "amphorae in its rack",
            "it has sessions with",
            "of other racks",
            "paths to it in the list",
        ),
        [(s.router, s.own, s.sessions, s.foreign, s.advertised) for s in seen],
    )
    vips = len(subject.vips)
    screen.claim(
        all(
            (s.sessions, s.foreign, s.advertised) == (s.own, 0, s.own * vips)
            for s in seen
        ),
        "routers and API agree: sessions within the rack only, every path "
        "advertised",
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One leaf: amphorae in its rack, and what it and the API say."""

    router: str
    own: int
    sessions: int
    foreign: int
    advertised: int


def _side(
    stage: context.Stage,
    leaf: settings.Leaf,
    amphorae: tuple[cluster.Amphora, ...],
    paths: list[dict[str, typing.Any]],
) -> Side:
    own = {str(a.management) for a in amphorae if a.rack == leaf.rack}
    others = {str(a.management) for a in amphorae} - own
    here = {
        session.peer
        for session in observe.amphora_sessions(stage.lab)
        if session.router == leaf.name
    }
    hops = {a.address(v) for a in amphorae for v in (4, 6)}
    return Side(
        router=leaf.name,
        own=len(own),
        sessions=len(here & own),
        foreign=len(here & others),
        advertised=sum(
            path["state"] == "advertised" and path["next_hop"] in hops
            for path in paths
            if path["peer_name"] == leaf.name
        ),
    )


def _states(
    paths: list[dict[str, typing.Any]],
) -> collections.Counter[str]:
    return collections.Counter(path["state"] for path in paths)


def _reported(
    stage: context.Stage,
    subject: context.Subject,
    amphorae: tuple[cluster.Amphora, ...],
) -> list[dict[str, typing.Any]]:
    """The paths as the API has them, once all amphorae have reported."""
    distributor = distributors.find(stage.admin) or {}
    path = f"{distributors.PATH}/{distributor['id']}/paths"
    wanted = len(amphorae) * len(subject.vips)
    found: list[dict[str, typing.Any]] = []

    def is_whole() -> bool:
        answer = stage.admin.get(rest.LOAD_BALANCER, path)["paths"]
        found[:] = [p for p in answer if p["load_balancer_id"] == subject.id]
        return _states(found) == {"advertised": wanted}

    process.wait_until(
        is_whole, _REPORTED_SECONDS, f"{wanted} paths reported", 0.3
    )
    return found
