# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Look servers up without waiting for a compute service that hangs.

Layer: controller. One amphora that boots is no reason to leave the others of
its load balancer unobserved for as long as Nova takes to answer.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from math import inf

from octavia_anycast.controller.ports import Compute
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.cluster import ComputeState, Server
from octavia_anycast.model.load_balancer import LoadBalancerTree

PATIENCE_SECONDS = 5.0
# An answer that nobody came for within that time is asked for again.
USEFUL_SECONDS = 30.0
_THREADS = 16


@dataclass(slots=True)
class _Asked:
    """A question; ``done_at``: when it was answered, by time.monotonic."""

    future: Future[Server]
    since: float
    done_at: float = inf

    def is_useful(self) -> bool:
        return time.monotonic() - self.done_at < USEFUL_SECONDS


class ServerLooks:
    """Asks in threads of its own; safe for several threads.

    What is not answered within PATIENCE_SECONDS is UNKNOWN, and its answer
    is what the next look at that server gets.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._executor = CarryingExecutor(_THREADS, "servers")
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}

    def look(self, server_id: str, tree: LoadBalancerTree | None) -> Server:
        """Look a server up; UNKNOWN if there is no answer yet."""
        asked = self._question(server_id, tree)
        try:
            found = asked.future.result(PATIENCE_SECONDS)
        except TimeoutError:
            seconds = time.monotonic() - asked.since
            return Server(
                state=ComputeState.UNKNOWN,
                fault=f"looking up server {server_id}: no answer for "
                f"{seconds:.0f} s",
            )
        finally:
            with self._lock:
                if asked.future.done() and self._asked.get(server_id) is asked:
                    del self._asked[server_id]
        return found

    def _question(
        self, server_id: str, tree: LoadBalancerTree | None
    ) -> _Asked:
        """Return what is asked already, or ask."""
        with self._lock:
            before = self._asked.get(server_id)
            if before is not None and before.is_useful():
                return before
            asked = _Asked(
                self._executor.submit(self._compute.look, server_id, tree),
                time.monotonic(),
            )
            asked.future.add_done_callback(
                lambda _: setattr(asked, "done_at", time.monotonic())
            )
            self._asked[server_id] = asked
            return asked
