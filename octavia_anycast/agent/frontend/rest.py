# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether a namespace and some files are still as they were found.

Layer: agent.
"""

import os
import time

from octavia_anycast.agent.frontend.changes import Changes, Table

# The kernel tells every change; this is for what nobody has thought of.
READ_AGAIN_SECONDS = 60.0
_Stamp = tuple[int, int, int] | None


class Rest:
    """Remembers that all was found as it is wanted; for one thread."""

    def __init__(self, namespace_path: str, files: tuple[str, ...]) -> None:
        self._namespace_path = namespace_path
        self._files = files
        self._changes: Changes | None = None
        self._inode = 0  # of the namespace of the changes
        self._found: tuple[object, tuple[_Stamp, ...]] | None = None
        self._found_at = 0.0

    def fileno(self) -> int | None:
        """What becomes readable when the kernel tells a change."""
        return None if self._changes is None else self._changes.fileno()

    def lasts(self, wanted: object) -> bool:
        """Whether this was found, and nothing has changed since.

        Call :meth:`follow` before all is looked at, :meth:`found` after.
        """
        if self._changes is None or self._inode != self._read_inode():
            self.close()
            return False
        try:
            is_changed = self._changes.take()
        except OSError:
            self.close()
            raise
        return (
            not is_changed
            and self._found == (wanted, self._stamps())
            and time.monotonic() - self._found_at < READ_AGAIN_SECONDS
        )

    def follow(self) -> None:
        """Be told of what changes from now on.

        :raises OSError: there is no such namespace.
        """
        self._found = None
        if self._changes is None:
            self._inode = self._read_inode()
            self._changes = Changes(Table, self._namespace_path)

    def found(self, wanted: object) -> None:
        """Note that all is as it is wanted."""
        self._found = wanted, self._stamps()
        self._found_at = time.monotonic()

    def close(self) -> None:
        """Be told of nothing any more."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _read_inode(self) -> int:
        try:
            return os.stat(self._namespace_path).st_ino
        except FileNotFoundError:
            return 0

    def _stamps(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: str) -> _Stamp:
    """One writing of a file; None if it is not there."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
