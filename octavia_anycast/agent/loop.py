# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A thread that does one thing again and again, until it is closed.

Layer: agent.
"""

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress

LOG = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR_SECONDS = 0.2
_FAILED = "The thread %s failed and tries again"


class Loop:
    """Calls ``turn`` in a thread of its own.

    :param turn: returns after how many seconds it is called next; it is
        called at once after :meth:`wake`
    :param source: returns the descriptor that ends a pause when it becomes
        readable
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float],
        source: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._turn = turn
        self._source = source
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._is_closing = self._has_ended = False
        self._thread = threading.Thread(
            target=self._run, name=name, daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Have the next turn begin at once."""
        with self._lock:
            if not self._has_ended:  # else the number is another file's
                os.eventfd_write(self._woken, 1)

    def end(self) -> None:
        """End the thread after the turn under way; returns at once."""
        self._is_closing = True
        self.wake()

    def close(self) -> None:
        """End the thread after the turn under way, but wait 5 s at most."""
        self.end()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._is_closing:
            # The loop of a daemon: whatever happens, it goes on.
            try:
                pause = self._turn()
            except Exception:
                LOG.exception(_FAILED, self._thread.name)
                pause = _PAUSE_AFTER_ERROR_SECONDS
            try:
                self._wait(pause)
            except Exception:  # such as no descriptor left
                LOG.exception(_FAILED, self._thread.name)
                time.sleep(_PAUSE_AFTER_ERROR_SECONDS)
        with self._lock:
            self._has_ended = True
            os.close(self._woken)

    def _wait(self, seconds: float) -> None:
        source = self._source()
        # Not epoll, which would be made and filled for each pause.
        with selectors.PollSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            if source is not None:
                selector.register(source, selectors.EVENT_READ)
            selector.select(seconds)
        with suppress(BlockingIOError):
            os.eventfd_read(self._woken)
