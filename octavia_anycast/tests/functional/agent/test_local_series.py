# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""An amphora's own series: what stands in HAProxy's place, asked for real."""

import socket
import threading
from contextlib import suppress

import pytest

from octavia_anycast.agent.tenant_metrics import exposition, local
from octavia_anycast.agent.tenant_metrics.answers import Unanswered
from octavia_anycast.agent.tenant_metrics.names import Translator
from octavia_anycast.octavia_adapter.amphora.prometheus_names import (
    octavia_metrics,
)

STARTED = "haproxy_process_start_time_seconds"


class Exporter:
    """Answers each connection with these bytes, and counts them."""

    def __init__(self):
        self.answer = b""
        self.closes = True
        self.asked = 0
        self.held = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.recv(4096)
            self.asked += 1
            with suppress(OSError):  # it says more than anybody reads
                connection.sendall(self.answer)
            if self.closes:
                connection.close()
            else:
                self.held.append(connection)

    def says(self, started, sessions):
        text = (
            f"# TYPE {STARTED} gauge\n{STARTED} {started}\n"
            "# TYPE haproxy_frontend_sessions_total counter\n"
            f'haproxy_frontend_sessions_total{{proxy="l"}} {sessions}\n'
        )
        self.answer = chunked(text.encode())

    def close(self):
        with suppress(OSError):  # it is closed already
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.held:
            connection.close()


def chunked(body, end=b"0\r\n\r\n"):
    """As HAProxy sends it."""
    return (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + f"{len(body):x}\r\n".encode()
        + body
        + b"\r\n"
        + end
    )


@pytest.fixture
def exporter():
    made = Exporter()
    yield made
    made.close()


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def series(exporter, clock):
    """HAProxy has all the time that a busy machine needs."""
    return local.LocalSeries(
        Translator(octavia_metrics()), exporter.address, clock, seconds=20.0
    )


def sessions(series):
    (value,) = (
        line.rpartition(" ")[2]
        for family in exposition.read(series.answer().text)
        for line in family.lines
        if line.startswith("octavia_listener_sessions_total{")
    )
    return int(value)


def test_what_haproxy_says_is_there_in_octavias_words(exporter, series):
    exporter.says(100, 7)
    text = series.answer().text
    assert 'octavia_listener_sessions_total{listener="l"} 7\n' in text
    assert "\noctavia_loadbalancer_cpu " in text
    assert "\noctavia_loadbalancer_memory " in text
    assert "haproxy" not in text


def test_haproxy_is_asked_seldom_and_only_when_somebody_asks(
    exporter, series, clock
):
    exporter.says(100, 7)
    assert exporter.asked == 0
    for _ in range(5):
        assert sessions(series) == 7
        clock.now += 0.04
    assert exporter.asked == 1
    read_at = series.answer().read_at
    exporter.says(100, 8)
    clock.now += 0.2
    assert sessions(series) == 8
    assert series.answer().read_at == clock.now > read_at


def test_a_reload_starts_at_zero_and_the_old_process_is_not_believed(
    exporter, series, clock
):
    exporter.says(100, 70)
    assert sessions(series) == 70
    exporter.says(200, 0)
    clock.now += 1
    assert sessions(series) == 0
    exporter.says(100, 71)  # its last connection
    clock.now += 1
    with pytest.raises(Unanswered, match="older process"):
        series.answer()
    exporter.says(200, 1)
    assert sessions(series) == 1


def test_a_clock_that_was_set_back_does_no_harm_for_long(
    exporter, series, clock
):
    exporter.says(200, 0)
    sessions(series)
    exporter.says(100, 3)
    clock.now += 11
    assert sessions(series) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        chunked(b"x 1\n", end=b""),
        chunked(b"x 1\n", end=b"5\r\nx"),
        chunked(b"\xff\n"),
        chunked(b"a" * (16 * 1024 * 1024 + 1)),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx 1\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nx 1\n",
    ],
)
def test_half_an_answer_is_none(exporter, series, answer):
    exporter.answer = answer
    with pytest.raises(Unanswered):
        series.answer()
    exporter.says(100, 7)
    assert sessions(series) == 7


def test_one_that_is_paused_is_not_waited_for(exporter, clock):
    series = local.LocalSeries(
        Translator(octavia_metrics()), exporter.address, clock
    )
    exporter.closes = False
    with pytest.raises(Unanswered, match="does not answer"):
        series.answer()


def test_one_that_is_not_there_is_said(exporter, series):
    exporter.close()
    with pytest.raises(Unanswered, match="cannot be asked"):
        series.answer()
