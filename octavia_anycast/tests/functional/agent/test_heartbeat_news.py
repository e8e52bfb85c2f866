# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""From the gate to the controller's socket: Octavia's loop, our engine.

What HAProxy says is made up; the loop that sends, the control socket, the
signature and the datagrams are real. Heartbeats are a minute apart, so that
what comes sooner is news.
"""

import queue
import socket
import threading

import pytest
from octavia.amphorae.backends.health_daemon import health_daemon
from octavia.common import config as octavia_config  # noqa: F401
from oslo_config import cfg

from octavia_anycast.agent.control import ControlClient, ControlServer
from octavia_anycast.model.wire import GateState
from octavia_anycast.octavia_adapter.amphora import (
    heartbeat_digest,
    heartbeats,
)
from octavia_anycast.tests.functional.agent.test_engine import (
    AMPHORA,
    DEAD,
    FAST,
    Bench,
    eventually,
    state,
)

DEADLINE_SECONDS = 20.0
INTERVAL_SECONDS = 60


class Commands:
    """The queue of commands of Octavia's loop; ends it."""

    is_over = False

    def get_nowait(self):
        if self.is_over:
            return "shutdown"
        raise queue.Empty


class Controller:
    """A socket of a controller."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(DEADLINE_SECONDS)
        _, port = self._socket.getsockname()
        self.address = f"127.0.0.1:{port}"

    def receive(self):
        """The next heartbeat."""
        return heartbeats.read(self._socket.recv(65536))

    def close(self):
        self._socket.close()


@pytest.fixture
def bench(tmp_path):
    """An amphora that announces."""
    made = Bench(tmp_path)
    made.apply(state(gate=FAST))
    eventually(lambda: len(made.peer.rib) == 2)
    eventually(lambda: made.engine.report().paths)
    yield made
    made.stop()


@pytest.fixture
def controllers(bench, tmp_path, monkeypatch):
    """Two controllers, to whom the amphora sends heartbeats in turn."""
    path = str(tmp_path / "run" / "control.sock")
    server = ControlServer(path, bench.engine)
    server.start()
    made = [Controller(), Controller()]
    options = {
        "heartbeat_key": "key",
        "heartbeat_interval": INTERVAL_SECONDS,
        "controller_ip_port_list": [one.address for one in made],
    }
    for name, value in options.items():
        cfg.CONF.set_override(name, value, group="health_manager")
    for name in ("build_stats_message", "time"):
        monkeypatch.setattr(health_daemon, name, getattr(health_daemon, name))
    monkeypatch.setattr(
        health_daemon, "build_stats_message", lambda: {"id": AMPHORA}
    )
    heartbeat_digest.install(ControlClient(path).await_news, lambda: True)
    commands = Commands()
    loop = threading.Thread(
        target=health_daemon.run_sender, args=(commands,), daemon=True
    )
    loop.start()
    yield made
    commands.is_over = True
    bench.apply(state(gate=FAST, revision="the end"))  # which is news
    loop.join(DEADLINE_SECONDS)
    assert not loop.is_alive()
    server.shutdown()
    server.server_close()
    for one in made:
        one.close()
    for name in options:
        cfg.CONF.clear_override(name, group="health_manager")


def test_a_gate_that_closes_is_told_to_each_controller(bench, controllers):
    first, second = controllers
    known = bench.engine.report().report_digest
    beat = first.receive()
    assert (beat.amphora_id, beat.report_digest) == (AMPHORA, known)

    bench.prober.verdict = DEAD
    eventually(lambda: bench.engine.report().gate.state is GateState.DOWN)
    # Which of the two is the next one in turn hears it first.
    digests = {one.receive().report_digest for one in (second, first)}
    assert known not in digests
    assert all(digests)
