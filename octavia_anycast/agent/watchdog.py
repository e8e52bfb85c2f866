# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tells systemd's watchdog that a loop is running (sd_notify(3)).

Without systemd, as in tests, it does nothing.

Layer: agent.
"""

import os
import socket
import time
from contextlib import suppress

_PAUSE_SECONDS = 1.0


def tell(state: str) -> None:
    """Send one message to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        # The loop is not to wait for a manager that is slow.
        manager.setblocking(False)
        manager.sendto(state.encode(), address)


class Watchdog:
    """Tells that a loop is running, at most once a second."""

    def __init__(self) -> None:
        self._told = 0.0

    def ready(self) -> None:
        tell("READY=1")

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._told >= _PAUSE_SECONDS:
            self._told = now
            tell("WATCHDOG=1")
