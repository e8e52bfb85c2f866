# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Back-off: what follows from boots that failed.

Layer: planning. Pure. The wait doubles with each failure since the last
amphora that came up, and until one does, one boot at a time tries whether it
works again: an exhausted quota or a broken image costs one failure per wait
and not one per missing amphora.
"""

from datetime import datetime, timedelta

from octavia_anycast.model.cluster import (
    AmphoraStatus,
    BootFailure,
    ObservedCluster,
)
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    Phase,
    stopped_since,
)

REFUSALS = 2  # so many in a row, and there is no room for one more


def streak(group: Group) -> tuple[BootFailure, ...]:
    """The failures since an amphora last came up, oldest first.

    One whose processes do not run has not, however often it is configured.
    """
    moments = [
        m.amphora.record.applied_at
        for m in group.live
        if stopped_since(m.amphora) is None
    ]
    last = max((moment for moment in moments if moment), default=None)
    return tuple(
        failure
        for failure in group.observed.recent_failures
        if last is None or failure.at > last
    )


def waits_until(group: Group) -> datetime | None:
    """When the next boot may be; None: now."""
    failures = streak(group)
    if not failures:
        return None
    policy = group.desired.policy
    doublings = min(len(failures) - 1, 16)
    wait = min(policy.backoff_base * 2**doublings, policy.backoff_max)
    due = failures[-1].at + timedelta(seconds=wait)
    return due if group.now < due else None


def fails_now(member: Assessment) -> bool:
    """Whether it failed before it ever served, and this is news."""
    record = member.amphora.record
    is_news = record.status not in (
        AmphoraStatus.ERROR,
        AmphoraStatus.PENDING_DELETE,
    )
    return is_news and not record.was_configured


def has_news(group: Group) -> bool:
    """Whether a failure is about to be recorded."""
    return any(fails_now(member) for member in group.of(Phase.FAILED))


def has_no_room(observed: ObservedCluster) -> bool:
    """Whether the compute service lately had no room for one more.

    No server of the last boots that failed ever ran, so it was not for what
    is in the image. And room would not help what is refused as invalid.
    """
    last = observed.recent_failures[-REFUSALS:]
    return len(last) == REFUSALS and not any(
        failure.has_run or failure.is_invalid for failure in last
    )
