# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Drain: how far an amphora is on its way out of the fabric.

Layer: model. Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from octavia_anycast.model.bgp import check_range
from octavia_anycast.model.cluster import AmphoraRecord

TIMEOUT_MAX_SECONDS = 86_400


class DrainState(StrEnum):
    """Where the drain of an amphora stands."""

    NONE = "NONE"
    PENDING = "PENDING"  # asked for, and not begun
    DRAINING = "DRAINING"  # announced with GRACEFUL_SHUTDOWN (RFC 8326)
    DRAINED = "DRAINED"  # withdrawn; what arrives is still served


class DrainMark(StrEnum):
    """What telling an agent its state is in a drain; it is recorded."""

    BEGUN = "begun"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A drain that was asked for, by wish or because the amphora leaves.

    ``deadline``: it withdraws then, whatever connections are left.
    """

    since: datetime
    deadline: datetime
    state: DrainState


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOptions:
    """How to drain; ``timeout`` in seconds, None: as the settings say."""

    timeout: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None:
            check_range("timeout", self.timeout, 0, TIMEOUT_MAX_SECONDS)


def drain_of(record: AmphoraRecord, leaving_seconds: float) -> Drain | None:
    """The drain that an amphora is in; None: in none.

    :param leaving_seconds: how long one on its way out may drain; the
        deadline of an earlier wish does not hold it up
    """
    if record.leaving_since is not None:
        since = record.leaving_since
        deadline = since + timedelta(seconds=leaving_seconds)
    elif record.drain_wanted_since is not None:
        since = record.drain_wanted_since
        deadline = record.drain_deadline or since
    else:
        return None
    return Drain(since=since, deadline=deadline, state=_state(record))


def _state(record: AmphoraRecord) -> DrainState:
    if record.drained_at is not None:
        return DrainState.DRAINED
    if record.draining_since is not None:
        return DrainState.DRAINING
    return DrainState.PENDING
