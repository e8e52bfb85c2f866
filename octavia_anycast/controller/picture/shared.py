# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Documents that many readers share: how often one is made, who waits.

Layer: controller.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from octavia_anycast.controller.engine.daemon import Clock

T = TypeVar("T")

KEPT_SECONDS = (1.0, 10.0)
# Making documents takes so small a part of the time at most.
PART = 1 / 5
WAIT_SECONDS = 2.0


class Busy(Exception):
    """Others are served first; ask again."""


class Turn:
    """Who makes a document now: one, and one more waits for it.

    So the other threads of the server are free for what is quick.
    """

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._waiting = threading.Lock()

    def take(self, *, waits: bool) -> bool:
        """Take the turn, perhaps after a while; False: somebody has it."""
        if self._taken.acquire(blocking=False):
            return True
        if not waits or not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._taken.acquire(timeout=WAIT_SECONDS)
        finally:
            self._waiting.release()

    def give_back(self) -> None:
        """Let the next one have it."""
        self._taken.release()


class Shared(Generic[T]):
    """Makes documents by key and keeps the latest of them.

    Who asks while one is made gets the one before. A document is kept for a
    second, or longer if it took long to make: so readers cannot load this
    process or the database, however many there are.

    :param make: makes the document of a key
    :param count_max: how many documents are kept
    :param turn: of all documents that are made one at a time
    """

    def __init__(
        self,
        make: Callable[[str], T],
        count_max: int,
        turn: Turn,
        clock: Clock,
    ) -> None:
        self._make = make
        self._count_max = count_max
        self._turn = turn
        self._clock = clock
        self._guard = threading.Lock()
        # key -> document, and until when it is fresh
        self._kept: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, key: str) -> T:
        """The document of a key.

        :raises Busy: there is none yet, and others are being made.
        """
        before = self._found(key)
        if before is not None and self._is_fresh(before):
            return before[0]
        if not self._turn.take(waits=before is None):
            if before is None:
                raise Busy
            return before[0]
        try:
            now = self._found(key)
            if now is not None and self._is_fresh(now):
                return now[0]
            return self._made(key)
        finally:
            self._turn.give_back()

    def _found(self, key: str) -> tuple[T, float] | None:
        with self._guard:
            return self._kept.get(key)

    def _is_fresh(self, kept: tuple[T, float]) -> bool:
        return self._clock() < kept[1]

    def _made(self, key: str) -> T:
        began = self._clock()
        made = self._make(key)
        now = self._clock()
        shortest, longest = KEPT_SECONDS
        seconds = min(longest, max(shortest, (now - began) / PART))
        with self._guard:
            self._kept[key] = made, now + seconds
            self._kept.move_to_end(key)
            while len(self._kept) > self._count_max:
                self._kept.popitem(last=False)
        return made
