# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling as it is asked for: what an amphora is to carry.

Layer: model. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from octavia_anycast.model.errors import InvalidRequest


class Metric(StrEnum):
    """What is measured of an amphora."""

    CONNECTIONS = "connections"
    SESSION_RATE = "session_rate"
    CPU = "cpu"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscale:
    """The load that one amphora is to carry.

    :param target: per amphora, in the metric's unit
    :param tolerance: share of the target by which it may be missed, 0..1
    :param scale_in_delay: seconds of less load before the cluster shrinks
    """

    metric: Metric
    target: int
    tolerance: float = 0.1
    scale_in_delay: int = 300

    def __post_init__(self) -> None:
        if self.target < 1:
            raise InvalidRequest("target", f"{self.target} is less than 1")
        if not 0 <= self.tolerance <= 1:
            raise InvalidRequest(
                "tolerance", f"{self.tolerance} is not in 0..1"
            )
        if self.scale_in_delay < 0:
            raise InvalidRequest(
                "scale_in_delay", f"{self.scale_in_delay} is less than 0"
            )
