# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether the kernel's tables have changed since the last look, by netlink.

The kernel tells each change of what one subscribes to (rtnetlink(7)). To ask
for that costs one system call; to read the tables costs a hundred times more
where a machine is emulated.

Layer: agent.
"""

import errno
import socket
from collections.abc import Iterable
from enum import IntEnum

from octavia_anycast.agent.frontend import netns

_NETLINK_ROUTE = 0
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_CHUNK = 65_536


class Table(IntEnum):
    """What one can subscribe to: the groups of rtnetlink."""

    LINKS = 1
    IPV4_ADDRESSES = 5
    IPV4_ROUTES = 7
    IPV4_RULES = 8
    IPV6_ADDRESSES = 9
    IPV6_ROUTES = 11
    IPV6_RULES = 19


class Changes:
    """What changes in one network namespace from now on; for one thread.

    :raises OSError: the namespace is not there, or the kernel refuses.
    """

    def __init__(
        self, tables: Iterable[Table], namespace_path: str | None = None
    ) -> None:
        # A socket stays in the namespace in which it was opened.
        self._socket = (
            _open()
            if namespace_path is None
            else netns.call_in(namespace_path, _open)
        )
        for table in tables:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, table)

    def fileno(self) -> int:
        """For a selector: readable once there is a change."""
        return self._socket.fileno()

    def take(self) -> bool:
        """Whether there is a change since the last time it was asked."""
        is_changed = False
        while True:
            try:
                self._socket.recv(_CHUNK)
            except BlockingIOError:
                return is_changed
            except OSError as e:
                if e.errno != errno.ENOBUFS:  # some are lost: there were some
                    raise
            is_changed = True

    def close(self) -> None:
        """Subscribe to nothing any more."""
        self._socket.close()


def _open() -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
    link.setblocking(False)
    link.bind((0, 0))
    return link
