# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agents' reports, kept for the API and the distributors' statuses.

Layer: controller. Written when something changed, and now and then to show
that it did not; in a transaction of its own, because it can be missed.
"""

from datetime import datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.observe import Observation
from octavia_anycast.controller.ports import World
from octavia_anycast.db import amphorae, reports
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import Report
from octavia_anycast.planning.assessment import Cluster
from octavia_anycast.planning.rollout import recovered

LOG = logging.getLogger(__name__)
ATTEMPTS = 3


class AgentReports:
    """Keeps what each agent last said; safe for several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        # load_balancer_id -> amphora_id -> what was kept, and when.
        self._kept: dict[str, dict[str, tuple[object, datetime]]] = {}

    def keep(self, observation: Observation) -> None:
        """Store the reports that are news, and whose rollout is over."""
        now, load_balancer_id = observation.now, observation.tree.id
        given = {
            amphora.record.id: amphora.report
            for amphora in observation.observed.amphorae
            if amphora.report is not None
        }
        before = self._kept.get(load_balancer_id, {})
        news = {
            amphora_id: report
            for amphora_id, report in given.items()
            if self._is_news(before.get(amphora_id), report, now)
        }
        over = recovered(
            Cluster(observation.desired, observation.observed, now)
        )
        if not news and not over:
            return

        def write(session: Any) -> None:
            for amphora_id, report in sorted(news.items()):
                reports.save(session, amphora_id, report, now)
            for amphora_id in over:
                amphorae.update(session, amphora_id, speakers_changed_at=None)

        if self._attempt(write, load_balancer_id):
            kept = {i: before[i] for i in given if i in before}
            for amphora_id, report in news.items():
                kept[amphora_id] = _gist(report), now
            self._kept[load_balancer_id] = kept

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone."""
        self._kept.pop(load_balancer_id, None)

    def _is_news(
        self,
        before: tuple[object, datetime] | None,
        report: Report,
        now: datetime,
    ) -> bool:
        if before is None or before[0] != _gist(report):
            return True
        interval = timedelta(seconds=self._world.settings.report_interval)
        return now - before[1] >= interval

    def _attempt(self, write: Any, load_balancer_id: str) -> bool:
        for _ in range(ATTEMPTS):
            try:
                with self._world.database.transaction() as session:
                    write(session)
            except Retryable as e:
                LOG.debug("Reports of %s: %s", load_balancer_id, e)
            else:
                return True
        return False


def _gist(report: Report) -> object:
    """What of a report is worth a write at once: no counts, no ages."""
    return (
        report.digest,
        report.speakers_digest,
        report.are_speakers_loaded,
        report.speaker_is_running,
        report.gate.state,
        report.gate.reason,
        tuple((s.peer_id, s.peer_ip, s.state) for s in report.sessions),
        report.paths,
    )
