# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One line for each step of something long, with the time it took.

Steps may run side by side: a line is printed, whole, when its step ends.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO


class Progress:
    """Prints ``elapsed  step  duration``; elapsed counts from creation."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        """Say something that is not a step."""
        self._print(f"{self.elapsed_seconds:7.1f} s    {text}")

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step; a failure is a line too, and goes on upwards."""
        began = time.monotonic()
        try:
            yield
        except BaseException as error:
            self._done("FAILED", name, began)
            first = str(error).partition("\n")[0]
            self.note(f"{type(error).__name__}: {first}")
            raise
        self._done("ok", name, began)

    def _done(self, verdict: str, name: str, began: float) -> None:
        took = time.monotonic() - began
        elapsed = f"{self.elapsed_seconds:7.1f} s"
        self._print(f"{elapsed}  {verdict:<6} {name} ({took:.1f} s)")

    def _print(self, line: str) -> None:
        with self._lock:
            print(line, file=self._stream, flush=True)
