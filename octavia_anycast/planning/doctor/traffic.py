# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which of the amphorae that the same routers know get connections.

Compared are amphorae of one load balancer that announce to the same peers:
a router gives each of them the same share, wherever the clients are. Zones
may get different shares, by where their users are; they are not compared.

Connections are those of the last periods that all of them have counted from
beginning to end, so that a burst is seen by all or by none.

Layer: planning. Pure.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from octavia_anycast.model.bgp import IPAddress, Peer, SessionState
from octavia_anycast.model.wire import PathState, Probe, Report
from octavia_anycast.planning.doctor.seen import (
    Seen,
    SeenAmphora,
    Severity,
    Statement,
    Step,
    Subject,
    ok,
    unknown,
    wrong,
)
from octavia_anycast.planning.doctor.steps import (
    called,
    configure,
    on_router,
    vtysh,
)

# Fewer new connections for each amphora say nothing of a share.
_FAIR_MIN = 20.0
# A hash that is even gives one of them so few once in 10^7 times at most.
_STARVED = 0.05
# Standard deviations, and the share itself, so that much traffic does not
# make a fault of what nobody notices.
_DEVIATIONS, _LOW, _HIGH = 6.0, 0.6, 1.6
# A session is up for as long as all the periods take, and one more.
_PERIODS_SECONDS = 75.0


@dataclass(frozen=True, slots=True)
class _Member:
    amphora: SeenAmphora
    report: Report
    count: int

    @property
    def next_hops(self) -> tuple[IPAddress, ...]:
        return tuple(dict.fromkeys(p.nexthop_ip for p in self.report.paths))


def shares(seen: Seen) -> Iterator[Statement]:
    """Amphorae that the same routers know get even shares."""
    peers = {
        peer.id: peer
        for distributor in seen.distributors
        for speaker in distributor.speakers
        for peer in speaker.peers
    }
    for (load_balancer_id, peer_ids), found in _groups(seen).items():
        subject = Subject(
            distributor_id=found[0][0].distributor_id,
            load_balancer_id=load_balancer_id,
        )
        routers = [peers[i] for i in sorted(peer_ids) if i in peers]
        if len(found) < 2 or not routers:
            continue
        if any(_asks_itself(report) for _, report in found):
            yield unknown(
                subject,
                "With gate_request_path the health gates' requests are among "
                "the connections that amphorae count.",
            )
            continue
        members = _counted(found)
        if not members:
            yield unknown(
                subject,
                "The agents do not tell how many connections were accepted "
                "in the last minute.",
            )
            continue
        yield from _judged(subject, members, routers)


def _groups(
    seen: Seen,
) -> Mapping[tuple[str, frozenset[str]], list[tuple[SeenAmphora, Report]]]:
    """(load balancer, peers that have its paths) -> amphorae that announce."""
    found = defaultdict(list)
    for amphora in seen.settled():
        report, record = seen.said(amphora), amphora.record
        if report is None or record.load_balancer_id is None:
            continue
        up = {
            session.peer_id
            for session in report.sessions
            if session.state is SessionState.ESTABLISHED
            and amphora.age_when_told(session.since) > _PERIODS_SECONDS
        }
        advertised = {
            path.peer_id
            for path in report.paths
            if path.state is PathState.ADVERTISED
        }
        is_old = amphora.age_when_told(report.gate.since) > _PERIODS_SECONDS
        if advertised and advertised <= up and is_old:
            key = record.load_balancer_id, frozenset(advertised)
            found[key].append((amphora, report))
    return found


def _asks_itself(report: Report) -> bool:
    """Whether the gate's own requests are among what is counted."""
    return any(one.probe is Probe.REQUEST for one in report.gate.evidence)


def _counted(found: Sequence[tuple[SeenAmphora, Report]]) -> list[_Member]:
    """Those with what they counted; empty: there is no common period."""
    told = [
        (amphora, report, report.machine.accepted)
        for amphora, report in found
        if report.machine is not None
    ]
    if len(told) < len(found):
        return []
    common = set.intersection(*(set(counts) for _, _, counts in told))
    if not common:
        return []
    return [
        _Member(amphora, report, sum(counts[at] for at in common))
        for amphora, report, counts in told
    ]


def _judged(
    subject: Subject, members: Sequence[_Member], routers: Sequence[Peer]
) -> Iterator[Statement]:
    fair = sum(one.count for one in members) / len(members)
    if fair < _FAIR_MIN:
        yield unknown(
            subject,
            f"{len(members)} amphorae had {fair * len(members):.0f} new "
            "connections in the last minute: too few to compare their shares.",
        )
        return
    starved = [one for one in members if one.count <= _STARVED * fair]
    if starved:
        yield _starving(subject, members, starved, routers)
        return
    deviation = _DEVIATIONS * math.sqrt(fair)
    if any(
        abs(one.count - fair) > deviation
        and not _LOW * fair <= one.count <= _HIGH * fair
        for one in members
    ):
        yield _uneven(subject, members, routers)
        return
    for one in members:
        yield ok(one.amphora.subject)


def _starving(
    subject: Subject,
    members: Sequence[_Member],
    starved: Sequence[_Member],
    routers: Sequence[Peer],
) -> Statement:
    served = len(members) - len(starved)
    idle = ", ".join(
        f"{one.amphora.id} (next hop "
        f"{', '.join(str(hop) for hop in one.next_hops)})"
        for one in starved
    )
    if served == 1:
        likely = (
            f"only one path of {len(members)} is used: most likely "
            "maximum-paths is 1, or the paths of the others are filtered"
        )
    else:
        likely = (
            "their next hops are not in the router's ECMP set: most likely a "
            f"route map or filter refuses them, or maximum-paths is {served}"
        )
    if len(starved) == 1 and served > 1:
        likely = likely.replace("their next hops are", "its next hop is")
        likely = likely.replace("refuses them", "refuses it")
    if all(one.count for one in starved):
        likely += "; or the hash is polarised"
    one = starved[0]
    vip = min(
        (path.vip_ip for path in one.report.paths),
        key=lambda ip: (ip.version, ip),
    )
    return wrong(
        subject,
        f"VIP {vip} of load balancer {subject.load_balancer_id} is announced "
        f"by {len(members)} amphorae to {_names(routers)}, and no traffic "
        f"comes to {idle}, while the others got "
        f"{sum(m.count for m in members) - sum(m.count for m in starved)} "
        f"connections in the last minute: {likely}.",
        [
            step
            for router in routers
            for step in _ecmp_steps(router, vip, one, len(members))
        ],
    )


def _ecmp_steps(
    router: Peer, vip: IPAddress, starved: _Member, paths: int
) -> Iterator[Step]:
    version, length = vip.version, vip.max_prefixlen
    prefix = f"{vip}/{length}"
    hop = next((ip for ip in starved.next_hops if ip.version == version), None)
    family = "" if version == 4 else "-6 "
    # 1. is the path there, and "multipath"? 2. is it in the kernel?
    yield vtysh(router, f"show bgp ipv{version} unicast {prefix}")
    yield on_router(
        router,
        f"ip {family}route show {prefix}" + (f"  # {hop}" if hop else ""),
    )
    yield configure(
        router,
        f"address-family ipv{version} unicast",
        f"maximum-paths {max(16, paths)}",
    )
    yield configure(router, "bgp bestpath as-path multipath-relax")
    yield vtysh(router, "show route-map")


def _uneven(
    subject: Subject, members: Sequence[_Member], routers: Sequence[Peer]
) -> Statement:
    total = sum(one.count for one in members)
    told = ", ".join(
        f"{one.amphora.id} {one.count / total:.0%}"
        for one in sorted(members, key=lambda one: -one.count)
    )
    return wrong(
        subject,
        f"The {len(members)} amphorae of load balancer "
        f"{subject.load_balancer_id} that {_names(routers)} has paths of get "
        f"uneven shares of {total} new connections: {told}. The routers' "
        "hash is polarised (one seed in all of them), or it is over "
        "addresses alone and there are few clients.",
        [
            step
            for router in routers
            for step in (
                on_router(
                    router,
                    "sysctl net.ipv4.fib_multipath_hash_policy "
                    "net.ipv6.fib_multipath_hash_policy "
                    "net.ipv4.fib_multipath_hash_seed",
                ),
                on_router(
                    router,
                    "sysctl -w net.ipv4.fib_multipath_hash_policy=1 "
                    "net.ipv6.fib_multipath_hash_policy=1",
                ),
            )
        ],
        Severity.WARNING,
    )


def _names(routers: Sequence[Peer]) -> str:
    return " and ".join(called(router) for router in routers)
