# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The work queue: what is to be reconciled, when, and by whom.

One queue holds the work of one kind; the kinds differ in numbers only.

Layer: controller. No I/O, no clock: times are monotonic seconds given in.
"""

import heapq
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from octavia_anycast.model.errors import Retryable

IDLE_FACTOR = 1.3
FAILED_FACTOR = 2.0
STEAL_AFTER_SECONDS = 5.0
FAILED_MAX_SECONDS = 15.0
_PHASES = 1e6  # seconds; many times what one may rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the queue has to know of one kind of work; times are in seconds.

    ``noun`` names it in the log, and ``label`` in metrics; empty: the noun.
    ``lock_prefix``, and the key, is the name of the lock. ``threads`` work on
    it side by side. ``notice``: between two calls of ``pending()``, 0 for each
    poll. ``busy``: until the next look while something is under way, up to
    ``busy_max`` if nothing happens. ``resync``: until the next look at what is
    settled, more or less by the share ``spread``. ``failed``: after the first
    failure, twice as long after the next one, up to ``failed_max``.
    ``steal_after``: so long the owner of a key has before another controller
    takes it.
    """

    noun: str
    label: str = ""
    lock_prefix: str = ""
    threads: int = 1
    notice: float = 0.5
    busy: float = 0.9
    busy_max: float = 0.9
    resync: float
    spread: float = 0.1
    failed: float = 5.0
    failed_max: float = FAILED_MAX_SECONDS
    steal_after: float = STEAL_AFTER_SECONDS

    @property
    def metric_label(self) -> str:
        """Its name in metrics."""
        return (self.label or self.noun).replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a reconcile left a load balancer, a distributor or a chore.

    ``is_gone``: there is nothing left to reconcile. ``is_settled``: the
    next look may wait for the resync. ``did_something``: some action was
    carried out. ``retry_after_seconds``: not before that, after a failure.
    ``rest_seconds``: what is settled is looked at again after so long, if
    nobody wakes it meanwhile; 0: after the resync.
    """

    is_gone: bool = False
    is_settled: bool = False
    did_something: bool = False
    retry_after_seconds: float = 0.0
    rest_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What one queue has to do now.

    ``due``: how many keys wait for a thread; ``busy``: how many have one.
    ``oldest_seconds``: for how long the one that waits longest has waited.
    """

    due: int = 0
    busy: int = 0
    oldest_seconds: float = 0.0


class Reconciler(Protocol):
    """Brings each thing of one kind to what it should be."""

    @property
    def kind(self) -> Kind:
        """How it is queued."""

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """Key -> what changes with news of it; empty: it is at rest.

        :param wake: has a load balancer looked at now by its owner
        :raises AnycastError: the database does not answer.
        """

    def reconcile(self, key: str) -> Result:
        """Bring it as far as it gets without waiting, under its lock.

        :raises AnycastError: it could not even be observed.
        """


@runtime_checkable
class Prompt(Protocol):
    """A reconciler whose users' changes are seen at each poll."""

    def has_news(self) -> bool:
        """Whether ``pending()`` may say something else since the last call.

        One query at most: it is asked at each poll.

        :raises AnycastError: the database does not answer.
        """


@dataclass(slots=True)
class _Entry:
    due: float
    since: float  # from when on it waits
    version: str = ""
    is_ours: bool = True
    is_busy: bool = False
    is_woken: bool = False
    is_urgent: bool = False
    idle_looks: int = 0
    failures: int = 0
    # Those at rest have their turns at other times, whenever they began.
    phase: float = field(default_factory=lambda: random.uniform(0, _PHASES))


