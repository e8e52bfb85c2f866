# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who boots next where replacements are limited (ADR 0168).

Layer: planning. Pure. A load balancer that nothing serves goes first, then the
one that has lost the largest share, then the one that waits longest. Whoever
has waited for long goes before all of them, so that nobody waits for ever.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from octavia_anycast.model.cluster import ReplacementClaim
from octavia_anycast.planning.amphora.assessment import Group, Phase

# A claim that is not asked for again for so long is void: its controller has
# stopped. Who waits is looked at each three seconds, or each twenty where a
# thousand wait.
FRESH = timedelta(seconds=60)
LONG = timedelta(minutes=10)
Rank = tuple[bool, bool, float, datetime, str]


def claim_of(group: Group, wanted: int) -> ReplacementClaim:
    """What the group would claim, did it have to wait for ``wanted``."""
    mine = own_claim(group)
    return ReplacementClaim(
        load_balancer_id=group.desired.load_balancer_id or "",
        wanted=wanted,
        serving=sum(m.phase is Phase.SERVING for m in group.live),
        size=group.total,
        since=mine.since if mine else group.now,
        asked_at=group.now,
    )


def own_claim(group: Group) -> ReplacementClaim | None:
    """The claim that is stored of the group."""
    return next(
        (
            claim
            for claim in group.observed.claims
            if claim.load_balancer_id == group.desired.load_balancer_id
        ),
        None,
    )


def ahead(group: Group) -> int:
    """How many replacements others boot before the group's.

    A distributor's own amphorae serve many load balancers and wait for none.
    """
    if not group.desired.load_balancer_id:
        return 0
    mine = rank(claim_of(group, 0), group.now)
    return sum(
        claim.wanted
        for claim in group.observed.claims
        if rank(claim, group.now) < mine
    )


def next_in_turn(
    waiting: Iterable[ReplacementClaim], free: int, now: datetime
) -> tuple[str, ...]:
    """The load balancers that boot next.

    :param free: how many may begin now
    """
    found = []
    for claim in sorted(waiting, key=lambda claim: rank(claim, now)):
        if free <= 0:
            break
        found.append(claim.load_balancer_id)
        free -= claim.wanted
    return tuple(found)


def rank(claim: ReplacementClaim, now: datetime) -> Rank:
    """The smallest one goes first."""
    share = claim.serving / claim.size if claim.size else 1.0
    return (
        now - claim.since < LONG,
        claim.serving > 0,
        share,
        claim.since,
        claim.load_balancer_id,
    )
