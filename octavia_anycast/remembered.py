# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What was made of a large object, for as long as that one is used.

By identity: to hash or compare a tuple of 10,000 VIPs takes as long as most
of what is made of it.

Of no layer: whoever computes may use it. Safe for several threads.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Remembered(Generic[S, T]):
    """Calls ``make`` once for each of the last ``limit`` sources.

    A source must never change, and is kept until others take its place: so
    no other object can have its identity meanwhile.
    """

    def __init__(self, make: Callable[[S], T], limit: int) -> None:
        self._make = make
        self._limit = limit
        # Replaced as a whole, so that no reader needs a lock.
        self._known: tuple[tuple[S, T], ...] = ()

    def __call__(self, source: S) -> T:
        """Return what was made of this very object, or make it."""
        known = self._known
        for index, (one, made) in enumerate(known):
            if one is source:
                if index:
                    rest = known[:index] + known[index + 1 :]
                    self._known = ((one, made), *rest)
                return made
        made = self._make(source)
        self._known = ((source, made), *known[: self._limit - 1])
        return made
