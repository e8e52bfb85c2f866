# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: the load that one amphora is to carry.

Layer: model. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.bgp import check_range
from octavia_anycast.model.errors import InvalidRequest

TARGET_MAX = 10**12
CPU_TARGET_MAX = 100
TOLERANCE_MAX = 0.9
SCALE_IN_DELAY_MAX_SECONDS = 86_400


class Metric(StrEnum):
    """What is measured of an amphora, and its unit.

    CONNECTIONS: open now, over all listeners. SESSION_RATE: new connections
    a second. CPU: percent of all of its CPUs. BYTES: in and out, a second.
    """

    CONNECTIONS = "connections"
    SESSION_RATE = "session_rate"
    CPU = "cpu"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """The load that one amphora is to carry.

    :param target: per amphora, in the metric's unit
    :param tolerance: share of the target by which the load may miss it
        before the cluster is scaled
    :param scale_in_delay: seconds; a smaller cluster must have sufficed for
        so long before it is made smaller
    """

    metric: Metric
    target: int
    tolerance: float = 0.1
    scale_in_delay: int = 300

    def __post_init__(self) -> None:
        highest = CPU_TARGET_MAX if self.metric is Metric.CPU else TARGET_MAX
        check_range("target", self.target, 1, highest)
        if isinstance(self.tolerance, bool) or not isinstance(
            self.tolerance, float | int
        ):
            raise InvalidRequest(
                "tolerance", f"{self.tolerance!r} is not a number"
            )
        # NaN compares false to everything.
        if not 0 <= self.tolerance <= TOLERANCE_MAX:
            raise InvalidRequest(
                "tolerance", f"{self.tolerance} is not in 0..{TOLERANCE_MAX}"
            )
        check_range(
            "scale_in_delay",
            self.scale_in_delay,
            0,
            SCALE_IN_DELAY_MAX_SECONDS,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCount:
    """What an amphora counted for listeners, as of its last heartbeat.

    ``connections`` are those that are open, the others grow for ever;
    ``byte_count`` is in and out. ``counted_at``: when that heartbeat came.
    """

    counted_at: datetime
    connections: int = 0
    connection_count: int = 0
    byte_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One amphora's load, measured once.

    :param at: when
    :param count: a number as it is, or one that grows
    :param over: what ``count`` grows over, such as seconds; None if it is
        a number as it is
    """

    at: datetime
    count: float
    over: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cluster's load at one time.

    :param load: all that was measured, in the metric's unit
    :param serving: amphorae that announce
    :param is_complete: whether ``load`` is all of it: False while an amphora
        joins, or may carry something that nobody measured
    """

    at: datetime
    load: float
    serving: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLoad:
    """The load of a cluster over time.

    :param readings: oldest first
    :param gap_seconds: older than that, or with a longer pause between them,
        readings say nothing
    """

    readings: tuple[Reading, ...] = ()
    gap_seconds: float
