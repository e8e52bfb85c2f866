# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Enter a network namespace with one thread (setns(2)).

Written out rather than by pyroute2, whose import takes longer than the whole
agent's (see :mod:`.netlink`).
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_T = TypeVar("_T")


def enter(path: str) -> None:
    """Move the calling thread, and no other, into a namespace.

    :raises OSError: no such namespace, or no right to enter it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def call_in(path: str, function: Callable[[], _T]) -> _T:
    """Call a function in a namespace; the calling thread stays where it is.

    A socket that the function opens belongs to that namespace for good.

    :raises OSError: as ``enter`` and the function do.
    """

    def run() -> _T:
        enter(path)
        return function()

    # The namespace is this one thread's, and ends with it.
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(run).result()


def read_in(path: str, file_path: str) -> str:
    """Read a file as it is in a namespace, such as one below ``/proc``.

    :raises OSError: no such namespace, no such file.
    """

    def read() -> str:
        with open(file_path, encoding="utf-8") as stream:
            return stream.read()

    return call_in(path, read)
