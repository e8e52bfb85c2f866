# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What /healthz looks at, and what the controller makes of its settings."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from types import SimpleNamespace

import pytest
import tooz

from octavia_anycast.cmd import controller_metrics
from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.heartbeat import HeartbeatReceiver
from octavia_anycast.controller.memory import (
    HeartbeatRefusals,
    HeartbeatStore,
)
from octavia_anycast.controller.meter import NO_METER
from octavia_anycast.controller.metrics.health import IDLE_MAX_SECONDS, Health
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.model.errors import Retryable
from octavia_anycast.testing import operator_settings
from octavia_anycast.tests.functional import deployment_rows as rows
from octavia_anycast.tests.functional.controller.metrics.conftest import (
    DEADLINE_SECONDS,
    Samples,
)


class Thread:
    """A thread that is well."""

    sentence = ""

    def trouble(self):
        return self.sentence


class Loop:
    """A main loop that goes round."""

    idle = 0.0

    def idle_seconds(self):
        return self.idle

    def backlogs(self):
        return {}


@pytest.fixture
def parts(database):
    """What is looked at; all is well."""
    return {
        "database": database,
        "coordination": SimpleNamespace(is_answering=True),
        "daemon": Loop(),
        "receiver": Thread(),
        "spare_monitor": Thread(),
    }


def troubles(parts, **changes):
    found = Health(**(parts | changes), patience=DEADLINE_SECONDS).troubles()
    return {check: why for check, why in found.items() if why}


def test_all_is_well(parts):
    assert troubles(parts) == {}


def test_each_thing_that_fails_is_named(parts):
    parts["coordination"].is_answering = False
    parts["daemon"].idle = IDLE_MAX_SECONDS + 1
    parts["receiver"].sentence = "heartbeats do not arrive"
    parts["spare_monitor"].sentence = "it has ended"
    found = troubles(parts)
    assert found.keys() == {
        "coordination",
        "engine",
        "heartbeats",
        "spare_monitor",
    }
    assert "coordination_url" in found["coordination"]
    assert "31 s" in found["engine"]


class Away:
    """A database that does not answer, with a secret in its words."""

    @contextmanager
    def transaction(self):
        raise Retryable("mysql://octavia:secret@host does not answer")
        yield


def test_a_database_that_is_away_is_named_without_its_secrets(parts):
    found = troubles(parts, database=Away())
    assert found.keys() == {"database"}
    assert "secret" not in found["database"]


def test_a_database_that_hangs_holds_up_one_look(parts):
    may_go_on = threading.Event()
    calls = []

    class Hanging:
        @contextmanager
        def transaction(self):
            calls.append(1)
            assert may_go_on.wait(DEADLINE_SECONDS)
            yield SimpleNamespace(execute=lambda statement: None)

    health = Health(**(parts | {"database": Hanging()}), patience=0.0)
    try:
        for _ in range(5):
            assert health.troubles()["database"]
        assert len(calls) <= 1
    finally:
        may_go_on.set()


def test_the_coordination_service_is_looked_at(tmp_path, monkeypatch):
    coordination = Coordination(f"file://{tmp_path}")
    coordination.start()
    try:
        coordination.refresh()
        assert coordination.is_answering

        def fail():
            raise tooz.ToozError("out of reach")

        with monkeypatch.context() as patch:
            patch.setattr(coordination._coordinator, "run_watchers", fail)
            coordination.refresh()
            assert not coordination.is_answering
        coordination.refresh()
        assert coordination.is_answering
    finally:
        coordination.stop()


def test_a_receiver_says_what_is_wrong_with_it():
    world = SimpleNamespace(
        settings=operator_settings.read(heartbeat_bind_ip="127.0.0.1"),
        refusals=HeartbeatRefusals(),
        now=lambda: rows.NOW,
        meter=NO_METER,
        at_rest=AtRest(),
    )
    world.settings = replace(world.settings, heartbeat_bind_port=0)
    receiver = HeartbeatReceiver(
        world, HeartbeatStore(stale_after=30), lambda datagram: None, str
    )
    assert "not started" in receiver.trouble()
    receiver.start()
    try:
        assert receiver.trouble() == ""
        world.refusals.receiver_error = "[Errno 98] Address already in use"
        assert "heartbeat_bind_port): [Errno 98]" in receiver.trouble()
        world.refusals.receiver_error = ""
    finally:
        receiver.stop()
    assert "has ended" in receiver.trouble()


def test_off_by_default(scene):
    world = scene.world
    world.meter = NO_METER
    assert world.settings.metrics_bind_port == 0
    assert controller_metrics.metered(world) is world
    made = controller_metrics.servers(world, None, Loop(), Thread(), Thread())
    assert made == ()


def test_on_with_a_meter_that_counts(scene):
    world = scene.world
    world.meter = ProcessMetrics()
    (server,) = controller_metrics.servers(
        world,
        SimpleNamespace(is_answering=True),
        Loop(),
        Thread(),
        Thread(),
    )
    server.start()
    try:
        connection = HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/metrics")
        samples = Samples(connection.getresponse().read().decode())
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.stop()
    assert samples.value("database_up") == 1
    assert samples.value("check_up", check="database") == 1
