# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A fleet change: many amphorae are replaced, a few of them first (ADR 0164).

Layer: model. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.bgp import (
    IPAddress,
    check_fields,
    checked_by,
    within,
)
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import InvalidRequest, check_place
from octavia_anycast.model.wire import GateState

CANARIES_MAX = 32
PARALLEL_MAX = 100
SOAK_MAX_SECONDS = 7 * 86_400


class ChangeKind(StrEnum):
    """Which amphorae a fleet change replaces, or what of them."""

    IMAGE = "image"  # those whose image is not the one that boots now
    HOST = "host"  # those of one compute host
    CERTIFICATE = "certificate"  # none: each agent gets a new certificate


class ChangeState(StrEnum):
    """Where a fleet change stands."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # an operator asked: nothing more begins
    HALTED = "HALTED"  # by itself, for a reason
    ABORTED = "ABORTED"  # an operator asked: what can be is taken back
    DONE = "DONE"


ENDED = (ChangeState.ABORTED, ChangeState.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChangeRequest:
    """What an operator asks for.

    ``canaries``: so many load balancers get one new amphora first;
    ``soak``: seconds for which these serve before the others follow;
    ``parallel``: so many amphorae are replaced at the same time.
    """

    kind: ChangeKind
    compute_host: str | None = checked_by(check_place, default=None)
    canaries: int = within(0, CANARIES_MAX, default=1)
    parallel: int = within(1, PARALLEL_MAX, default=4)
    soak: int = within(0, SOAK_MAX_SECONDS, default=300)

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.kind is ChangeKind.HOST) is (self.compute_host is None):
            raise InvalidRequest(
                "compute_host",
                f"it is for the kind {ChangeKind.HOST.value}, which needs it",
            )


class Failure(StrEnum):
    """What a listener may count more of than before, as words of a reason."""

    ERROR = "requests that HAProxy could not read"
    FAILED = "answers with 5xx, or connections that reached no member,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a listener counted: connections, and requests with an error.

    ``errors``: requests that HAProxy could not read. ``failed``: answers with
    5xx, or connections for which no member was reached; None: an image of an
    older release does not count them, nor does one of UDP or SCTP.
    """

    connections: int
    errors: int
    failed: int | None = None

    def of(self, kind: Failure) -> int | None:
        """How many of that kind; None: they are not counted."""
        return self.errors if kind is Failure.ERROR else self.failed

    def plus(self, other: "Counted") -> "Counted":
        """The sum; of what one of them does not count it is not known."""
        return Counted(
            connections=self.connections + other.connections,
            errors=self.errors + other.errors,
            failed=None
            if self.failed is None or other.failed is None
            else self.failed + other.failed,
        )

    def since(self, before: "Counted") -> "Counted":
        """What came after that."""
        return Counted(
            connections=max(0, self.connections - before.connections),
            errors=max(0, self.errors - before.errors),
            failed=None
            if self.failed is None
            else max(0, self.failed - (before.failed or 0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChange:
    """A fleet change, as it is stored.

    ``reason``: why it is HALTED, or how it ended. ``canary_ids``: the
    amphorae that are replaced first; ``is_proven``: the new ones in their
    places have served for long enough. ``baselines``: load balancer ->
    listener -> what was counted before its first amphora was replaced.
    ``revision``: that of the fleet; amphorae with a lower one are not new.
    ``watched_revision``: those with a lower one were there before it was
    resumed; what had gone wrong with them does not halt it again. ``offsets``:
    amphora -> listener -> what these had counted then. ``stopped_at``: when
    it was HALTED or ABORTED.
    """

    id: str
    kind: ChangeKind
    compute_host: str | None = None
    canaries: int = 1
    parallel: int = 4
    soak: int = 300
    state: ChangeState = ChangeState.RUNNING
    reason: str = ""
    canary_ids: tuple[str, ...] = ()
    is_proven: bool = False
    baselines: Mapping[str, Mapping[str, Counted]] = field(
        default_factory=dict
    )
    offsets: Mapping[str, Mapping[str, Counted]] = field(default_factory=dict)
    revision: int
    watched_revision: int = 0
    stopped_at: datetime | None = None
    ended_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAmphora:
    """An amphora, as far as fleet changes look at it.

    ``fleet_revision``: that of the fleet when it was booted.
    ``is_refused``: the compute service said no to its boot.
    """

    id: str
    load_balancer_id: str | None
    status: AmphoraStatus
    fleet_revision: int = 0
    failed_at: datetime | None = None
    reason: str = ""
    compute_id: str | None = None
    is_refused: bool = False
    image_id: str | None = None
    compute_host: str | None = None
    leaving_since: datetime | None = None
    failover_wanted: bool = False
    spare_since: datetime | None = None
    drain_wanted_since: datetime | None = None
    drained_at: datetime | None = None
    stand_in_wanted: bool = False
    zone_drain_id: str | None = None
    fleet_change_id: str | None = None
    applied_at: datetime | None = None

    @property
    def is_there(self) -> bool:
        """Whether it boots or runs."""
        return self.status in (
            AmphoraStatus.BOOTING,
            AmphoraStatus.ALLOCATED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an amphora serves, as our tables know it.

    ``counted``: listener -> what it counted since it was booted.
    """

    gate: GateState | None = None
    gate_since: datetime | None = None
    gate_reason: str = ""
    announced: frozenset[IPAddress] = frozenset()
    counted: Mapping[str, Counted] = field(default_factory=dict)
