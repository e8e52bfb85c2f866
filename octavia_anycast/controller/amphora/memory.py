# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What this process remembers of amphorae; empty after a restart.

Layer: controller. No I/O.
"""

import threading
from collections.abc import Collection


class AmphoraMemory:
    """Who answers the spare monitor, and which subnets agents were told.

    Safe for several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # amphora_id -> whether nothing of it answers, not even its kernel.
        self._unreachable: dict[str, bool] = {}
        self._member_subnets: dict[str, tuple[str, ...]] = {}

    def answered(self, amphora_id: str) -> None:
        """It answers the spare monitor."""
        with self._lock:
            self._unreachable.pop(amphora_id, None)

    def did_not_answer(self, amphora_id: str, *, is_gone: bool) -> None:
        """It does not answer; ``is_gone``: nobody took the connection."""
        with self._lock:
            self._unreachable[amphora_id] = is_gone

    def watch_only(self, amphora_ids: Collection[str]) -> None:
        """Forget who answers among those that are not watched any more."""
        with self._lock:
            for amphora_id in self._unreachable.keys() - set(amphora_ids):
                del self._unreachable[amphora_id]

    def is_unreachable(self, amphora_id: str) -> bool:
        """Whether it does not answer the spare monitor."""
        with self._lock:
            return amphora_id in self._unreachable

    def is_gone(self, amphora_id: str) -> bool:
        """Whether nothing of it answers the spare monitor."""
        with self._lock:
            return self._unreachable.get(amphora_id, False)

    def member_subnets(self, amphora_id: str) -> tuple[str, ...] | None:
        """The subnets of members that its agent was told about."""
        with self._lock:
            return self._member_subnets.get(amphora_id)

    def told_subnets(
        self, amphora_id: str, subnet_ids: tuple[str, ...]
    ) -> None:
        """Its agent was told about these subnets of members."""
        with self._lock:
            self._member_subnets[amphora_id] = subnet_ids

    def forget(self, amphora_id: str) -> None:
        """It is deleted."""
        with self._lock:
            self._member_subnets.pop(amphora_id, None)
