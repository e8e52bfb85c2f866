# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Spares: amphorae that are ready to announce and do not.

Layer: planning. Pure. Which amphora stands by follows from what is seen: the
size says how many serve, and those that announce, or could at once, come
first. So a spare joins in the very look that finds another one missing, and
nothing has to be remembered for that. What is recorded (``spare_since``)
only settles a tie, and says since when one that announced drains.
"""

from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import DesiredCluster, ObservedAmphora
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing,
    is_announcing_any,
    is_incomplete,
    is_outdated,
    is_ready,
)
from octavia_anycast.planning.amphora.draining import (
    SHORT_DRAIN_SECONDS,
    drained_since,
)


def standing_by(cluster: Cluster) -> frozenset[str]:
    """The ids of the amphorae that are to stand by.

    One that is to be replaced serves to its end, so it is none of them, nor
    does it fill a place: its successor announces before it leaves.
    """
    desired = cluster.desired
    pool = [
        member
        for member in cluster.of(Phase.SERVING)
        if not is_outdated(desired, member.amphora)
        and member.amphora.record.drain_wanted_since is None
    ]
    # One that is back announces beside its stand-in, until that one goes.
    size = desired.size.desired + sum(
        member.amphora.record.stand_in_wanted for member in pool
    )
    if len(pool) <= size:
        return frozenset()
    ranked = sorted(pool, key=lambda member: _rank(desired, member))
    others = ranked[size:]
    silent = {m.id for m in others if not _announces(desired, m)}
    loud = [m for m in others if _announces(desired, m)]
    room = desired.spare_count - len(silent)
    if room <= 0 or not _has_excess(cluster, ranked[:size]):
        return frozenset(silent)
    demoted = [m.id for m in loud if not cluster.is_guarded(m)][-room:]
    return frozenset(silent | set(demoted))


def intent_of(cluster: Cluster, member: Assessment) -> Intent:
    """What an amphora with the current configuration is told of the VIPs.

    One that announced drains before it stands by.
    """
    if not cluster.desired.should_announce:
        return Intent.WITHDRAW
    if member.id not in standing_by(cluster):
        return Intent.ADVERTISE
    since = member.amphora.record.spare_since
    return drained_since(cluster, member, since, SHORT_DRAIN_SECONDS)


def ready_spares(cluster: Cluster) -> int:
    """How many stand by that could take traffic now."""
    spares = standing_by(cluster)
    return sum(
        1
        for member in cluster.members
        if member.id in spares and _could_announce(cluster.desired, member)
    )


def _rank(
    desired: DesiredCluster, member: Assessment
) -> tuple[int, bool, int, str]:
    """The first ones serve: by what they do, then by what they were.

    One that cannot serve all listeners comes behind those that could.
    """
    amphora = member.amphora
    is_spare = amphora.record.spare_since is not None
    is_whole = not is_incomplete(desired, amphora)
    if desired.should_announce and is_announcing(desired, amphora):
        # The one with the fewest connections is missed least.
        place = 0 if is_whole else 2
        return place, is_spare, -_connections(amphora), member.id
    if _could_announce(desired, member) and is_whole:
        return 1, is_spare, 0, member.id
    if amphora.report is not None:
        return 3, is_spare, 0, member.id
    return 4, is_spare, 0, member.id


def _could_announce(desired: DesiredCluster, member: Assessment) -> bool:
    report = member.amphora.report
    if report is None or not is_ready(desired, member.amphora):
        return False
    states = {session.state for session in report.sessions}
    return not states or SessionState.ESTABLISHED in states


def _announces(desired: DesiredCluster, member: Assessment) -> bool:
    return desired.should_announce and is_announcing_any(
        desired, member.amphora
    )


def _has_excess(cluster: Cluster, serving: list[Assessment]) -> bool:
    """Whether one that announces is one too many, and is none to dismiss."""
    desired = cluster.desired
    return (
        not cluster.outdated()
        and not cluster.of(Phase.LEAVING)
        and len(cluster.live) <= cluster.total
        and all(is_announcing(desired, m.amphora) for m in serving)
    )


def _connections(amphora: ObservedAmphora) -> int:
    return sum(amphora.report.connections.values()) if amphora.report else 0
