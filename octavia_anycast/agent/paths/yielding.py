# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The first step of a drain: routers further off leave before its own.

A router that is told GRACEFUL_SHUTDOWN of its last own path sends the VIP's
packets back to the fabric at once, and the fabric may still send them to it: a
loop, for as long as the routers differ. ORIGIN comes after the length of the
AS path in the choice of a route (RFC 4271, 9.1.2.2). So a path with the ORIGIN
INCOMPLETE is worse than those of the same length, which the fabric has from
other racks, and better than the same ones one hop further off, which its own
router has (ADR 0169).

Layer: agent. Pure but for what it remembers; the caller has the clock.
"""

from dataclasses import replace

from octavia_anycast.agent.speakers.base import Path

# So long the fabric may take to choose other paths.
YIELD_SECONDS = 1.0


class Yielding:
    """Has paths yield for a while that were plain and are to drain now."""

    def __init__(self) -> None:
        self._plain: frozenset[Path] = frozenset()
        self._until: dict[Path, float] = {}

    def step(
        self, paths: frozenset[Path] | None, now: float
    ) -> frozenset[Path] | None:
        """Return the paths as they are to be announced now.

        :param paths: all paths that are wanted; None: nothing was said yet
        """
        if paths is None:
            return None
        plain = frozenset(path for path in paths if not path.is_draining)
        for path in paths - plain:
            if replace(path, is_draining=False) in self._plain:
                self._until[path] = now + YIELD_SECONDS
        self._until = {
            path: until
            for path, until in self._until.items()
            if path in paths and until > now
        }
        self._plain = plain
        yielding = frozenset(self._until)
        return (paths - yielding) | {
            replace(path, is_draining=False, is_yielding=True)
            for path in yielding
        }

    def is_due(self, now: float) -> bool:
        """Whether a path has yielded long enough."""
        return any(until <= now for until in self._until.values())