class WorkQueue:
    """Due times of all work of one kind; safe for several threads.

    :param owns: whether this controller is the one to look at a key first
    """

    def __init__(self, kind: Kind, owns: Callable[[str], bool]) -> None:
        self._kind = kind
        self._owns = owns
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def wake(self, key: str, now: float, *, is_urgent: bool = True) -> None:
        """Look at it now; if somebody is at it, once more afterwards.

        :param is_urgent: before those that only come round
        """
        with self._lock:
            entry = self._entries.setdefault(key, _Entry(now, now))
            was_urgent = entry.is_urgent
            _wake(entry, now)
            entry.is_urgent = is_urgent or was_urgent

    def see(self, pending: Mapping[str, str], now: float) -> None:
        """Take these keys and no others; those with news are due at once.

        A key at rest is kept by its owner only; their times are spread over
        the resync.
        """
        known = {
            key: version
            for key, version in pending.items()
            if version or self._owns(key)
        }
        with self._lock:
            for gone in self._entries.keys() - known.keys():
                if not self._entries[gone].is_busy:
                    del self._entries[gone]
            for key, version in known.items():
                self._see(key, version, now)

    def _see(self, key: str, version: str, now: float) -> None:
        entry = self._entries.get(key)
        if entry is None:
            due = now + random.uniform(0, self._kind.resync)
            entry = self._entries[key] = _Entry(due, due)
        was_ours, entry.is_ours = entry.is_ours, not version or self._owns(key)
        if version and version != entry.version:
            entry.since = now
            _wake(entry, now)
        elif version and entry.is_ours and not was_ours:
            # Its controller is away: it found the lock taken ever less often.
            _wake(entry, now)
        entry.version = version

    def take_due(self, now: float, limit: int) -> list[str]:
        """Return the keys that have been due longest, and mark them busy.

        Keys where something happens go before those that are only waiting.
        """
        with self._lock:
            due = heapq.nsmallest(
                limit,
                (
                    (not entry.is_urgent, entry.due, key)
                    for key, entry in self._entries.items()
                    if self._is_due(entry, now)
                ),
            )
            for *_, key in due:
                self._entries[key].is_busy = True
            return [key for *_, key in due]

    def _is_due(self, entry: _Entry, now: float) -> bool:
        """Whether it is due: another controller's key, if that one is late."""
        if entry.is_busy or entry.due > now:
            return False
        return entry.is_ours or now > entry.since + self._kind.steal_after

    def backlog(self, now: float) -> Backlog:
        """Count what is to be done now."""
        with self._lock:
            due = [
                now - self._due_at(entry)
                for entry in self._entries.values()
                if self._is_due(entry, now)
            ]
            busy = sum(entry.is_busy for entry in self._entries.values())
        return Backlog(
            due=len(due), busy=busy, oldest_seconds=max(due, default=0.0)
        )

    def _due_at(self, entry: _Entry) -> float:
        """Since when it is due here: another controller has its time."""
        if entry.is_ours:
            return entry.due
        return max(entry.due, entry.since + self._kind.steal_after)

    def done(self, key: str, now: float, result: Result) -> None:
        """Take the result, and set when the key is due again.

        The longer nothing happens, the less often it is looked at.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return
            entry.failures = 0
            if result.is_gone:
                del self._entries[key]
            else:
                self._postpone(entry, now, result)

    def failed(self, key: str, now: float, error: Exception) -> float:
        """Take a failure; return the seconds until the next try.

        They double with each failure in a row.
        """
        kind = self._kind
        first = kind.failed
        if isinstance(error, Retryable):
            first = error.after_seconds
        with self._lock:
            entry = self._entries.setdefault(key, _Entry(now, now))
            longer = FAILED_FACTOR ** min(entry.failures, 10)
            wait = min(first * longer, kind.failed_max)
            entry.failures += 1
            self._postpone(entry, now, Result(retry_after_seconds=wait))
            return entry.due - now

    def _postpone(self, entry: _Entry, now: float, result: Result) -> None:
        kind = self._kind
        entry.is_busy = False
        if entry.is_woken:
            entry.is_woken, entry.due = False, now
            return
        # One that only waits takes its turn: a thousand may.
        entry.is_urgent = result.did_something and not result.is_settled
        if result.is_settled:
            entry.idle_looks = 0
            share = random.uniform(1 - kind.spread, 1 + kind.spread)
            wait = kind.resync * share
            if result.rest_seconds > wait:
                wait += (entry.phase - now - wait) % result.rest_seconds
            entry.due = entry.since = now + wait
            return
        entry.idle_looks = 0 if result.did_something else entry.idle_looks + 1
        wait = min(kind.busy * IDLE_FACTOR**entry.idle_looks, kind.busy_max)
        entry.due = now + max(wait, result.retry_after_seconds)


def _wake(entry: _Entry, now: float) -> None:
    entry.due = min(entry.due, now)
    entry.is_woken = entry.is_busy
    entry.is_urgent = True
    entry.idle_looks = 0
