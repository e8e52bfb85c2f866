# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""This amphora's own series, from its own HAProxy, in Octavia's words.

Layer: agent. Safe for several threads.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable

import psutil

from octavia_anycast.agent.tenant_metrics import exposition, names
from octavia_anycast.agent.tenant_metrics.answers import (
    ANSWER_SECONDS,
    PIECE_BYTES,
    Answer,
    Deadline,
    Unanswered,
)

# Where HAProxy's exporter is in Octavia's template.
EXPORTER = ("127.0.0.1", 9101)
_EXPORTER_MAX_BYTES = 16 * 1024 * 1024
_PATH = "/metrics?scope=global&scope=frontend&scope=backend&scope=server"
# For so long an answer is given again. With what the cluster's may be old
# (see cluster) it is below a second: no scraper that asks once a second gets
# an older value after a newer one.
KEPT_SECONDS = 0.25
# After a reload, the old process may take a connection yet.
_RELOAD_SECONDS = 10.0


class LocalSeries:
    """Asks HAProxy when it is asked itself, and seldom more than that.

    :param exporter: host and port of HAProxy's exporter
    :param seconds: how long HAProxy may take
    """

    def __init__(
        self,
        translator: names.Translator,
        exporter: tuple[str, int] = EXPORTER,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._translator = translator
        self._seconds = seconds
        self._exporter = exporter
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Answer | None = None
        # Of the newest process that has answered, and when that was seen.
        self._started_at, self._seen_at = 0, 0.0

    def answer(self) -> Answer:
        """Return the series of now, or of a moment ago.

        :raises Unanswered: HAProxy does not answer in time.
        """
        deadline = Deadline(self._seconds)
        if not self._lock.acquire(timeout=self._seconds):
            raise Unanswered("HAProxy's exporter does not answer")
        try:
            now = self._clock()
            kept = self._kept
            if kept is None or now - kept.read_at > KEPT_SECONDS:
                self._kept = kept = self._ask(now, deadline)
            return kept
        finally:
            self._lock.release()

    def _ask(self, now: float, deadline: Deadline) -> Answer:
        text = self._checked(exporter_text(self._exporter, deadline), now)
        own = exposition.written((*machine_families(),)).decode()
        return Answer(own + self._translator.translated(text), now)

    def _checked(self, text: str, now: float) -> str:
        """Refuse what an older process says after a newer one has answered.

        Its counters are other ones: between two answers of the newer one they
        would look like a jump there and back.
        """
        started = names.started_at(text) or 0
        if started < self._started_at and (
            now - self._seen_at < _RELOAD_SECONDS
        ):
            raise Unanswered("an older process of HAProxy answered")
        if started != self._started_at:
            self._started_at, self._seen_at = started, now
        return text


def exporter_text(exporter: tuple[str, int], deadline: Deadline) -> str:
    """Ask HAProxy's exporter.

    :raises Unanswered: it does not answer in time, or not as it should.
    """
    connection = http.client.HTTPConnection(*exporter)
    try:
        connection.timeout = deadline.left()
        connection.request("GET", _PATH)
        return _read(connection, deadline)
    except TimeoutError:
        raise Unanswered("HAProxy's exporter does not answer") from None
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as e:
        raise Unanswered(f"HAProxy's exporter cannot be asked: {e}") from e
    finally:
        connection.close()


def _read(connection: http.client.HTTPConnection, deadline: Deadline) -> str:
    plain = connection.sock  # the connection lets go of it
    plain.settimeout(deadline.left())
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise Unanswered(f"HAProxy's exporter says {response.status}")
    body = bytearray()
    while piece := response.read1(PIECE_BYTES):
        body += piece
        if len(body) > _EXPORTER_MAX_BYTES:
            raise Unanswered("HAProxy says more than 16 MiB")
        plain.settimeout(deadline.left())
    # Half an answer in chunks is an error by itself.
    if not response.chunked and response.length != 0:
        raise Unanswered("the answer of HAProxy's exporter is not whole")
    return body.decode()


def machine_families() -> tuple[exposition.Family, ...]:
    """Processor and memory of the amphora, as Octavia's proxy says them."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1) * 100
    return (
        _percentage("cpu", "CPU", load),
        _percentage("memory", "memory", psutil.virtual_memory().percent),
    )


def _percentage(name: str, noun: str, value: float) -> exposition.Family:
    name = f"octavia_loadbalancer_{name}"
    return exposition.Family(
        name=name,
        kind="gauge",
        help=f"Load balancer {noun} utilization (percentage).",
        lines=[f"{name} {value:.1f}"],
    )
