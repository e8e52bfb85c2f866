# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The digest of the agent's report, in Octavia's heartbeats (ADR 0157).

Octavia's process sends what its ``build_stats_message`` makes, to one
controller after the other, and sleeps. Here the message bears the digest, and
a sleep ends when the digest changes. Then each controller gets a heartbeat at
once: the one that looks after the load balancer is among them.

Whoever does not know the key ``anycast`` of a heartbeat passes over it.

Layer: octavia_adapter.
"""

import mmap
import struct
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from octavia.amphorae.backends.health_daemon import health_daemon
from oslo_config import cfg

from octavia_anycast.model.heartbeat import DIGEST, OURS

# Between a heartbeat and the next one that tells of news, if the last one did
# not; each that does doubles it. A fabric that goes down and up has thousands
# of amphorae tell of it, so what flaps doubles their heartbeats at most.
GAP_SECONDS = 1.0
# The agent's loop comes round every two seconds while it has nothing to do.
ROUND_SECONDS_MAX = 6.0
_WAIT_SECONDS = 5.0
_ROUND = struct.Struct("d")

# (Known digest, seconds) -> the digest, once it is another one or the time is
# over; empty: it is not known.
AwaitNews = Callable[[str, float], str]
Clock = Callable[[], float]


class Rounds:
    """When the agent's loop came round last, told between its processes.

    Made before they part: the memory is theirs together.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._memory = mmap.mmap(-1, _ROUND.size)
        _ROUND.pack_into(self._memory, 0, float("-inf"))

    def note(self) -> None:
        """Note a round."""
        _ROUND.pack_into(self._memory, 0, self._clock())

    def are_regular(self) -> bool:
        """Whether there was one lately: the agent would answer."""
        (last,) = _ROUND.unpack_from(self._memory)
        return bool(self._clock() - last < ROUND_SECONDS_MAX)


class DigestSender:
    """What replaces two calls in the loop that sends heartbeats.

    :param build: makes a heartbeat, with the counts since the last one
    :param is_answering: whether the agent would answer; while it would not,
        a heartbeat bears no digest, and the controller asks
    :param count_controllers: how many get heartbeats in turn
    """

    def __init__(
        self,
        build: Callable[[], dict[str, Any]],
        await_news: AwaitNews,
        is_answering: Callable[[], bool],
        count_controllers: Callable[[], int],
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._build = build
        self._await_news = await_news
        self._is_answering = is_answering
        self._count_controllers = count_controllers
        self._clock = clock
        self._sleep = sleep
        self._sent = ""
        self._more = 0  # heartbeats that are to follow at once
        self._gap = GAP_SECONDS

    def build(self) -> dict[str, Any]:
        """Make a heartbeat that bears the digest of now."""
        message = self._build()
        self._sent = self._await_news("", 0.0) if self._is_answering() else ""
        if self._sent:
            message.setdefault(OURS, {})[DIGEST] = self._sent
        return message

    def wait(self, seconds: float) -> None:
        """Wait for the next heartbeat: so long, or until there is news."""
        if self._more:
            self._more -= 1
            return
        until = self._clock() + seconds
        self._sleep(min(self._gap, seconds))
        while (left := until - self._clock()) > 0:
            if self._has_news(min(left, _WAIT_SECONDS)):
                self._more = max(0, self._count_controllers() - 1)
                self._gap *= 2
                return
        self._gap = GAP_SECONDS

    def _has_news(self, seconds: float) -> bool:
        """Wait for news, for so long; False where nobody tells."""
        found = self._await_news(self._sent, seconds) if self._sent else ""
        if not found:
            self._sleep(min(seconds, GAP_SECONDS))
        return bool(found) and found != self._sent


def install(
    await_news: AwaitNews, is_answering: Callable[[], bool]
) -> DigestSender:
    """Have the heartbeats of this process and its children bear the digest."""
    sender = DigestSender(
        health_daemon.build_stats_message,
        await_news,
        is_answering,
        lambda: len(cfg.CONF.health_manager.controller_ip_port_list),
    )
    health_daemon.build_stats_message = sender.build
    # Its loop calls nothing else of this module.
    health_daemon.time = SimpleNamespace(sleep=sender.wait)
    return sender
