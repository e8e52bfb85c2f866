# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP sessions: down, without BFD, without an address family.

Layer: planning. Pure.
"""

from collections.abc import Iterator
from dataclasses import replace

from octavia_anycast.model.bgp import (
    Peer,
    PeeringNetwork,
    SessionState,
    Speaker,
)
from octavia_anycast.model.wire import PathState, SessionReport
from octavia_anycast.planning.doctor.causes import Ended, cause_of
from octavia_anycast.planning.doctor.seen import (
    Seen,
    SeenAmphora,
    Statement,
    Subject,
    ok,
    unknown,
    wrong,
)
from octavia_anycast.planning.doctor.steps import (
    address_of,
    called,
    configure,
    in_cloud,
    vtysh,
)

# BFD begins when the session is there, and needs some packets.
_BFD_PATIENCE_SECONDS = 15.0


def sessions(seen: Seen) -> Iterator[Statement]:
    """Each session that there is to be is Established."""
    up = {
        peer.id
        for _, _, peer, session in seen.peerings()
        if session is not None and session.state is SessionState.ESTABLISHED
    }
    for amphora, speaker, peer, session in seen.peerings():
        subject = _about(amphora, peer)
        if session is None or session.state is SessionState.UNKNOWN:
            yield unknown(subject, _not_told(amphora, peer))
        elif session.state is SessionState.ESTABLISHED:
            yield ok(subject)
        else:
            machine = seen.machine(amphora)
            ended = Ended(
                speaker=speaker,
                peer=peer,
                session=session,
                source=address_of(amphora, peer),
                ttl_drops=machine.ttl_drops if machine else None,
                is_up_elsewhere=peer.id in up,
            )
            yield _down(subject, amphora, ended)


def _down(subject: Subject, amphora: SeenAmphora, ended: Ended) -> Statement:
    cause, session = cause_of(ended), ended.session
    said = f' (its daemon says: "{session.error}")' if session.error else ""
    return wrong(
        subject,
        f"The session of {amphora.name}, {ended.source}, with peer "
        f"{called(ended.peer)} is {session.state}{said}: "
        f"{cause.sentence(ended)}.",
        cause.steps(ended),
    )


def bfd(seen: Seen) -> Iterator[Statement]:
    """Each session whose peer is to have BFD has it."""
    for amphora, speaker, peer, session in seen.peerings():
        if peer.bfd is None or not _is_up(session):
            continue
        assert session is not None
        subject = _about(amphora, peer)
        if session.bfd is None:
            yield unknown(subject, _not_told(amphora, peer))
        elif session.bfd == "Up":
            yield ok(subject)
        elif amphora.age_when_told(session.since) > _BFD_PATIENCE_SECONDS:
            yield _without_bfd(subject, amphora, speaker, peer, session.bfd)


def _without_bfd(
    subject: Subject,
    amphora: SeenAmphora,
    speaker: Speaker,
    peer: Peer,
    state: str,
) -> Statement:
    source = address_of(amphora, peer)
    steps = [
        vtysh(peer, f"show bfd peer {source}"),
        configure(peer, "neighbor GROUP bfd profile amphora"),
        in_cloud(
            "openstack security group rule create GROUP --protocol udp "
            f"--dst-port 3784 --remote-ip {peer.peer_ip}"
        ),
    ]
    group = (
        "the group in [anycast] frontend_security_groups"
        if peer.peering_network is PeeringNetwork.FRONTEND
        else "the group of the management ports"
    )
    return wrong(
        subject,
        f"BFD of {amphora.name}, {source}, with peer {called(peer)} is "
        f"{state}, the session is up: the router has no BFD for this "
        f"neighbour, or {group} does not let UDP 3784 in. Only the hold time "
        f"({peer.hold_time} s) tells of a loss.",
        steps,
    )


def families(seen: Seen) -> Iterator[Statement]:
    """Each session carries the address families of the VIPs it is to carry."""
    for amphora, _, peer, session in seen.peerings():
        report = seen.said(amphora)
        if report is None or not _is_up(session):
            continue
        assert session is not None
        subject = _about(amphora, peer)
        waiting = sorted(
            (
                path.vip_ip
                for path in report.paths
                if path.peer_id == peer.id and path.state is PathState.PENDING
            ),
            key=lambda vip: (vip.version, vip),
        )
        carried = session.ip_versions
        if carried is None:
            if waiting:
                yield unknown(subject, _not_told(amphora, peer))
            continue
        lacking = [vip for vip in waiting if vip.version not in carried]
        if not lacking:
            yield ok(subject)
            continue
        version = lacking[0].version
        yield wrong(
            subject,
            f"The session of {amphora.name} with peer {called(peer)} does "
            f"not carry IPv{version}, so VIP {lacking[0]} is not announced "
            "there: the address family is not activated for this neighbour "
            "on the router.",
            (
                vtysh(peer, f"show bgp neighbors {address_of(amphora, peer)}"),
                configure(
                    peer,
                    f"address-family ipv{version} unicast",
                    "neighbor GROUP activate",
                ),
            ),
        )


def _about(amphora: SeenAmphora, peer: Peer) -> Subject:
    return replace(amphora.subject, peer_id=peer.id)


def _is_up(session: SessionReport | None) -> bool:
    return session is not None and session.state is SessionState.ESTABLISHED


def _not_told(amphora: SeenAmphora, peer: Peer) -> str:
    return (
        f"The agent of {amphora.name} does not say it of its session with "
        f"{called(peer)}."
    )
