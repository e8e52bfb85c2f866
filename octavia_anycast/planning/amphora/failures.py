# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What fails, since when, and whether that is long enough to say ERROR.

Layer: planning. Pure. A refusal (``Permanent``) comes again with every try:
``refused_after`` seconds of it are enough. What may pass (``Retryable``) has
``error_after``. Work goes on in both cases.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.errors import Permanent
from octavia_anycast.planning.amphora import backoff
from octavia_anycast.planning.amphora.assessment import Group
from octavia_anycast.planning.amphora.scaling import coming_up

# Boots that are refused one after the other, before and after an old amphora
# made room: one more will not do better.
BOOTS_REFUSED = 3
# Boots that fail one after the other, however: by the default back-off more
# than a minute passes until the last of them, longer than a service restarts.
BOOTS_FAILED = 5
# Where it fails before there is a server, so long: as these five boots take.
UNBOOTED_SECONDS = 75.0
# The look itself, where it is what fails.
OBSERVE = "Observe"
RETRY_MAX_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a change may take; seconds.

    :param announce_wait: for min_size amphorae to announce
    :param error_after: for min_size amphorae to be configured, and for each
        step of a failover
    :param refused_after: for an action that is refused to work after all
    """

    announce_wait: float = 15.0
    error_after: float = 600.0
    refused_after: float = 15.0


def carried_on(
    before: Iterable[ActionFailure], now_failing: Iterable[ActionFailure]
) -> tuple[ActionFailure, ...]:
    """Let what still fails keep the moment when it first did."""
    since = {_key(failure): failure.since for failure in before}
    return tuple(
        replace(failure, since=since.get(_key(failure), failure.since))
        for failure in now_failing
    )


def unobserved(error: Exception, now: datetime) -> ActionFailure:
    """The failure of a look that could not even be made."""
    return ActionFailure(
        action=OBSERVE,
        reason=str(error),
        since=now,
        is_refused=isinstance(error, Permanent),
    )


def _key(failure: ActionFailure) -> tuple[str, str, bool]:
    return failure.action, failure.amphora_id, failure.is_aside


def retry_seconds(
    failures: Iterable[ActionFailure], now: datetime, least: float
) -> float:
    """When to try again: less often, the longer something is refused."""
    ages = [
        (now - failure.since).total_seconds()
        for failure in failures
        if failure.is_refused and not failure.is_aside
    ]
    return max([least, *(min(age / 2, RETRY_MAX_SECONDS) for age in ages)])


def remarks(failures: Iterable[ActionFailure]) -> list[str]:
    """One sentence each, for the reason of a status."""
    return [
        f"{failure.action} of amphora {failure.amphora_id}: {failure.reason}"
        if failure.amphora_id
        else f"{failure.action}: {failure.reason}"
        for failure in failures
    ]


def is_refused(
    failures: Iterable[ActionFailure], now: datetime, patience: Patience
) -> bool:
    """Whether an action has been refused for long enough."""
    return any(
        failure.is_refused
        and not failure.is_aside
        and (now - failure.since).total_seconds() >= patience.refused_after
        for failure in failures
    )


def are_hopeless(
    failures: Iterable[ActionFailure], now: datetime, patience: Patience
) -> bool:
    """Whether something is refused, or does not work, for long enough.

    For what nobody waits for: there each failure has a time of its own.
    """
    found = tuple(failures)
    return is_refused(found, now, patience) or any(
        not failure.is_aside
        and (now - failure.since).total_seconds() > patience.error_after
        for failure in found
    )


def are_boots_hopeless(group: Group) -> bool:
    """Whether one boot after the other is refused, or fails otherwise."""
    if not group.desired.wanted:
        return False
    failed = backoff.streak(group)
    refused = failed[-BOOTS_REFUSED:]
    return len(failed) >= BOOTS_FAILED or (
        len(refused) == BOOTS_REFUSED and all(f.is_refused for f in refused)
    )


def is_kept_from_booting(group: Group) -> bool:
    """Whether it has no server, and what comes before one goes on failing.

    Neither the look at what is there, nor the server group, nor a network is
    a boot: what fails in them makes no streak of failed boots.
    """
    if not group.desired.wanted or any(
        member.amphora.record.compute_id for member in group.members
    ):
        return False
    return any(
        not failure.is_aside
        and (group.now - failure.since).total_seconds() >= UNBOOTED_SECONDS
        for failure in group.observed.failures
    )


def boot_seconds(group: Group) -> float:
    """How much longer a change may take, because amphorae come up.

    As long as nothing has failed: each has ``boot_timeout``.
    """
    if not group.desired.wanted or not coming_up(group):
        return 0.0
    if backoff.streak(group) or any(
        not failure.is_aside for failure in group.observed.failures
    ):
        return 0.0
    return group.desired.policy.boot_timeout
