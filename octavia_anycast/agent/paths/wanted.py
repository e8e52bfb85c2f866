# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which paths to announce, and what to report of them; pure functions.

Layer: agent.
"""

from collections import Counter
from dataclasses import replace

from octavia_anycast.agent.gate.gate import Gate
from octavia_anycast.agent.speakers.base import Path, SpeakerStatus, Wish
from octavia_anycast.model.bgp import IPAddress, Peer, SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    PathCounts,
    PathReport,
    PathState,
    VipPeers,
    VipState,
)
from octavia_anycast.remembered import Remembered


def wish(state: DesiredState, gate: Gate, bound: frozenset[IPAddress]) -> Wish:
    """What the speaker is told; no paths before the gate's first verdict."""
    return Wish(
        router_id=state.router_id,
        speakers=state.speakers,
        adds_paths=state.is_distributor,
        paths=wanted_paths(state, gate, bound) if gate.has_decided else None,
    )


def wanted_paths(
    state: DesiredState, gate: Gate, bound: frozenset[IPAddress]
) -> frozenset[Path]:
    """All paths to announce now; ``bound``: the VIPs on the loopback.

    A distributor's VIPs are on the loopbacks of other amphorae.
    """
    if not gate.is_passing:
        return frozenset()
    peers = VipPeers(state.peers())
    paths = frozenset(
        Path(
            vip_ip=vip.vip_ip,
            nexthop_ip=vip.nexthop_ip,
            peer_id=peer.id,
            is_draining=vip.intent is Intent.DRAIN,
        )
        for vip in state.vips
        if vip.intent is not Intent.WITHDRAW
        and (state.is_distributor or vip.vip_ip in bound)
        for peer in peers.of(vip)
    )
    # A path may be asked for twice, for all peers and for one of them. It
    # drains if each of the two says so.
    draining = {path for path in paths if path.is_draining}
    twice = {p for p in draining if replace(p, is_draining=False) in paths}
    return paths - twice if twice else paths


def check_next_hops(state: DesiredState) -> None:
    """Refuse what ExaBGP cannot announce: several next hops of one VIP.

    :raises InvalidRequest: naming the field.
    """
    peer_ids = {
        peer.id
        for speaker, peer in state.peers()
        if speaker.driver is SpeakerDriver.EXABGP
    }
    if not state.is_distributor or not peer_ids:
        return
    next_hops: dict[tuple[IPAddress, str], IPAddress] = {}
    peers = VipPeers(state.peers())
    for i, vip in enumerate(state.vips):
        for peer in peers.of(vip):
            key = (vip.vip_ip, peer.id)
            hop = next_hops.setdefault(key, vip.nexthop_ip)
            if peer.id in peer_ids and hop != vip.nexthop_ip:
                raise InvalidRequest(
                    f"vips[{i}].nexthop_ip",
                    f"exabgp announces one next hop of {vip.vip_ip}, the "
                    "driver bird several",
                )


def path_reports(
    state: DesiredState,
    gate: Gate,
    bound: frozenset[IPAddress],
    status: SpeakerStatus,
) -> tuple[PathReport, ...]:
    """What each VIP's path towards each peer is, and why.

    Those of a distributor are counted, see :func:`path_counts`.
    """
    if state.is_distributor:
        return ()
    out = {(path.vip_ip, path.peer_id): path for path in status.paths}
    peers = VipPeers(state.peers())
    return tuple(
        _report(vip, peer, gate, bound, out.get((vip.vip_ip, peer.id)))
        for vip in state.vips
        for peer in peers.of(vip)
    )


def _report(
    vip: VipState,
    peer: Peer,
    gate: Gate,
    bound: frozenset[IPAddress],
    path: Path | None,
) -> PathReport:
    if path is not None:
        is_draining = path.is_draining
        kind = PathState.DRAINING if is_draining else PathState.ADVERTISED
        reason = ""
    elif vip.intent is Intent.WITHDRAW:
        kind, reason = PathState.WITHDRAWN, "the controller asks for it"
    elif not gate.is_passing:
        kind, reason = PathState.WITHDRAWN, gate.reason
    elif vip.vip_ip not in bound:
        kind = PathState.WITHDRAWN
        reason = "the VIP is not on the loopback yet"
    else:
        kind = PathState.PENDING
        reason = f"the session with {peer.peer_ip} does not carry it yet"
    return PathReport(
        vip_ip=vip.vip_ip,
        nexthop_ip=vip.nexthop_ip,
        peer_id=peer.id,
        state=kind,
        reason=reason,
    )


def path_counts(
    state: DesiredState, status: SpeakerStatus
) -> tuple[PathCounts, ...]:
    """How many paths each peer of a distributor should have, and has."""
    if not state.is_distributor:
        return ()
    wanted = _wanted_of(state)
    advertised = Counter(path.peer_id for path in status.paths)
    return tuple(
        PathCounts(
            peer_id=peer.id,
            wanted=wanted[peer.id],
            advertised=advertised[peer.id],
        )
        for _, peer in state.peers()
    )


def _count_wanted(state: DesiredState) -> Counter[str]:
    """peer_id -> paths to announce; each counts once."""
    peers, vips = VipPeers(state.peers()), state.vips
    found = [
        (vip.vip_ip, vip.nexthop_ip, peer.id)
        for vip in vips
        if vip.intent is not Intent.WITHDRAW
        for peer in peers.of(vip)
    ]
    is_each_once = len({vip.vip_ip for vip in vips}) == len(vips)
    paths = found if is_each_once else set(found)
    return Counter(peer_id for _, _, peer_id in paths)


# Each report has the counts of the state in force.
_wanted_of = Remembered(_count_wanted, 1)
