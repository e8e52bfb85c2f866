# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Run one program for ever, as systemd does where there is one.

``python -m octavia_anycast_lab.host.supervise COMMAND...``: a program that
ends is started again; SIGTERM ends both. The program dies with its
supervisor, even if that is killed.
"""

import ctypes
import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 10.0
_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_LONGEST_SECONDS = 8.0
_HEALTHY_SECONDS = 10.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Stopped(Exception):
    """SIGTERM arrived."""


def main() -> None:
    """Supervise the command line's program."""
    signal.signal(signal.SIGTERM, _raise_stopped)
    pause = _PAUSE_FIRST_SECONDS
    child: subprocess.Popen[bytes] | None = None
    try:
        while True:
            began = time.monotonic()
            child = subprocess.Popen(
                sys.argv[1:], preexec_fn=_die_with(os.getpid())
            )
            code = child.wait()
            _say(f"ended with {code}")
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = _PAUSE_FIRST_SECONDS
            time.sleep(pause)
            pause = min(pause * 2, _PAUSE_LONGEST_SECONDS)
    except _Stopped:
        if child is not None:
            _stop(child)


def _die_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _raise_stopped(*_: object) -> None:
    raise _Stopped


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _say(text: str) -> None:
    now = datetime.datetime.now().isoformat(timespec="milliseconds")
    sys.stderr.write(f"{now} supervisor: {sys.argv[1]} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
