# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Wait until a file is replaced (inotify(7)), without a look in between.

Layer: agent.
"""

import ctypes
import os
import struct

_CLOEXEC = os.O_CLOEXEC
_MOVED_TO = 0x80
_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_BUFFER_BYTES = 65_536


class FileWatch:
    """Tells when a file of this name is put into its folder.

    :raises OSError: the folder cannot be made or watched.
    """

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._name = name.encode()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(_CLOEXEC)
        if self._descriptor < 0:
            raise _last_error()
        if (
            libc.inotify_add_watch(
                self._descriptor, folder.encode(), _MOVED_TO
            )
            < 0
        ):
            raise _last_error()

    def wait(self) -> None:
        """Return when the file was replaced since the last call."""
        while not self._is_about_it(os.read(self._descriptor, _BUFFER_BYTES)):
            pass

    def _is_about_it(self, events: bytes) -> bool:
        offset = 0
        while offset < len(events):
            *_, length = _HEAD.unpack_from(events, offset)
            offset += _HEAD.size
            name = events[offset : offset + length].rstrip(b"\0")
            if name in (b"", self._name):  # none: events were lost
                return True
            offset += length
        return False

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
