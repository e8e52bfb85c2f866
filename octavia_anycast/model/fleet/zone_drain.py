# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone drain: all amphorae of one place are out of service for a time.

The place is an availability zone, a compute host, or all that peer with one
BGP peer (ADR 0163).

Layer: model. Pure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from octavia_anycast.model.bgp import (
    check_fields,
    check_range,
    checked_by,
    within,
)
from octavia_anycast.model.cluster import TIMEOUT_MAX_SECONDS
from octavia_anycast.model.errors import (
    InvalidRequest,
    check_name,
    check_place,
)

DURATION_MIN_SECONDS = 60
DURATION_MAX_SECONDS = 31 * 86_400
PLACES = ("availability_zone", "compute_host", "peer_id")


class ZoneDrainState(StrEnum):
    """How far a zone drain is."""

    DRAINING = "DRAINING"  # some amphorae at the place announce, or will
    DRAINED = "DRAINED"  # none does
    ENDING = "ENDING"  # they were asked to announce again
    ENDED = "ENDED"  # they do, and all stand-ins may go


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the amphorae are; exactly one of the three is given."""

    availability_zone: str | None = checked_by(check_place, default=None)
    compute_host: str | None = checked_by(check_place, default=None)
    peer_id: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        given = [name for name in PLACES if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidRequest(
                given[1] if given else PLACES[0],
                "give exactly one of availability_zone, compute_host and "
                "peer_id",
            )

    def __str__(self) -> str:
        if self.availability_zone is not None:
            return f"availability zone {self.availability_zone}"
        if self.compute_host is not None:
            return f"compute host {self.compute_host}"
        return f"BGP peer {self.peer_id}"


class Owned(Protocol):
    """An amphora, as far as it says whose it is."""

    @property
    def load_balancer_id(self) -> str | None:
        """The load balancer that it serves."""

    @property
    def distributor_id(self) -> str | None:
        """The distributor whose own it is."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Holder:
    """Whose amphorae they are: a load balancer's, or a distributor's own.

    Of the two ids exactly one is given, the other one is empty.
    """

    load_balancer_id: str = ""
    distributor_id: str = ""

    @classmethod
    def of(cls, amphora: Owned) -> "Holder":
        """Whose an amphora is."""
        return cls(
            load_balancer_id=amphora.load_balancer_id or "",
            distributor_id=amphora.distributor_id or "",
        )

    def __str__(self) -> str:
        if self.load_balancer_id:
            return f"load balancer {self.load_balancer_id}"
        return f"distributor {self.distributor_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDrainRequest:
    """What an operator asks for; one of the two times of its end is given.

    ``reason``: why, in the operator's words. ``duration``: seconds until it
    ends; ``expires_at``: when it ends. ``timeout``: seconds for which each
    amphora may drain; None: as the settings say. ``boot_elsewhere``: another
    amphora boots first for each one. ``is_forced``: amphorae that cannot be
    missed stay in service, and it is not refused for them.
    """

    availability_zone: str | None = None
    compute_host: str | None = None
    peer_id: str | None = None
    reason: str = checked_by(check_name, default="")
    duration: int | None = within(
        DURATION_MIN_SECONDS, DURATION_MAX_SECONDS, default=None
    )
    expires_at: datetime | None = None
    timeout: int | None = within(0, TIMEOUT_MAX_SECONDS, default=None)
    boot_elsewhere: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.duration is None) is (self.expires_at is None):
            raise InvalidRequest(
                "duration", "give exactly one of duration and expires_at"
            )

    @property
    def place(self) -> Place:
        """Where.

        :raises InvalidRequest: none or several are given.
        """
        return Place(**{name: getattr(self, name) for name in PLACES})

    def end(self, now: datetime) -> datetime:
        """When it ends.

        :raises InvalidRequest: that is past, too soon or too late.
        """
        if self.duration is not None:
            return now + timedelta(seconds=self.duration)
        assert self.expires_at is not None
        if self.expires_at.tzinfo is None:
            raise InvalidRequest("expires_at", "it names no time zone")
        if self.expires_at <= now:
            raise InvalidRequest(
                "expires_at",
                f"{self.expires_at.isoformat()} is past: it is "
                f"{now.isoformat(timespec='seconds')}",
            )
        seconds = (self.expires_at - now).total_seconds()
        check_range(
            "expires_at (in seconds from now)",
            int(seconds),
            DURATION_MIN_SECONDS,
            DURATION_MAX_SECONDS,
        )
        return self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDrain:
    """A zone drain, as it is stored.

    ``revision``: that of the fleet; amphorae with a lower one were there when
    it was asked for. ``marked_at``: when all that were there had been asked
    to drain. ``end_wanted_at``: when it was asked to end, or its time
    was found to be over, and ``end_reason`` which of these. ``ended_at``: when
    no amphora was its any more.
    """

    id: str
    availability_zone: str | None = None
    compute_host: str | None = None
    peer_id: str | None = None
    reason: str = ""
    expires_at: datetime
    timeout: int | None = None
    revision: int = 0
    boot_elsewhere: bool = False
    is_forced: bool = False
    marked_at: datetime | None = None
    end_wanted_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    created_at: datetime | None = None

    @property
    def place(self) -> Place:
        """Where."""
        return Place(**{name: getattr(self, name) for name in PLACES})

    def is_over(self, now: datetime) -> bool:
        """Whether its amphorae are to announce again."""
        return self.end_wanted_at is not None or now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Amphorae of a zone drain, by where their drains stand.

    ``waiting``: it still announces as before: nobody takes its place yet.
    ``returning``: it is to announce again, and then its stand-in may go.
    """

    waiting: int = 0
    draining: int = 0
    drained: int = 0
    returning: int = 0

    @property
    def total(self) -> int:
        """How many there are."""
        return self.waiting + self.draining + self.drained + self.returning


def state_of(
    drain: ZoneDrain, progress: Progress, announcing: int
) -> ZoneDrainState:
    """Say how far it is.

    :param announcing: so many amphorae at the place announce or will,
        whoever drains them, and also if nobody does
    """
    if drain.ended_at is not None:
        return ZoneDrainState.ENDED
    if drain.end_wanted_at is not None:
        return ZoneDrainState.ENDING
    if drain.marked_at is None or announcing:
        return ZoneDrainState.DRAINING
    if progress.waiting or progress.draining:
        return ZoneDrainState.DRAINING
    return ZoneDrainState.DRAINED
