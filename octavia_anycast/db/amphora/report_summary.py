# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is counted of stored reports, read without checking the rest.

A report was checked when it came. Checking it again takes five times as
long as reading it, and metrics read the reports of all amphorae at once. Most
of them are what they were at the last scrape, so their summaries are kept.
"""

import json
import threading
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Text, func, select
from sqlalchemy import type_coerce as read_as
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from octavia_anycast.db.models import AmphoraReport
from octavia_anycast.model.wire import WIRE_VERSION, GateState, PathState
from octavia_anycast.planning.amphora.recorded import ReportSummary

# So many ids are named in one query; more reports than that are read whole.
NAMED_MAX = 500
# When the agent answered; releases before wrote no ``updated_at`` at first.
ANSWERED_AT = func.coalesce(
    AmphoraReport.updated_at, AmphoraReport.reported_at
)
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


class ReportSummaries:
    """Keeps the summary of each stored report; safe for several threads.

    A row's ``updated_at`` is the time of the agent's answer: another answer
    has another time, and a heartbeat that confirms a report leaves it as it
    is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # amphora_id -> when its agent answered, and the summary of that
        self._kept: dict[str, tuple[datetime, ReportSummary | None]] = {}

    def of(
        self, session: Session, answered: Mapping[str, datetime]
    ) -> dict[str, ReportSummary | None]:
        """Return the summaries of these reports; a query, if any is new.

        :param answered: amphora_id -> :data:`ANSWERED_AT` of its report
        """
        with self._lock:
            found = {
                amphora_id: kept
                for amphora_id, at in answered.items()
                if (kept := self._kept.get(amphora_id)) and kept[0] == at
            }
        missing = answered.keys() - found.keys()
        if missing:
            read = _read(session, missing)
            with self._lock:
                self._kept |= read
            found |= read
        return {
            amphora_id: summary for amphora_id, (_, summary) in found.items()
        }

    def keep_only(self, amphora_ids: Collection[str]) -> None:
        """Forget all others."""
        with self._lock:
            for amphora_id in self._kept.keys() - set(amphora_ids):
                del self._kept[amphora_id]

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)


def _read(
    session: Session, amphora_ids: Collection[str]
) -> dict[str, tuple[datetime, ReportSummary | None]]:
    """amphora_id -> when its agent answered, and the summary; one query."""
    statement = select(
        AmphoraReport.amphora_id,
        ANSWERED_AT,
        read_as(AmphoraReport.report, SummaryDocument()),
    )
    if len(amphora_ids) <= NAMED_MAX:
        statement = statement.where(
            AmphoraReport.amphora_id.in_(sorted(amphora_ids))
        )
    return {
        amphora_id: (at, summary)
        for amphora_id, at, summary in session.execute(statement)
        if amphora_id in amphora_ids
    }
