# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The series of the whole cluster, asked for when a tenant asks.

Layer: agent. Safe for several threads.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from octavia_anycast.agent.tenant_metrics import exposition
from octavia_anycast.agent.tenant_metrics.answers import Answer, Unanswered
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.model.wire import MetricsMember

LOG = logging.getLogger(__name__)

ANSWERED = "octavia_amphora_answered"
AGE = "octavia_amphora_answer_age_seconds"
_HELP = {
    ANSWERED: (
        "Whether the amphora answered within 200 ms (1) or did not (0). "
        "Of one that did not there is no other series."
    ),
    AGE: "How long ago the series of the amphora were read.",
}
# So many amphorae are asked at a time.
_ASKED_AT_ONCE = 32
# For so long an answer is given again, from when its collection began.
KEPT_SECONDS = 0.5
# Of all amphorae together, as they send it.
TOTAL_MAX_BYTES = 48 * 1024 * 1024
# Answers that are on their way to readers, slow ones perhaps.
HELD_MAX_BYTES = 64 * 1024 * 1024


class Busy(Exception):
    """Slow readers hold as many answers as there is memory for."""


class Snapshot:
    """An answer, shared by all who get it. It counts while anybody has it."""

    __slots__ = ("__weakref__", "began_at", "body", "ended_at")

    def __init__(self, body: bytes, began_at: float, ended_at: float) -> None:
        self.body = body
        self.began_at, self.ended_at = began_at, ended_at

    def is_for(self, asked_at: float) -> bool:
        """Whether it is what somebody gets who asked at this time.

        Who asked while it was collected gets it, however long that took:
        else each of a thousand would have it collected again.
        """
        return (
            asked_at <= self.ended_at
            or asked_at - self.began_at <= KEPT_SECONDS
        )


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of one amphora; ``answer`` None: nothing, for a reason."""

    amphora_id: str
    zone: str
    answer: Answer | None = None
    reason: str = ""


class ClusterSeries:
    """Asks every amphora of the cluster, and puts the answers together.

    :param own: answers for this amphora
    :param ask: asks another one; both raise Unanswered
    """

    def __init__(
        self,
        own: Callable[[], Answer],
        ask: Callable[[Told, MetricsMember], Answer],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own, self._ask, self._clock = own, ask, clock
        self._lock = threading.Lock()
        self._told: Told | None = None
        self._kept: Snapshot | None = None
        self._held: weakref.WeakSet[Snapshot] = weakref.WeakSet()
        self._silent: frozenset[str] = frozenset()
        self._pool = ThreadPoolExecutor(_ASKED_AT_ONCE, "ask")

    def tell(self, told: Told | None) -> None:
        """Tell who is in the cluster; it is asked from the next time on."""
        with self._lock:
            self._told, self._kept = told, None

    def answer(self) -> Snapshot | None:
        """Return the cluster's series; None: nothing was told yet.

        Who comes while they are collected waits, and gets the same.

        :raises Busy: come back later.
        """
        asked_at = self._clock()
        with self._lock:
            if self._told is None:
                return None
            if self._kept is None or not self._kept.is_for(asked_at):
                self._kept = None
                if sum(len(s.body) for s in self._held) > HELD_MAX_BYTES:
                    raise Busy
                self._kept = self._collected(self._told)
                self._held.add(self._kept)
            return self._kept

    def _collected(self, told: Told) -> Snapshot:
        began_at = self._clock()
        collected, families = read(self._collect(told))
        self._note(collected)
        about = _about(collected, self._clock())
        body = exposition.written((*about, *families))
        return Snapshot(body, began_at, self._clock())

    def _collect(self, told: Told) -> list[Collected]:
        asked = {
            told.amphora_id: (told.zone, self._pool.submit(self._own)),
            **{
                m.id: (m.zone, self._pool.submit(self._ask, told, m))
                for m in told.others
            },
        }
        found = []
        for amphora_id, (zone, future) in sorted(asked.items()):
            try:
                found.append(Collected(amphora_id, zone, future.result()))
            except Unanswered as e:
                found.append(Collected(amphora_id, zone, reason=str(e)))
        return found

    def _note(self, collected: list[Collected]) -> None:
        """Log each amphora that begins, or ceases, not to answer."""
        for one in collected:
            if one.reason and one.amphora_id not in self._silent:
                LOG.info(
                    "Amphora %s does not answer for its metrics: %s",
                    one.amphora_id,
                    one.reason,
                )
            elif not one.reason and one.amphora_id in self._silent:
                LOG.info(
                    "Amphora %s answers for its metrics again.",
                    one.amphora_id,
                )
        self._silent = frozenset(c.amphora_id for c in collected if c.reason)


def read(
    collected: list[Collected],
) -> tuple[list[Collected], list[exposition.Family]]:
    """Read the answers, and say which are none after all."""
    seen, readable, room = [], [], TOTAL_MAX_BYTES
    for one in collected:
        if one.answer is not None:
            labels = {"amphora": one.amphora_id, "zone": one.zone}
            room -= len(one.answer.text)
            try:
                if room < 0:
                    raise exposition.Malformed("the answers are too long")
                readable.append(exposition.read(one.answer.text, labels))
            except exposition.Malformed as e:
                one = replace(one, answer=None, reason=str(e))
        seen.append(one)
    return seen, exposition.merged(readable)


def _about(
    collected: list[Collected], now: float
) -> tuple[exposition.Family, ...]:
    """The families that say who has answered, and how old that is."""
    answered = exposition.Family(ANSWERED, "gauge", _HELP[ANSWERED])
    age = exposition.Family(AGE, "gauge", _HELP[AGE])
    for one in collected:
        labels = (
            f"{{amphora={exposition.quoted(one.amphora_id)},"
            f"zone={exposition.quoted(one.zone)}}}"
        )
        answered.lines.append(f"{ANSWERED}{labels} {int(not one.reason)}")
        if one.answer is not None:
            seconds = max(now - one.answer.read_at, 0.0)
            age.lines.append(f"{AGE}{labels} {seconds:.3f}")
    return answered, age
