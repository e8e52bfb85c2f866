# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is counted of stored reports, read without checking the rest.

A report was checked when it came. Checking it again takes five times as
long as reading it, and metrics read the reports of all amphorae at once.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from octavia_anycast.model.wire import WIRE_VERSION, GateState, PathState
from octavia_anycast.planning.amphora.recorded import ReportSummary

_ANNOUNCED = (PathState.ADVERTISED.value, PathState.DRAINING.value)


def summary_of(document: Any) -> ReportSummary | None:
    """Sum up a report; None: it is of another version, or damaged."""
    try:
        if document["version"] != WIRE_VERSION:
            return None
        return _summary(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _summary(document: Mapping[str, Any]) -> ReportSummary:
    gate = document["gate"]
    paths = document["paths"]
    rescue = document.get("flow_rescue") or {}
    return ReportSummary(
        gate=GateState(gate["state"]),
        gate_since=datetime.fromisoformat(gate["since"]),
        probes=tuple(
            (seen["probe"], seen["verdict"]) for seen in gate["evidence"]
        ),
        sessions=tuple(
            (session["peer_id"], session["state"])
            for session in document["sessions"]
        ),
        paths=_count_paths(paths, document["path_counts"]),
        is_announcing=_announces_all(paths),
        connections=sum(document["connections"].values()),
        rescue_state=rescue.get("state", ""),
        rescue={"": rescue["own"], **rescue["members"]} if rescue else {},
    )


def _count_paths(paths: Any, counts: Any) -> dict[str, int]:
    """State -> paths; a distributor's own amphora only counts its own."""
    found: dict[str, int] = {}

    def add(state: str, number: int) -> None:
        found[state] = found.get(state, 0) + number

    for path in paths:
        add(path["state"], 1)
    for count in counts:
        sent = count["advertised"]
        add(PathState.ADVERTISED.value, sent)
        add(PathState.PENDING.value, max(0, count["wanted"] - sent))
    return found


def _announces_all(paths: Any) -> bool:
    wanted = {path["vip_ip"] for path in paths}
    announced = {
        path["vip_ip"] for path in paths if path["state"] in _ANNOUNCED
    }
    return bool(wanted) and wanted == announced


class SummaryDocument(TypeDecorator[ReportSummary]):
    """A stored report, read as its summary."""

    impl = Text
    cache_ok = True

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> ReportSummary | None:
        """Sum the document up."""
        if value is None:
            return None
        try:
            return summary_of(json.loads(value))
        except ValueError:
            return None
