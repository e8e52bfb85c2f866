# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fake amphorae for a controller with the wall clock and many threads."""

import collections
import datetime
import threading
import typing

from octavia_anycast.cmd import controller
from octavia_anycast.db.engine import Database
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import Report
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud
from octavia_anycast.testing.fakes.fake_machine import Machine


class LiveCloud(FakeCloud):
    """The fake cloud with the wall clock, quick with thousands."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # amphora_id -> how often it was asked
        self.asked: collections.Counter[str] = collections.Counter()
        self._index: dict[str, Machine] = {}
        self._reports: dict[str, tuple[object, Report]] = {}

    @property
    def now(self) -> datetime.datetime:
        """The time."""
        return controller.utc_now()

    @now.setter
    def now(self, value: datetime.datetime) -> None:
        """Nobody moves this clock."""

    def get_report(self, amphora_id: str, address: IPAddress) -> Report:
        """The same, from memory: to think is an agent's cost, not ours."""
        machine = self._by_address(amphora_id, address)
        self.asked[amphora_id] += 1
        key = (machine.state, machine.pushes, machine.frontend_port)
        kept = self._reports.get(amphora_id)
        if kept is None or kept[0] != key:
            kept = key, super().get_report(amphora_id, address)
            self._reports[amphora_id] = kept
        return kept[1]

    def beating(self) -> list[str]:
        """The lines of those who send heartbeats: id, digest of the report.

        Whose agent was never asked bears none.
        """
        reports = dict(self._reports)
        living = [
            machine.amphora_id
            for machine in list(self.machines.values())
            if machine.has_power
        ]
        return sorted(
            f"{i} {reports[i][1].report_digest}" if i in reports else i
            for i in living
        )

    def count(self) -> int:
        """How often any was asked; other threads go on asking meanwhile."""
        return sum(dict(self.asked).values())

    def _by_address(self, amphora_id: str, address: IPAddress) -> Machine:
        machine = self._index.get(amphora_id)
        if machine is None or machine.server_id not in self.machines:
            self._index = {m.amphora_id: m for m in self.machines.values()}
            return super()._by_address(amphora_id, address)
        if not machine.has_power:
            raise Retryable(f"amphora {amphora_id} does not answer")
        return machine


class OneAtATime:
    """Passes calls on, one at a time: the fake was made for one thread."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> typing.Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: typing.Any, **named: typing.Any) -> typing.Any:
            with self._lock:
                return found(*arguments, **named)

        return call
