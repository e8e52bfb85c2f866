# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load: what one amphora carries, as it is measured.

Layer: model. Pure.
"""

from dataclasses import dataclass
from datetime import datetime


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
