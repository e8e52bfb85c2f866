# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is told of events, for other services.

The controller tells a :class:`Notifier` after the transaction that stored
them, and does the same whatever becomes of that. :class:`QueuedNotifier` hands
it to a thread: a message bus that does not answer holds up no reconcile.

Layer: controller.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Protocol

from oslo_log import log as logging

from octavia_anycast.model.monitoring.event import Event

LOG = logging.getLogger(__name__)
QUEUE_MAX = 10_000
STOP_SECONDS = 2.0


class Change(StrEnum):
    """What was done to a load balancer, as Octavia's notifications say."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Notifier(Protocol):
    """Is told; never waits, and never raises."""

    def happened(self, events: Sequence[Event]) -> None:
        """These events were stored."""

    def changed(self, load_balancer_id: str, change: Change) -> None:
        """A request for a load balancer is carried out."""


class NoNotifier:
    """A notifier that forgets what it is told."""

    def happened(self, events: Sequence[Event]) -> None:
        """Forget it."""

    def changed(self, load_balancer_id: str, change: Change) -> None:
        """Forget it."""


NO_NOTIFIER = NoNotifier()


class Sender(Protocol):
    """Sends one notification; may wait for long, and may raise anything."""

    def event(self, event: Event) -> None: ...
    def change(self, load_balancer_id: str, change: Change) -> None: ...


class QueuedNotifier:
    """Has a thread of its own send what it is told, in order.

    While the bus does not answer, ``QUEUE_MAX`` notifications wait; more are
    dropped, and the log says so once until all that waits is sent. The events
    themselves are stored.
    """

    def __init__(self, sender: Sender, queue_max: int = QUEUE_MAX) -> None:
        self._sender = sender
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(
            queue_max
        )
        self._is_dropping = False
        self._thread = threading.Thread(
            target=self._run, name="notifications", daemon=True
        )

    def happened(self, events: Sequence[Event]) -> None:
        """Have each event sent."""
        for event in events:
            self._put(partial(self._sender.event, event))

    def changed(self, load_balancer_id: str, change: Change) -> None:
        """Have it sent."""
        self._put(partial(self._sender.change, load_balancer_id, change))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, as far as that takes no time."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(STOP_SECONDS)

    def _put(self, send: Callable[[], None]) -> None:
        if self._queue.empty():
            self._is_dropping = False
        try:
            self._queue.put_nowait(send)
        except queue.Full:
            if not self._is_dropping:
                LOG.warning(
                    "Notifications are dropped: %d wait for the message bus.",
                    self._queue.maxsize,
                )
            self._is_dropping = True

    def _run(self) -> None:
        is_failing = False
        while (send := self._queue.get()) is not None:
            try:
                send()
            except Exception as e:  # noqa: BLE001 - the next one may pass
                if not is_failing:
                    LOG.warning("A notification could not be sent: %s", e)
                is_failing = True
            else:
                is_failing = False
