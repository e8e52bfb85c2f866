# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is told what happens in this process, for its metrics.

The controller tells a :class:`Meter` and knows nothing of metrics. What it
does is the same with any of them.

Layer: controller.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.model.monitoring.event import Event


class Ending(StrEnum):
    """How a reconcile ended."""

    SETTLED = "settled"  # nothing is left to be done
    ACTED = "acted"  # something was carried out, and more may follow
    WAITING = "waiting"  # something is awaited, or was put off
    GONE = "gone"  # there is nothing left of it
    BUSY = "busy"  # another process works on it
    FAILED = "failed"  # a service did not do its part
    CRASHED = "crashed"  # a fault of the controller's own


class Boot(StrEnum):
    """What became of the boot of an amphora."""

    ORDERED = "ordered"  # the compute service took it
    REFUSED = "refused"  # the compute service said no
    UNORDERED = "unordered"  # the compute service could not be asked
    HELD = "held"  # the replacement limit was reached meanwhile
    FAILED = "failed"  # it was ordered, and given up


class Meter(Protocol):
    """Is told; is quick, and never raises."""

    def heartbeats_received(self, count: int) -> None:
        """So many heartbeats of our amphorae came."""

    def heartbeats_lost(self, count: int) -> None:
        """So many came and were not recorded."""

    def heartbeat_refused(self, why: Refusal) -> None:
        """A datagram came that is no heartbeat of our amphorae."""

    def reconciled(self, kind: str, ending: Ending, seconds: float) -> None:
        """One reconcile of this kind of work took so long."""

    def boot(self, what: Boot) -> None:
        """This became of a boot."""

    def happened(self, events: Sequence[Event]) -> None:
        """These events were stored."""


class NoMeter:
    """A meter that forgets what it is told."""

    def heartbeats_received(self, count: int) -> None:
        """Forget it."""

    def heartbeats_lost(self, count: int) -> None:
        """Forget it."""

    def heartbeat_refused(self, why: Refusal) -> None:
        """Forget it."""

    def reconciled(self, kind: str, ending: Ending, seconds: float) -> None:
        """Forget it."""

    def boot(self, what: Boot) -> None:
        """Forget it."""

    def happened(self, events: Sequence[Event]) -> None:
        """Forget them."""


NO_METER = NoMeter()
