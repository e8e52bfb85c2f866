# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bounds: how often something is made, and how long somebody waits for it.

Layer: controller.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from octavia_anycast.controller.engine.daemon import Clock, attempt

T = TypeVar("T")


class Kept(Generic[T]):
    """Makes something for all who ask, and keeps it for a while.

    One caller at a time makes it; those who ask meanwhile get the same.

    :param seconds: for how long it is kept
    """

    def __init__(
        self, make: Callable[[], T], seconds: float, clock: Clock
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: tuple[T, float] | None = None

    def get(self) -> T:
        """Return what is kept, or make it anew."""
        with self._guard:
            if self._kept is None or self._clock() >= self._kept[1]:
                made = self._make()
                self._kept = made, self._clock() + self._seconds
            return self._kept[0]


class Bounded(Generic[T]):
    """Reads something in a thread of its own, which may hang.

    Nobody waits for longer than the patience, and there is one such thread
    at a time: as long as it hangs, nobody waits at all.

    :param what: what is read, for the log
    :param patience: seconds
    """

    def __init__(
        self, what: str, read: Callable[[], T], patience: float
    ) -> None:
        self._what = what
        self._read = read
        self._patience = patience
        self._guard = threading.Lock()
        self._reading: _Reading[T] | None = None

    def get(self) -> T | None:
        """Read it; None: it did not work, or takes too long."""
        with self._guard:
            if self._reading is not None and not self._reading.is_over:
                return None
            self._reading = reading = _Reading(self._what, self._read)
        return reading.wait(self._patience)


class _Reading(Generic[T]):
    """One reading, in a thread that keeps no process from ending."""

    def __init__(self, what: str, read: Callable[[], T]) -> None:
        self._what = what
        self._read = read
        self._found: T | None = None
        self._over = threading.Event()
        threading.Thread(
            target=self._run, name="metrics-reading", daemon=True
        ).start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._over.is_set()

    def wait(self, seconds: float) -> T | None:
        """Wait for its end, but no longer; None: nothing was read."""
        self._over.wait(seconds)
        return self._found

    def _run(self) -> None:
        attempt(self._what, self._keep)
        self._over.set()

    def _keep(self) -> None:
        self._found = self._read()
