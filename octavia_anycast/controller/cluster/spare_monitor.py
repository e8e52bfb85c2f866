# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The spare monitor: asks the amphorae of clusters with a spare, often.

The fabric drops a dead amphora by itself, but its spare joins only when the
controller tells it to. This monitor notices a loss within a second;
heartbeats and the resync take longer. It decides nothing: it wakes the
reconciler, and the plan has the spare join. A false alarm costs one round.

Layer: controller.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from oslo_log import log as logging

from octavia_anycast.controller.engine.daemon import attempt
from octavia_anycast.controller.ports import Agents, World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.amphora.amphorae import Watched
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import AnycastError, NoConnection

LOG = logging.getLogger(__name__)
REFRESH_SECONDS = 2.0
THREADS = 16


@dataclass(slots=True)
class SpareMonitor:
    """Watches amphorae; ``wake`` has a load balancer reconciled now.

    ``fast_agents``: the agents, asked with short timeouts; ``owns``: whether a
    load balancer is this controller's to look at.
    """

    world: World
    fast_agents: Agents
    wake: Callable[[str], None]
    owns: Callable[[str], bool]
    _targets: tuple[Watched, ...] = ()
    _refresh_due: float = 0.0
    _seen: dict[str, object] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start."""
        self._thread = threading.Thread(target=self._run, name="spare_monitor")
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def trouble(self) -> str:
        """Say why spares are not watched; empty: they are."""
        if self._thread is not None and self._thread.is_alive():
            return ""
        return "the thread spare_monitor does not run"

    def _run(self) -> None:
        interval = self.world.settings.spare_watch_interval
        due = time.monotonic()
        with CarryingExecutor(THREADS, "spare_monitor") as executor:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                now = time.monotonic()
                due = now + interval
                attempt(
                    "Watching clusters that have a spare",
                    partial(self._round, executor, now),
                )

    def _round(self, executor: Executor, now: float) -> None:
        if now >= self._refresh_due:
            self.refresh()
            self._refresh_due = now + REFRESH_SECONDS
        self.look(executor)

    def refresh(self) -> None:
        """Read which amphorae to watch; one query."""
        with self.world.database.transaction() as session:
            found = amphorae.watched(session)
        self._targets = tuple(
            one for one in found if self.owns(one.load_balancer_id)
        )
        ids = {one.amphora_id for one in self._targets}
        self._seen = {i: v for i, v in self._seen.items() if i in ids}
        self.world.memory.watch_only(ids)

    def addresses(self) -> dict[str, IPAddress]:
        """amphora_id -> where it is asked, of those that answered last."""
        return {
            one.amphora_id: one.address
            for one in self._targets
            if self._seen.get(one.amphora_id) is not None
        }

    def did_not_answer(self, amphora_id: str) -> None:
        """Take it for gone: not even its kernel answers.

        The next call that it answers says otherwise.
        """
        target = next(
            (one for one in self._targets if one.amphora_id == amphora_id),
            None,
        )
        if target is not None:
            self.world.memory.did_not_answer(amphora_id, is_gone=True)
            self._note(target, None)

    def look(self, executor: Executor) -> None:
        """Ask all of them in parallel; wake those whose answer changed.

        In parallel, because many do not answer when a rack is lost.
        """
        for _ in executor.map(self._look_at, self._targets):
            pass

    def _look_at(self, target: Watched) -> None:
        self._note(target, self._ask(target))

    def _note(self, target: Watched, now: object | None) -> None:
        """Wake the reconciler if that is another answer than the last one."""
        before = self._seen.get(target.amphora_id, now)
        self._seen[target.amphora_id] = now
        if now == before:
            return
        LOG.info(
            "Amphora %s of load balancer %s %s.",
            target.amphora_id,
            target.load_balancer_id,
            _news(before, now),
        )
        self.wake(target.load_balancer_id)

    def _ask(self, target: Watched) -> object | None:
        """Return the watched part of its report; None: it did not answer."""
        memory = self.world.memory
        try:
            report = self.fast_agents.get_report(
                target.amphora_id, target.address
            )
        except AnycastError as e:
            is_gone = isinstance(e, NoConnection)
            memory.did_not_answer(target.amphora_id, is_gone=is_gone)
            return None
        memory.answered(target.amphora_id)
        return report.gate.state, frozenset(report.announced())


def _news(before: object | None, now: object | None) -> str:
    if now is None:
        return "does not answer"
    if before is None:
        return "answers again"
    return "opened or closed its gate, or announces something else"
