# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a flavor may say of autoscaling: off, unless it names a metric."""

from typing import Any

from octavia_anycast.model.autoscale import (
    SCALE_IN_DELAY_MAX_SECONDS,
    TARGET_MAX,
    TOLERANCE_MAX,
    Autoscale,
    Metric,
)
from octavia_anycast.model.errors import InvalidRequest

PREFIX = "cluster_autoscale_"
METRIC = f"{PREFIX}metric"
PROPERTIES: dict[str, dict[str, Any]] = {
    METRIC: {
        "type": "string",
        "enum": [metric.value for metric in Metric],
        "description": "The cluster is scaled by this. Default: its size is "
        "left alone.",
    },
    f"{PREFIX}target": {
        "type": "integer",
        "minimum": 1,
        "maximum": TARGET_MAX,
        "description": "How much of the metric one amphora is to carry.",
    },
    f"{PREFIX}tolerance": {
        "type": "number",
        "minimum": 0,
        "maximum": TOLERANCE_MAX,
        "description": "By which share of the target it may be missed.",
    },
    f"{PREFIX}scale_in_delay": {
        "type": "integer",
        "minimum": 0,
        "maximum": SCALE_IN_DELAY_MAX_SECONDS,
        "description": "Seconds for which one amphora fewer must have "
        "sufficed.",
    },
}


def autoscale_of(metadata: dict[str, Any]) -> Autoscale | None:
    """Make what a flavor says of autoscaling; None: nothing.

    :raises InvalidRequest: naming the key that does not fit or is missing.
    """
    given = {
        key.removeprefix(PREFIX): _number(key, value)
        for key, value in metadata.items()
        if key in PROPERTIES
    }
    if not given:
        return None
    for name in ("metric", "target"):
        if name not in given:
            raise InvalidRequest(
                f"{PREFIX}{name}", "autoscaling needs it, and it is missing"
            )
    try:
        return Autoscale(**given | {"metric": Metric(given["metric"])})
    except InvalidRequest as e:
        raise InvalidRequest(f"{PREFIX}{e.field}", e.reason) from e


def _number(key: str, value: Any) -> Any:
    """To the schema 4.0 is an integer; here it becomes one."""
    is_whole = PROPERTIES[key]["type"] == "integer"
    return int(value) if is_whole and isinstance(value, float) else value
