# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a real HAProxy counts as failed, and heartbeats bear."""

import http.client
import socket
import subprocess
from contextlib import suppress

import pytest
from octavia.amphorae.backends.health_daemon import health_daemon
from octavia_anycast_lab.host import process

from octavia_anycast.octavia_adapter.amphora.heartbeat_failures import (
    FailureCounter,
    failures,
)

CONFIGURATION = """
global
  stats socket {socket} level admin
defaults
  timeout connect 500ms
  timeout client 5s
  timeout server 5s
  retries 0
frontend web
  mode http
  bind 127.0.0.1:{web}
  default_backend pool:web
backend pool:web
  mode http
  server gone 127.0.0.1:{nobody}
frontend raw
  mode tcp
  bind 127.0.0.1:{raw}
  default_backend pool:raw
backend pool:raw
  mode tcp
  server gone 127.0.0.1:{nobody}
frontend prometheus-exporter
  mode http
  bind 127.0.0.1:{other}
  http-request return status 500
"""
SECONDS = 20


class HAProxy:
    """A process that reaches none of its members."""

    def __init__(self, home):
        held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        self.ports = dict(
            zip(
                ("web", "raw", "other", "nobody"),
                (one.getsockname()[1] for one in held),
                strict=True,
            )
        )
        for one in held:
            one.close()
        self.socket = str(home / "stats.sock")
        path = home / "haproxy.cfg"
        path.write_text(CONFIGURATION.format(socket=self.socket, **self.ports))
        self.argv = ["haproxy", "-db", "-f", str(path)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.argv)
        process.wait_until(self.answers, SECONDS, "HAProxy")

    def answers(self):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            one.connect(self.socket)
            return True
        return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def get(self, name):
        client = http.client.HTTPConnection("127.0.0.1", self.ports[name])
        client.request("GET", "/")
        status = client.getresponse().status
        client.close()
        return status

    def connect(self):
        address = ("127.0.0.1", self.ports["raw"])
        with suppress(OSError), socket.create_connection(address, 5) as one:
            one.recv(1)


@pytest.fixture
def haproxy(tmp_path):
    made = HAProxy(tmp_path)
    yield made
    made.stop()


def rows(haproxy):
    found, _ = health_daemon.get_stats(haproxy.socket)
    return found


def test_what_reaches_no_member_has_failed(haproxy):
    assert failures(rows(haproxy)) == {"web": 0, "raw": 0}
    assert [haproxy.get("web") for _ in range(3)] == [503] * 3
    haproxy.connect()
    haproxy.get("other")
    process.wait_until(
        lambda: failures(rows(haproxy)) == {"web": 3, "raw": 1},
        SECONDS,
        "what HAProxy counts",
    )


def test_heartbeats_bear_what_was_added(haproxy):
    def build():
        health_daemon.get_stats = counter.get_stats
        try:
            found, _ = health_daemon.get_stats(haproxy.socket)
        finally:
            health_daemon.get_stats = get_stats
        names = {row["pxname"] for row in found if row["svname"] == "FRONTEND"}
        return {"listeners": dict.fromkeys(names)}

    get_stats = health_daemon.get_stats
    counter = FailureCounter(get_stats, build)
    fail(haproxy, 1)  # before the first heartbeat
    assert failed(counter) == {"web": 0, "raw": 0}
    fail(haproxy, 2)
    fail(haproxy, 3)
    assert failed(counter)["web"] == 2
    assert failed(counter)["web"] == 0
    haproxy.stop()
    assert failed(counter) == {}
    haproxy.start()
    fail(haproxy, 1)
    assert failed(counter)["web"] == 0, "counted before it was seen again"
    fail(haproxy, 2)
    assert failed(counter)["web"] == 1


def fail(haproxy, count):
    """One more; HAProxy answers before it counts."""
    haproxy.get("web")
    process.wait_until(
        lambda: failures(rows(haproxy)).get("web") == count,
        SECONDS,
        "what HAProxy counts",
    )


def failed(counter):
    return counter.build()["anycast"]["failed"]


def test_a_reload_counts_from_zero():
    def row(count):
        return {"pxname": "web", "svname": "FRONTEND", "hrsp_5xx": str(count)}

    found = []
    counter = FailureCounter(
        lambda path: ([row(found.pop(0))], {}),
        lambda: counter.get_stats("") and {"listeners": {"web": {}}},
    )
    found += [7, 9, 2, 2]
    assert [failed(counter)["web"] for _ in range(4)] == [0, 2, 2, 0]


def test_what_udp_counts_is_no_row_of_haproxy():
    counter = FailureCounter(
        lambda path: ([], {}), lambda: {"listeners": {"udp": {}}}
    )
    assert failed(counter) == {}
