# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What this process remembers; empty after a restart.

Of amphorae, of the heartbeats that came, and of datagrams that were refused:
anybody who reaches the port may send them, so memory and log are bounded, to
so many sources, a line a source and hour, so many lines a minute.

Layer: controller. Pure of I/O but for the log; safe for several threads.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.model.heartbeat import Heartbeat, Refusal

LOG = logging.getLogger(__name__)
SOURCES_MAX = 1024
_LINES_PER_MINUTE = 10
_AGAIN_AFTER = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


class AmphoraMemory:
    """Who answers the spare monitor, and which subnets agents were told.

    Each access to a dictionary is one step, so it needs no lock.
    """

    def __init__(self) -> None:
        # amphora_id -> whether nothing of it answers, not even its kernel.
        self._unreachable: dict[str, bool] = {}
        self._member_subnets: dict[str, tuple[str, ...]] = {}

    def answered(self, amphora_id: str) -> None:
        """It answers the spare monitor."""
        self._unreachable.pop(amphora_id, None)

    def did_not_answer(self, amphora_id: str, *, is_gone: bool) -> None:
        """It does not answer; ``is_gone``: nobody took the connection."""
        self._unreachable[amphora_id] = is_gone

    def watch_only(self, amphora_ids: Collection[str]) -> None:
        """Forget who answers among those that are not watched any more."""
        for amphora_id in set(self._unreachable) - set(amphora_ids):
            self._unreachable.pop(amphora_id, None)

    def is_unreachable(self, amphora_id: str) -> bool:
        """Whether it does not answer the spare monitor."""
        return amphora_id in self._unreachable

    def is_gone(self, amphora_id: str) -> bool:
        """Whether nothing of it answers the spare monitor."""
        return self._unreachable.get(amphora_id, False)

    def member_subnets(self, amphora_id: str) -> tuple[str, ...] | None:
        """The subnets of members that its agent was told about."""
        return self._member_subnets.get(amphora_id)

    def told_subnets(
        self, amphora_id: str, subnet_ids: tuple[str, ...]
    ) -> None:
        """Its agent was told about these subnets of members."""
        self._member_subnets[amphora_id] = subnet_ids

    def forget(self, amphora_id: str) -> None:
        """It is deleted."""
        self._member_subnets.pop(amphora_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the amphorae of a load balancer say.

    ``is_current``: all of it was made after the last push of each. The first
    heartbeat that arrives after a push may have been made before it; the
    second one was not.
    """

    beats: tuple[Heartbeat, ...] = ()
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class _Heard:
    """The latest heartbeat, and when it and the one before arrived."""

    at: datetime
    before: datetime | None
    beat: Heartbeat

    def is_second_since(self, moment: datetime | None) -> bool:
        return (
            moment is not None
            and self.before is not None
            and self.before > moment
        )


class HeartbeatStore:
    """The latest heartbeat of each amphora.

    :param stale_after: seconds after which one says nothing any more
    """

    def __init__(self, *, stale_after: float) -> None:
        self._stale_after = timedelta(seconds=stale_after)
        self._latest: dict[str, _Heard] = {}
        self._owner: dict[str, str] = {}
        self._applied: dict[str, datetime | None] = {}
        self._lock = threading.Lock()

    def put(self, heartbeat: Heartbeat, now: datetime) -> str | None:
        """Keep a heartbeat.

        :param now: when it arrived
        :returns: the load balancer to look at, if what it says is news, or
            if it is the first that is sure to be about its configuration
        """
        amphora_id = heartbeat.amphora_id
        with self._lock:
            before = self._latest.get(amphora_id)
            heard = _Heard(now, before.at if before else None, heartbeat)
            self._latest[amphora_id] = heard
            owner = self._owner.get(amphora_id)
            applied = self._applied.get(amphora_id)
        if before is None or before.beat.health() != heartbeat.health():
            return owner
        is_sure = heard.is_second_since(applied)
        return owner if is_sure > before.is_second_since(applied) else None

    def is_late(self, amphora_id: str, at: datetime, now: datetime) -> bool:
        """Whether a later heartbeat is known than one that arrived then.

        One of a time to come is of a clock that was set back since.
        """
        with self._lock:
            known = self._latest.get(amphora_id)
        return known is not None and at < known.at <= now

    def of(
        self,
        applied: Mapping[str, datetime | None],
        load_balancer_id: str,
        now: datetime,
    ) -> Told:
        """The heartbeats of these amphorae, without stale ones.

        :param applied: amphora_id -> when its configuration was last pushed;
            what it said before that is about another configuration
        """
        with self._lock:
            for amphora_id in applied:
                self._owner[amphora_id] = load_balancer_id
            self._applied.update(applied)
            fresh = [
                (self._latest[amphora_id], since)
                for amphora_id, since in sorted(applied.items())
                if since is not None and self._is_fresh(amphora_id, since, now)
            ]
        return Told(
            beats=tuple(heard.beat for heard, _ in fresh),
            is_current=all(
                heard.is_second_since(since) for heard, since in fresh
            ),
        )

    def again(
        self, amphora_ids: Iterable[str], now: datetime
    ) -> tuple[Heartbeat, ...]:
        """The heartbeats of these amphorae, as :meth:`of` was told of them."""
        with self._lock:
            return tuple(
                self._latest[amphora_id].beat
                for amphora_id in sorted(amphora_ids)
                if (since := self._applied.get(amphora_id)) is not None
                and self._is_fresh(amphora_id, since, now)
            )

    def prune(self, now: datetime) -> tuple[str, ...]:
        """Forget amphorae that were not heard of for long; return them."""
        limit = now - 10 * self._stale_after
        with self._lock:
            gone = tuple(i for i, x in self._latest.items() if x.at < limit)
            for amphora_id in gone:
                del self._latest[amphora_id]
                self._owner.pop(amphora_id, None)
                self._applied.pop(amphora_id, None)
        return gone

    def _is_fresh(
        self, amphora_id: str, since: datetime, now: datetime
    ) -> bool:
        found = self._latest.get(amphora_id)
        if found is None:
            return False
        return found.at > since and now - found.at < self._stale_after


@dataclass(slots=True)
class _Source:
    """What came from one address."""

    count: int
    why: Refusal
    last_at: datetime
    told_at: datetime | None = None
    told_why: Refusal | None = None


class LogLimit:
    """So many lines a minute; used under the lock of its owner."""

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._lines = 0

    def takes(self, now: datetime) -> bool:
        """Whether one more line may be written."""
        if self._minute is None or now - self._minute >= _MINUTE:
            self._minute, self._lines = now, 0
        self._lines += 1
        return self._lines <= _LINES_PER_MINUTE


class HeartbeatRefusals:
    """Counts refused datagrams by source.

    ``receiver_error``: why no heartbeats are received at all; empty: they are.
    ``listening_since``: since when this process has recorded each good one;
    None: it records none. ``first_at``: when it received the first of them.
    """

    def __init__(self) -> None:
        self.receiver_error = ""
        self.listening_since: datetime | None = None
        self.first_at: datetime | None = None
        self.total = 0
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._lock = threading.Lock()
        self._limit = LogLimit()

    def note(self, source: str, why: Refusal, now: datetime) -> None:
        """Count one; log it where it is news."""
        with self._lock:
            self.total += 1
            seen = self._sources.pop(source, None)
            if seen is None:
                seen = _Source(0, why, now)
                if len(self._sources) >= SOURCES_MAX:
                    self._sources.popitem(last=False)
            self._sources[source] = seen
            seen.count += 1
            seen.why, seen.last_at = why, now
            if not self._is_news(seen, now):
                return
            seen.told_at, seen.told_why = now, why
            count = seen.count
        LOG.warning(
            "Datagrams from %s are refused as heartbeats: %s. %d so far; the "
            "next line about this address is in an hour.",
            source,
            why,
            count,
        )

    def why(self, source: str, since: datetime) -> Refusal | None:
        """Why the last datagram from there was refused, if since then."""
        with self._lock:
            seen = self._sources.get(source)
            return seen.why if seen and seen.last_at >= since else None

    def counts(self) -> dict[str, int]:
        """Source -> refused datagrams, of the latest sources."""
        with self._lock:
            return {s: seen.count for s, seen in self._sources.items()}

    def _is_news(self, seen: _Source, now: datetime) -> bool:
        if (
            seen.told_at is not None
            and seen.told_why is seen.why
            and now - seen.told_at < _AGAIN_AFTER
        ):
            return False
        return self._limit.takes(now)
