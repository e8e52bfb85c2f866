# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Knocks at the amphorae that the spare monitor watches, between its calls.

A call costs both sides a TLS handshake, so that calls come each half second;
a knock costs a packet each way. One that does not answer for as long as a
connection of the monitor may take is as gone as one that did not take it.

Layer: controller. It decides nothing, see :mod:`.spare_monitor`.
"""

import threading
import time
from collections.abc import Callable, Mapping

from oslo_log import log as logging

from octavia_anycast.controller.cluster.spare_monitor import SpareMonitor
from octavia_anycast.controller.engine.daemon import attempt
from octavia_anycast.controller.ports import Knocks
from octavia_anycast.model.bgp import IPAddress

LOG = logging.getLogger(__name__)
INTERVAL_SECONDS = 0.1
# One packet may be lost, and this process may be paused.
_KNOCKS_MIN = 2


class SpareKnocks:
    """Tells the monitor of amphorae that fall silent.

    :param patience: seconds without any answer after which one is gone
    """

    def __init__(
        self,
        monitor: SpareMonitor,
        knocks: Knocks,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monitor = monitor
        self._knocks = knocks
        self._patience = patience
        self._clock = clock
        # amphora_id -> when each knock was made since its last answer. One
        # that never answered is not in it: its port may be closed on the way.
        self._unanswered: dict[str, tuple[float, ...]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spare_knocks")

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for it."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self._clock()
            attempt("Knocking at amphorae", self.knock)
            left = INTERVAL_SECONDS - (self._clock() - began)
            self._stop.wait(max(0.0, left))
        self._knocks.close()

    def knock(self) -> None:
        """Knock at each once, and tell of those that do not answer."""
        targets = self._monitor.addresses()
        began = self._clock()
        answered: set[str] = set()
        if targets:
            answered = self._knocks.knock(targets, INTERVAL_SECONDS)
        for amphora_id in self._silent(targets, answered, began):
            self._monitor.did_not_answer(amphora_id)

    def _silent(
        self,
        targets: Mapping[str, IPAddress],
        answered: set[str],
        began: float,
    ) -> list[str]:
        """Return those that have not answered for too long: each once."""
        found: list[str] = []
        known: dict[str, tuple[float, ...]] = {}
        for amphora_id in targets:
            if amphora_id in answered:
                known[amphora_id] = ()
            elif amphora_id in self._unanswered:
                knocks = (*self._unanswered[amphora_id], began)
                if self._is_too_long(knocks):
                    found.append(amphora_id)
                else:
                    known[amphora_id] = knocks
        self._unanswered = known
        return found

    def _is_too_long(self, knocks: tuple[float, ...]) -> bool:
        waited = self._clock() - knocks[0]
        return len(knocks) >= _KNOCKS_MIN and waited >= self._patience
