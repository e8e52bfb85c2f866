# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agents' reports, kept for the API and the distributors' statuses.

Layer: controller. Written when something changed, and now and then to show
that it did not.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.model.wire import PathState, Report
from octavia_anycast.planning.cluster.assessment import Cluster
from octavia_anycast.planning.cluster.rollout import recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be written of one load balancer's amphorae.

    ``reports``: those that are news; ``rolled_out``: amphorae whose change
    of speakers is over.
    """

    load_balancer_id: str
    at: datetime
    reports: dict[str, Report] = field(default_factory=dict)
    rolled_out: tuple[str, ...] = ()

    def write(self, session: Any) -> None:
        """Write it, in the order of ids: no deadlock."""
        for amphora_id, report in sorted(self.reports.items()):
            reports.save(session, amphora_id, report, self.at)
        for amphora_id in sorted(self.rolled_out):
            amphorae.update(session, amphora_id, speakers_changed_at=None)


class AgentReports:
    """Remembers what was written of each agent; safe for several threads."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = timedelta(seconds=interval_seconds)
        # load_balancer_id -> amphora_id -> what was written, and when.
        self._kept: dict[str, dict[str, tuple[object, datetime]]] = {}

    def news(self, observation: Observation) -> News:
        """Say what is to be written; :meth:`written` when it was."""
        now = observation.now
        before = self._kept.get(observation.tree.id, {})
        return News(
            load_balancer_id=observation.tree.id,
            at=now,
            reports={
                amphora.record.id: amphora.report
                for amphora in observation.observed.amphorae
                if amphora.report is not None
                and self._is_news(
                    before.get(amphora.record.id), amphora.report, now
                )
            },
            rolled_out=_rolled_out(observation),
        )

    def written(self, news: News, amphora_ids: set[str]) -> None:
        """Remember it, and forget all but these amphorae."""
        before = self._kept.get(news.load_balancer_id, {})
        kept = {i: before[i] for i in amphora_ids if i in before}
        for amphora_id, report in news.reports.items():
            kept[amphora_id] = gist(report), news.at
        self._kept[news.load_balancer_id] = kept

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone."""
        self._kept.pop(load_balancer_id, None)

    def _is_news(
        self,
        before: tuple[object, datetime] | None,
        report: Report,
        now: datetime,
    ) -> bool:
        if before is None or before[0] != gist(report):
            return True
        return now - before[1] >= self._interval


def _rolled_out(observation: Observation) -> tuple[str, ...]:
    amphorae_seen = observation.observed.amphorae
    if all(a.record.speakers_changed_at is None for a in amphorae_seen):
        return ()
    return recovered(
        Cluster(observation.desired, observation.observed, observation.now)
    )


def gist(report: Report) -> object:
    """What of a report is worth a write at once: no counts, no ages.

    But one that drains: its user waits for what is left.
    """
    is_draining = any(p.state is PathState.DRAINING for p in report.paths)
    return (
        report.connections if is_draining else None,
        report.digest,
        report.speakers_digest,
        report.are_speakers_loaded,
        report.speaker_is_running,
        report.gate.state,
        report.gate.reason,
        tuple(
            (s.peer_id, s.peer_ip, s.state, s.error) for s in report.sessions
        ),
        report.refusal,
        report.paths,
        report.revision,
        report.path_counts,
    )
