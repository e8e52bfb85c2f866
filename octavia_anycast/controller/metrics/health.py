# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The checks of ``/healthz``: whether this controller can do its work.

Layer: controller.
"""

from collections.abc import Mapping
from typing import Protocol

from octavia_anycast.controller.metrics.kept import Bounded
from octavia_anycast.db.engine import Database
from octavia_anycast.db.monitoring import totals

PATIENCE_SECONDS = 2.0
# A round of the main loop asks the database, and takes as long as that does.
IDLE_MAX_SECONDS = 30.0


class Coordinated(Protocol):
    """How this controller stands with the others."""

    @property
    def is_answering(self) -> bool:
        """Whether the coordination service answered the last time."""


class Rounds(Protocol):
    """The main loop."""

    def idle_seconds(self) -> float:
        """For how long it has not come round."""


class Troubled(Protocol):
    """A thread of the controller."""

    def trouble(self) -> str:
        """Say what is wrong with it; empty: nothing."""


class Health:
    """Looks at everything that the controller needs.

    :param patience: seconds that a look waits for the database
    """

    def __init__(
        self,
        *,
        database: Database,
        coordination: Coordinated,
        daemon: Rounds,
        receiver: Troubled,
        spare_monitor: Troubled,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._coordination = coordination
        self._daemon = daemon
        self._receiver = receiver
        self._spare_monitor = spare_monitor
        self._pinged = Bounded(
            "Asking the database whether it is there", self._ping, patience
        )

    def troubles(self) -> Mapping[str, str]:
        """Check -> what is wrong, as a sentence; empty: nothing."""
        return {
            "database": self._database_trouble(),
            "coordination": self._coordination_trouble(),
            "heartbeats": self._receiver.trouble(),
            "engine": self._engine_trouble(),
            "spare_monitor": self._spare_monitor.trouble(),
        }

    def _ping(self) -> bool:
        with self._database.transaction() as session:
            totals.ping(session)
        return True

    def _database_trouble(self) -> str:
        if self._pinged.get():
            return ""
        return "the database does not answer (connection); the log says why"

    def _coordination_trouble(self) -> str:
        if self._coordination.is_answering:
            return ""
        return (
            "the coordination service cannot be asked (coordination_url); "
            "the log says why"
        )

    def _engine_trouble(self) -> str:
        idle = self._daemon.idle_seconds()
        if idle <= IDLE_MAX_SECONDS:
            return ""
        return f"the main loop has not come round for {idle:.0f} s"
