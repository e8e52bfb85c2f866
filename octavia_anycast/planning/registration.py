# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which paths of registered amphorae a distributor's own announce.

Layer: planning. Pure. Such a path shares no fate with its announcer: it is
announced as long as what is known of the served amphora allows it
(ADR 0086).

Invariants (tests/unit/planning/test_registered.py):

1. only what a registered amphora was told to announce is announced, with its
   own front-end address, and only while its gate lets it;
2. silence takes no load balancer's last path: who hears nobody may be the
   one who is cut off;
3. no path is asked for twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraStatus, drain_deadline
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    RegisteredPath,
    ServingAmphora,
)
from octavia_anycast.model.wire import GateState, Intent, VipState

_OPEN = (GateState.UP, GateState.FALLING, GateState.DISABLED)
SILENT = "it was not heard of for too long"


def paths_of(
    registration: AmphoraRegistration,
    amphorae: Sequence[ServingAmphora],
    now: datetime,
    silent_after: float,
) -> tuple[RegisteredPath, ...]:
    """Every path of a registration, those not to be announced too.

    :param amphorae: all of the registration's load balancer
    :param silent_after: seconds after which one not heard of is silent
    """
    verdicts = _verdicts(amphorae, silent_after)
    drain = _drain_of(registration, now)
    return tuple(
        RegisteredPath(
            load_balancer_id=registration.load_balancer_id,
            amphora_id=amphora.record.id,
            vip_ip=vip_ip,
            nexthop_ip=nexthop_ip,
            intent=intent,
            reason=reason,
            peer_id=registration.peer_id,
            zone=amphora.record.availability_zone,
            host=amphora.record.compute_host,
        )
        for amphora in sorted(amphorae, key=lambda a: a.record.id)
        if registration.covers(amphora.record.id)
        for vip_ip, nexthop_ip in sorted(amphora.vips, key=str)
        for intent, reason in [_stricter(verdicts[amphora.record.id], drain)]
    )


def vip_states(
    paths: Iterable[RegisteredPath], distributor: Distributor
) -> tuple[VipState, ...]:
    """The paths to be announced, as an agent is told them.

    Each goes to the peers that the amphora itself would have: others are not
    on its front-end network. A path without any is left out.
    """
    told: dict[object, VipState] = {}
    for path in paths:
        peer_ids = peers_of(path, distributor)
        if path.intent is Intent.WITHDRAW or peer_ids == ():
            continue
        state = VipState(
            vip_ip=path.vip_ip,
            nexthop_ip=path.nexthop_ip,
            load_balancer_id=path.load_balancer_id,
            intent=path.intent,
            peer_ids=peer_ids,
            amphora_id=path.amphora_id,
        )
        told.setdefault((path.vip_ip, path.nexthop_ip, peer_ids), state)
    return tuple(told.values())


def peers_of(
    path: RegisteredPath, distributor: Distributor
) -> tuple[str, ...] | None:
    """The ids of the peers a path is for; None: all; (): none."""
    peers = [p for s in distributor.speakers for p in s.peers]
    if path.peer_id is not None:
        return tuple(p.id for p in peers if p.id == path.peer_id)
    chosen = tuple(p.id for p in peers if p.selects(path.zone, path.host))
    return None if chosen and len(chosen) == len(peers) else chosen


def only_announcer_of(
    announced: Iterable[IPAddress], elsewhere: Iterable[IPAddress]
) -> tuple[IPAddress, ...]:
    """The VIPs that nobody announces but for a registration (invariant 1).

    :param announced: the VIPs that it announces now
    :param elsewhere: those that amphorae announce themselves, or that
        another registration does which does not drain
    """
    return tuple(sorted(set(announced) - set(elsewhere), key=str))


def _verdicts(
    amphorae: Sequence[ServingAmphora], silent_after: float
) -> dict[str, tuple[Intent, str]]:
    """amphora_id -> what its paths are to be, and why."""
    verdicts = {a.record.id: _verdict(a) for a in amphorae}
    silent = {
        a.record.id
        for a in amphorae
        if verdicts[a.record.id][0] is not Intent.WITHDRAW
        and (a.silent_seconds is None or a.silent_seconds > silent_after)
    }
    advertised = {
        i for i, (intent, _) in verdicts.items() if intent is Intent.ADVERTISE
    }
    if advertised - silent:
        for amphora_id in silent:
            verdicts[amphora_id] = Intent.WITHDRAW, SILENT
    return verdicts


def _verdict(amphora: ServingAmphora) -> tuple[Intent, str]:
    record = amphora.record
    if record.status is not AmphoraStatus.ALLOCATED:
        return Intent.WITHDRAW, f"it is {record.status}"
    if record.drained_at is not None:
        return Intent.WITHDRAW, "it is drained"
    if record.draining_since is not None:
        return Intent.DRAIN, "it drains"
    if record.leaving_since is not None:
        return Intent.WITHDRAW, "it leaves"
    if record.spare_since is not None:
        return Intent.WITHDRAW, "it is a spare"
    if amphora.gate is None:
        return Intent.WITHDRAW, "it has not reported yet"
    if amphora.gate not in _OPEN:
        return (
            Intent.WITHDRAW,
            f"its health gate is {amphora.gate}: {amphora.gate_reason}",
        )
    return Intent.ADVERTISE, ""


def _drain_of(
    registration: AmphoraRegistration, now: datetime
) -> tuple[Intent, str]:
    since, asked = registration.drain_wanted_since, registration.drain_deadline
    if since is None:
        return Intent.ADVERTISE, ""
    if now >= drain_deadline(since, asked or since):
        return Intent.WITHDRAW, "the registration is drained"
    return Intent.DRAIN, "the registration drains"


_STRICTNESS = (Intent.ADVERTISE, Intent.DRAIN, Intent.WITHDRAW)


def _stricter(
    one: tuple[Intent, str], other: tuple[Intent, str]
) -> tuple[Intent, str]:
    return max(one, other, key=lambda verdict: _STRICTNESS.index(verdict[0]))
