# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What one amphora answers, and what bounds that.

Layer: agent.
"""

import time
from dataclasses import dataclass

ANSWER_SECONDS = 0.2
# A thousand members are 5 MB, and 7 MB as HAProxy says them.
ANSWER_MAX_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 65_536


class Unanswered(Exception):
    """An amphora did not answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Series of one amphora; ``read_at``: monotonic, at the earliest."""

    text: str
    read_at: float


class Deadline:
    """The end of a time; no step may take longer than what is left of it."""

    def __init__(self, seconds: float) -> None:
        self.began_at = time.monotonic()
        self._at = self.began_at + seconds

    def left(self) -> float:
        """Seconds left.

        :raises TimeoutError: none are.
        """
        seconds = self._at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds
