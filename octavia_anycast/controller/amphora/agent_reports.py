# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agents' reports, recorded for the API and the distributors' statuses.

Layer: controller. A report is written when something in it changed, and once
in ``report_interval`` to show that nothing did.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.ports import World
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.model.cluster import ObservedCluster
from octavia_anycast.model.wire import PathState, Report
from octavia_anycast.planning.amphora.assessment import Group, Lapse, lapses
from octavia_anycast.planning.amphora.rollout import recovered

LOG = logging.getLogger(__name__)


class AgentReports:
    """Remembers what was written of each agent; safe for several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._interval = timedelta(seconds=world.settings.report_interval)
        # An answer says no more than a heartbeat of the same interval.
        self._beat = timedelta(seconds=world.settings.heartbeat_interval)
        # owner -> amphora_id -> what was written, and when
        self._kept: dict[str, dict[str, tuple[object, datetime]]] = {}

    def record(
        self, owner: str, group: Group, also: Callable[[Any], None]
    ) -> None:
        """Record who answered, what is news of it, and what fell behind.

        :param owner: whose amphorae they are, as in the log: kind and id
        :param also: what else is written in the same transaction
        """
        now, before = group.now, self._kept.get(owner, {})
        answers = _answers(group.observed)
        news = self._news(before, answers, now)
        lapsed = lapses(group.desired, group.observed, now)
        _log_lapses(owner, group, lapsed)
        with self._world.database.transaction() as session:
            # In order, as the receiver of heartbeats: no deadlock.
            heartbeat.touch_all(
                session, answers, now, fresh_since=now - self._beat
            )
            for amphora_id, lapse in sorted(lapsed.items()):
                amphorae.update(
                    session,
                    amphora_id,
                    mute_since=lapse.mute_since,
                    stale_since=lapse.stale_since,
                )
            also(session)
            if news:
                reports.save_all(session, news, now)
            for amphora_id in sorted(recovered(group)):
                amphorae.update(session, amphora_id, speakers_changed_at=None)
        written = {i: (_gist(report), now) for i, report in news.items()}
        self._kept[owner] = {i: written.get(i) or before[i] for i in answers}

    def record_answers(
        self, owner: str, observed: ObservedCluster, now: datetime
    ) -> None:
        """Record who answered and what is news of it, and nothing else.

        For a look while a plan is carried out, which writes the amphorae.
        """
        before = self._kept.get(owner, {})
        answers = _answers(observed)
        news = self._news(before, answers, now)
        with self._world.database.transaction() as session:
            heartbeat.touch_all(
                session, answers, now, fresh_since=now - self._beat
            )
            if news:
                reports.save_all(session, news, now)
        written = {i: (_gist(report), now) for i, report in news.items()}
        self._kept[owner] = {**before, **written}

    def _news(
        self,
        before: Mapping[str, tuple[object, datetime]],
        answers: Mapping[str, Report],
        now: datetime,
    ) -> dict[str, Report]:
        return {
            amphora_id: report
            for amphora_id, report in sorted(answers.items())
            if self._is_news(before.get(amphora_id), report, now)
        }

    def forget(self, owner: str) -> None:
        """Forget a load balancer that is gone."""
        self._kept.pop(owner, None)

    def _is_news(
        self,
        before: tuple[object, datetime] | None,
        report: Report,
        now: datetime,
    ) -> bool:
        if before is None or before[0] != _gist(report):
            return True
        return now - before[1] >= self._interval


def _answers(observed: ObservedCluster) -> dict[str, Report]:
    return {
        amphora.record.id: amphora.report
        for amphora in observed.amphorae
        if amphora.report is not None
    }


def _log_lapses(owner: str, group: Group, lapsed: dict[str, Lapse]) -> None:
    """Log once that an agent falls mute, and that it answers again."""
    for amphora in group.observed.amphorae:
        record = amphora.record
        lapse = lapsed.get(record.id)
        if lapse is None:
            continue
        if lapse.mute_since and not record.mute_since:
            LOG.warning(
                "The agent of amphora %s of %s does not answer: %s.",
                record.id,
                owner,
                amphora.report_error,
            )
        elif record.mute_since and not lapse.mute_since:
            LOG.info(
                "The agent of amphora %s of %s answers again, after %.0f s.",
                record.id,
                owner,
                (group.now - record.mute_since).total_seconds(),
            )


def _gist(report: Report) -> object:
    """What of a report is written as soon as it changes: no counts, no ages.

    The connections of an amphora that drains are: its user waits for them.
    All that its digest is of is: heartbeats with that digest confirm what is
    written. An older agent makes none.
    """
    is_draining = any(p.state is PathState.DRAINING for p in report.paths)
    return (
        report.connections if is_draining else None,
        report.report_digest,
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
        report.lvs.lack if report.lvs else "",
        report.paths,
        report.revision,
        report.path_counts,
    )
