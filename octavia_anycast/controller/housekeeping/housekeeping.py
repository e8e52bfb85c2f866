# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Housekeeping: when which chore is due, and that one controller does it.

Any number of controllers, and operators with octavia-anycast-manage, may
want the same chore at the same time: its tooz lock lets one of them.

Layer: controller.
"""

import threading
from collections.abc import Callable
from enum import StrEnum

from oslo_log import log as logging

from octavia_anycast.controller.amphora.rotation import Locks, Rotation
from octavia_anycast.controller.housekeeping.purge import Purge
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.model.housekeeping import Outcome
from octavia_anycast.options import Settings

LOG = logging.getLogger(__name__)
# A certificate that could not be replaced is tried again after so long.
RETRY_SECONDS = 60.0
_UNDONE = (Outcome.BUSY, Outcome.FAILED, Outcome.SKIPPED)


class Chore(StrEnum):
    """What is to be done again and again."""

    PURGE = "purge"
    CERTIFICATES = "certificates"
    SWEEP = "sweep"


def lock_name(chore: Chore) -> str:
    """The name of the lock under which a chore is done."""
    return f"housekeeping-{chore}"


class Housekeeping:
    """The chores of one controller; safe for several threads."""

    def __init__(
        self,
        settings: Settings,
        locks: Locks,
        *,
        purge: Purge,
        rotation: Rotation,
        sweep: Sweep,
    ) -> None:
        self._locks = locks
        self._purge = purge
        self._rotation = rotation
        self._sweep = sweep
        self._intervals = {
            Chore.PURGE: settings.purge_interval,
            Chore.CERTIFICATES: settings.cert_interval,
            Chore.SWEEP: settings.sweep_interval,
        }
        self._due = dict.fromkeys(Chore, 0.0)
        self._running: set[Chore] = set()
        self._guard = threading.Lock()

    def take_due(self, now: float, owns: Callable[[str], bool]) -> list[Chore]:
        """Say which chores are due; each is then to be run once.

        :param now: seconds of a clock that only goes forward
        :param owns: whether this controller is to do what has this name
        """
        with self._guard:
            due = [
                chore
                for chore in Chore
                if self._due[chore] <= now and chore not in self._running
            ]
            for chore in due:
                self._due[chore] = now + self._intervals[chore]
            ours = [chore for chore in due if owns(lock_name(chore))]
            self._running.update(ours)
        return ours

    def run(self, chore: Chore, now: float) -> bool:
        """Do a chore that was taken; False if somebody else is at it.

        :raises AnycastError: it could not be done.
        """
        try:
            with self._locks.lock(lock_name(chore)) as is_held:
                if not is_held:
                    LOG.debug("Somebody else is at the %s.", chore)
                    return False
                self._work(chore, now)
            return True
        finally:
            with self._guard:
                self._running.discard(chore)

    def _work(self, chore: Chore, now: float) -> None:
        if chore is Chore.PURGE:
            self._purge.run()
        elif chore is Chore.SWEEP:
            self._sweep.run()
        elif any(line.outcome in _UNDONE for line in self._rotation.run()):
            with self._guard:
                soon = min(RETRY_SECONDS, self._intervals[chore])
                self._due[chore] = now + soon
