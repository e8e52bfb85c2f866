# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The heart: keeps our locks and our membership alive, and knows until when.

tooz has one, which does not tell whether it beat in time. A lock that ends
with a lease is surely ours only while each beat began before the last one's
time was over: so this is counted here, by a clock that no pause stops.

Layer: controller.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0
_SHARE = 3  # beats in the time of a lease
Clock = Callable[[], float]


def boot_time() -> float:
    """Seconds since the machine was booted, also those that it was asleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def reason_of(error: Exception) -> str:
    """Say what a coordination service said; etcd's text is in the cause."""
    found = str(error) or getattr(error.__cause__, "detail_text", "")
    return str(found or type(error).__name__)


class Leases:
    """Until when each lock is surely held; safe for several threads.

    :param seconds: of a lease; None: a lock is held until it is released
    """

    def __init__(self, seconds: float | None, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        # name -> since when it is known, and until when it is held
        self._held: dict[str, tuple[float, float]] = {}
        self._guard = threading.Lock()

    def now(self) -> float:
        """Seconds of the clock."""
        return self._clock()

    def begin(self, name: str, at: float) -> None:
        """A lock was taken.

        :param at: before it was asked for
        """
        seconds = float("inf") if self._seconds is None else self._seconds
        with self._guard:
            self._held[name] = self._clock(), at + seconds

    def end(self, name: str) -> None:
        """It is about to be released."""
        with self._guard:
            self._held.pop(name, None)

    def is_running(self, name: str) -> bool:
        """Whether its time is not over yet; False if it is not held."""
        with self._guard:
            held = self._held.get(name)
            return held is not None and self._clock() < held[1]

    def extend(self, at: float) -> None:
        """A beat came through.

        It was for the locks that were known by then; what was over by its
        beginning stays over.

        :param at: when the beat began
        """
        if self._seconds is None:
            return
        with self._guard:
            for name, (since, until) in self._held.items():
                if since <= at < until:
                    self._held[name] = since, at + self._seconds


class Heart:
    """A thread that beats until it is stopped.

    :param coordinator: of tooz
    """

    def __init__(self, coordinator: Any, leases: Leases) -> None:
        self._coordinator = coordinator
        self._leases = leases
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat, if this driver wants that."""
        if not self._coordinator.requires_beating:
            return
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._run, name="heart", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End it; a beat under way is waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = self._beat()

    def _beat(self) -> float:
        """Beat once; the seconds until the next one is due."""
        began = self._leases.now()
        try:
            period = float(self._coordinator.heartbeat())
        except Exception as e:  # noqa: BLE001 - the locks hang on this thread
            LOG.warning(
                "The coordination service takes no heartbeat: %s", reason_of(e)
            )
            return AGAIN_SECONDS
        self._leases.extend(began)
        took = self._leases.now() - began
        return max(0.0, period / _SHARE - took)
