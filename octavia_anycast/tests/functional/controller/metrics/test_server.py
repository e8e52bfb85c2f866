# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Over a real socket: bad requests, slow readers, a port that is taken."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection

import pytest

from octavia_anycast.controller.metrics import server as server_module
from octavia_anycast.controller.metrics.application import Application
from octavia_anycast.controller.metrics.exposition import Text
from octavia_anycast.controller.metrics.server import (
    CONNECTIONS_MAX,
    THREADS,
    MetricsServer,
)
from octavia_anycast.tests.functional.controller.metrics.conftest import (
    DEADLINE_SECONDS,
    Samples,
)

LONG = b"# HELP x y\n" * 400_000  # more than the kernel keeps
LOCAL = "127.0.0.1"


@contextmanager
def served(metrics, troubles=dict, address=LOCAL):
    """A server with this text; its address and port."""
    made = MetricsServer(address, 0, Application(metrics, troubles))
    made.start()
    try:
        yield address, made.port
    finally:
        made.stop()


def short():
    return Text(b"short 1\n", b"packed")


def ask(place, path="/metrics", method="GET", **headers):
    connection = HTTPConnection(*place, timeout=DEADLINE_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def talk(place, request):
    """What comes back for these octets, until the server closes."""
    with socket.create_connection(place, timeout=DEADLINE_SECONDS) as made:
        made.sendall(request)
        made.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := made.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize("address", [LOCAL, "::1"])
def test_metrics_are_served(filled, address):
    with served(filled.exposition.text, address=address) as place:
        status, headers, body = ask(place)
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert Samples(body.decode()).value("amphorae_desired") == 5
        assert "Server" not in headers


def test_a_head_has_no_body(filled):
    with served(filled.exposition.text) as place:
        status, headers, body = ask(place, method="HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["Content-Length"]) > 1000


def test_health_says_what_fails():
    found = {"database": "", "heartbeats": "the port is taken"}
    with served(short, lambda: found) as place:
        status, headers, body = ask(place, "/healthz")
        assert status == 503
        assert headers["Content-Type"] == "application/json"
        checks = {"database": "ok", "heartbeats": "the port is taken"}
        assert json.loads(body) == {"status": "not ready", "checks": checks}
        found["heartbeats"] = ""
        assert ask(place, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/metricsx", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/%00", 404),
        ("GET", "/" + "a" * 8000, 404),
        ("POST", "/nothing", 404),
        ("POST", "/metrics", 405),
        ("PUT", "/metrics", 405),
        ("DELETE", "/healthz", 405),
        ("OPTIONS", "/metrics", 405),
        ("GET", "/metrics?name[]=x&%ff", 200),
    ],
)
def test_what_is_answered(method, path, status):
    with served(short) as place:
        found, headers, body = ask(place, path, method)
        assert found == status
        assert ("Allow" in headers) == (status == 405)
        assert b"Traceback" not in body


@pytest.mark.parametrize(
    "request_text",
    [
        b"",
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\xff\xfe\x00" * 1000 + b"\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_nonsense_stops_nothing(request_text):
    with served(short) as place:
        try:
            answer = talk(place, request_text)
        except OSError:
            answer = b""  # it did not even read on
        assert b"Traceback" not in answer
        status, _, body = ask(place)
        assert (status, body) == (200, b"short 1\n")


def test_who_reads_slowly_holds_up_nobody():
    """More of them than there are threads, and none of them reads."""
    with served(lambda: Text(LONG, b"")) as place, ExitStack() as stack:
        for _ in range(4 * THREADS):
            slow = stack.enter_context(
                socket.create_connection(place, timeout=DEADLINE_SECONDS)
            )
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(3):
            assert ask(place)[2] == LONG


def test_connections_that_say_nothing_hold_up_nobody():
    with served(short) as place, ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX // 2):
            stack.enter_context(socket.create_connection(place))
        assert ask(place)[0] == 200


def test_many_scrapers_are_answered():
    def scrape(_):
        return ask(place)[2]

    with served(short) as place, ThreadPoolExecutor(32) as pool:
        assert set(pool.map(scrape, range(1000))) == {b"short 1\n"}


def test_a_text_that_cannot_be_made_is_an_error_and_no_end(caplog):
    faults = [RuntimeError("a fault")]

    def make():
        if faults:
            raise faults.pop()
        return short()

    with served(make) as place:
        status, _, body = ask(place)
        assert status == 500
        assert b"a fault" not in body
        assert ask(place)[0] == 200


def test_a_port_that_is_taken_stops_nothing(caplog, monkeypatch):
    monkeypatch.setattr(server_module, "_BIND_AGAIN_SECONDS", 0.01)
    with socket.create_server((LOCAL, 0)) as other:
        port = other.getsockname()[1]
        made = MetricsServer(LOCAL, port, Application(short, dict))
        made.start()
    try:
        (error,) = [r for r in caplog.records if r.levelname == "ERROR"]
        assert "metrics_bind_port" in error.getMessage()
        assert "in use" in error.getMessage()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not made.port:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert ask((LOCAL, made.port))[0] == 200
    finally:
        made.stop()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_that_is_not_ours_stops_nothing(address, caplog):
    made = MetricsServer(address, 0, Application(short, dict))
    made.start()
    made.stop()
    (error,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "metrics_bind_ip" in error.getMessage()


def test_it_stops_with_connections_open():
    with ExitStack() as stack:
        with served(lambda: Text(LONG, b"")) as place:
            slow = stack.enter_context(socket.create_connection(place))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
        with pytest.raises(OSError):
            socket.create_connection(place)
