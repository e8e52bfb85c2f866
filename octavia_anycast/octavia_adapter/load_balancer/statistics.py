# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statistics of listeners, summed over the cluster.

Octavia's API sums a listener's rows for the totals, but counts active
connections only of its own amphorae or of the row whose ``amphora_id`` is
the listener's id (``octavia/common/stats.py``). So each listener has that
one row: the totals grow by what heartbeats add, whoever receives them and
whichever amphorae come and go; the active connections are the sum over the
amphorae there are (ADR 0023).

Layer: octavia_adapter.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from octavia.db import models, repositories
from oslo_db import exception as db_exceptions

from octavia_anycast.model.heartbeat import Heartbeat
from octavia_anycast.octavia_adapter.load_balancer import object_rows
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

_COUNTERS = ("bytes_in", "bytes_out", "total_connections", "request_errors")


class OctaviaStatistics:
    """Writes Octavia's listener statistics."""

    def __init__(self) -> None:
        self._rows = repositories.ListenerStatisticsRepository()

    def add(self, heartbeats: Iterable[Heartbeat]) -> None:
        """Add what the heartbeats brought; one statement per listener."""
        for listener_id, added in _sums(heartbeats).items():
            if not any(added.values()):
                continue
            if self._grow(listener_id, added):
                continue
            try:
                self._create(listener_id, added)
            except db_exceptions.DBDuplicateEntry:  # another controller did
                self._grow(listener_id, added)

    def set_active(self, active: Mapping[str, int]) -> None:
        """Write the active connections: listener_id -> their number.

        One statement for all listeners that have the same number.
        """
        model = models.ListenerStatistics
        by_count: dict[int, list[str]] = {}
        for listener_id, count in sorted(active.items()):
            by_count.setdefault(count, []).append(listener_id)
        with transaction() as session:
            for count, listener_ids in by_count.items():
                object_rows.update(
                    session,
                    model.listener_id,
                    listener_ids,
                    {"active_connections": count},
                    model.amphora_id == model.listener_id,
                )

    def _grow(self, listener_id: str, added: Mapping[str, int]) -> bool:
        model = models.ListenerStatistics
        with transaction() as session:
            count = self._own_row(session, listener_id).update(
                {
                    getattr(model, name): getattr(model, name) + value
                    for name, value in added.items()
                },
                synchronize_session=False,
            )
        return bool(count)

    def _create(self, listener_id: str, added: Mapping[str, int]) -> None:
        with transaction() as session:
            if session.get(models.Listener, listener_id) is None:
                return
            self._rows.create(
                session,
                listener_id=listener_id,
                amphora_id=listener_id,
                active_connections=0,
                **added,
            )

    @staticmethod
    def _own_row(session: Any, listener_id: str) -> Any:
        return session.query(models.ListenerStatistics).filter_by(
            listener_id=listener_id, amphora_id=listener_id
        )


def _sums(heartbeats: Iterable[Heartbeat]) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for heartbeat in heartbeats:
        for beat in heartbeat.listeners:
            total = sums.setdefault(
                beat.listener_id, dict.fromkeys(_COUNTERS, 0)
            )
            for name in _COUNTERS:
                total[name] += getattr(beat, name)
    return sums
