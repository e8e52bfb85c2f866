# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers at rest, whose amphorae say in heartbeats that all is as was.

A heartbeat bears the digest of what its agent would report. While each amphora
of a load balancer says the digest of the last look, nobody is asked; the first
one that says another one, or none, or nothing in time, ends the rest (ADR
0157). It is empty after a restart, so that each is looked at once.

Layer: controller. Pure; safe for several threads.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from octavia_anycast.model.heartbeat import Heartbeat

# A heartbeat may be late by a share of the interval, and be lost on the way
# once: then its agent is asked, which costs one look.
LATE_FACTOR = 1.3
LATE_SECONDS = 1.0


@dataclass(slots=True)
class _Rest:
    """``digests``: amphora_id -> what it said at the look."""

    digests: Mapping[str, str]
    until: datetime


@dataclass(slots=True)
class _Said:
    """The digest in the last heartbeat, when it came, and for whom it is."""

    digest: str
    at: datetime
    gaps: deque[timedelta]  # between its last heartbeats
    load_balancer_id: str = ""
    confirmed_at: datetime | None = None


@dataclass(slots=True)
class Heard:
    """What follows from heartbeats.

    ``ended``: load balancers to be looked at. ``confirmed``: amphorae whose
    stored report is what they would say now, and that was not noted lately.
    """

    ended: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)


class AtRest:
    """Who is at rest, and what each amphora said last.

    Of several controllers an amphora tells one after the other, and who is
    told hands it on (ADR 0162). Where that does not work, because one is down
    or a network lets nothing through, the longest of its last gaps says what
    to expect: a death is noticed as soon as what comes allows.

    :param interval: seconds between two heartbeats of an amphora
    :param controllers: how many it tells in turn
    :param confirm: seconds after which a report is confirmed again; less than
        none: with each heartbeat
    """

    def __init__(
        self,
        *,
        interval: float = 3.0,
        confirm: float = 9.0,
        controllers: int = 1,
    ) -> None:
        self._interval = timedelta(seconds=interval)
        self._controllers = controllers
        self._confirm = timedelta(seconds=confirm)
        self._said: dict[str, _Said] = {}
        self._rests: dict[str, _Rest] = {}
        self._lock = threading.Lock()

    def hear(self, beats: Iterable[tuple[Heartbeat, datetime]]) -> Heard:
        """Take heartbeats, each with the time when it arrived."""
        heard = Heard()
        with self._lock:
            for beat, at in beats:
                self._hear(beat, at, heard)
        return heard

    def _hear(self, beat: Heartbeat, at: datetime, heard: Heard) -> None:
        amphora_id, digest = beat.amphora_id, beat.report_digest
        said = self._said.get(amphora_id)
        if said is None:
            gaps = deque([self._longest], self._controllers)
            self._said[amphora_id] = _Said(digest, at, gaps)
            return
        # What is told of news comes between two, and makes none shorter.
        if at - said.at > self._interval / 2:
            said.gaps.append(min(at - said.at, self._longest))
        said.digest, said.at = digest, at
        rest = self._rests.get(said.load_balancer_id)
        if rest is None:
            return
        if rest.digests.get(amphora_id) != digest:
            del self._rests[said.load_balancer_id]
            heard.ended.add(said.load_balancer_id)
        elif (
            said.confirmed_at is None
            or at - said.confirmed_at >= self._confirm
        ):
            said.confirmed_at = at
            heard.confirmed.add(amphora_id)

    def begin(
        self,
        load_balancer_id: str,
        digests: Mapping[str, str],
        now: datetime,
        seconds: float,
    ) -> bool:
        """Let a load balancer rest, if its amphorae say what was seen.

        :param digests: amphora_id -> digest of its report at the look of now
        :param seconds: for how long at most
        :returns: whether it rests
        """
        with self._lock:
            self._rests.pop(load_balancer_id, None)
            for amphora_id, digest in digests.items():
                said = self._said.get(amphora_id)
                if (
                    said is None
                    or said.digest != digest
                    or self._is_late(said, now)
                ):
                    return False
            for amphora_id in digests:
                said = self._said[amphora_id]
                said.load_balancer_id = load_balancer_id
                # By the next heartbeat: it may be older than this look.
                said.confirmed_at = None
            self._rests[load_balancer_id] = _Rest(
                dict(digests), now + timedelta(seconds=seconds)
            )
        return True

    def end(self, load_balancer_id: str) -> None:
        """It does not rest, or is gone."""
        with self._lock:
            self._rests.pop(load_balancer_id, None)

    def overdue(self, now: datetime) -> set[str]:
        """End the rest of those of whom a heartbeat is missing; return them.

        The rest of one whose time is over ends, too: somebody else looks
        after it now.
        """
        with self._lock:
            found = {
                i
                for i, rest in self._rests.items()
                if self._is_over(rest, now)
            }
            for load_balancer_id in found:
                del self._rests[load_balancer_id]
        return found

    def _is_over(self, rest: _Rest, now: datetime) -> bool:
        return now > rest.until or any(
            self._is_late(self._said[amphora_id], now)
            for amphora_id in rest.digests
        )

    def _is_late(self, said: _Said, now: datetime) -> bool:
        gap = max(self._interval, *said.gaps)
        limit = LATE_FACTOR * gap + timedelta(seconds=LATE_SECONDS)
        return now - said.at > limit

    @property
    def _longest(self) -> timedelta:
        """Between two, if nobody hands on."""
        return self._controllers * self._interval

    def among(self, load_balancer_ids: Iterable[str]) -> set[str]:
        """Return those of these that are at rest."""
        with self._lock:
            return self._rests.keys() & set(load_balancer_ids)

    def amphorae(self) -> dict[str, tuple[str, ...]]:
        """load_balancer_id -> its amphorae, of all at rest."""
        with self._lock:
            return {i: tuple(rest.digests) for i, rest in self._rests.items()}

    def forget(self, amphora_ids: Iterable[str]) -> None:
        """Forget amphorae that were not heard of for long."""
        with self._lock:
            for amphora_id in amphora_ids:
                said = self._said.pop(amphora_id, None)
                if said is not None:
                    self._rests.pop(said.load_balancer_id, None)
