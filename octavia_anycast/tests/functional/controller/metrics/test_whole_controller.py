# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The whole daemon with its threads, in this process, until a signal."""

import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from http.client import HTTPConnection

import pytest

from octavia_anycast.cmd import controller, controller_metrics
from octavia_anycast.tests.functional.controller.metrics.conftest import (
    DEADLINE_SECONDS,
    Samples,
)

LOCAL = "127.0.0.1"


@pytest.fixture
def restored():
    """Signals and the interpreter as they were."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    interval = sys.getswitchinterval()
    # The watcher's signal ends nobody, if the daemon fails before.
    signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    sys.setswitchinterval(interval)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def port():
    """A port that nobody has."""
    with socket.create_server((LOCAL, 0)) as probe:
        return probe.getsockname()[1]


def ask(port, path):
    connection = HTTPConnection(LOCAL, port, timeout=DEADLINE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until_ready(port):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            status, text = ask(port, "/healthz")
        except OSError:
            status, text = 0, ""
        if status == 200:
            return json.loads(text)
        time.sleep(0.05)
    return None


def run(stage, tmp_path, watch, **values):
    """Run the daemon; a thread watches it, and ends it by a signal."""
    world = stage.controller.world
    settings = replace(
        world.settings,
        coordination_url=f"file://{tmp_path}/coordination",
        heartbeat_bind_ip=LOCAL,
        heartbeat_bind_port=0,
        **values,
    )
    world = replace(world, settings=settings, fast_agents=stage.cloud)
    found = []

    def look():
        try:
            found.append(watch())
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=look)
    metered = controller_metrics.metered(world)
    watcher.start()
    try:
        controller.run(metered, settings)
    finally:
        watcher.join()
    return found[0]


def test_it_is_ready_and_says_what_it_does(stage, tmp_path, port, restored):
    stage.run()

    def watch():
        return until_ready(port), Samples(ask(port, "/metrics")[1])

    health, samples = run(stage, tmp_path, watch, metrics_bind_port=port)
    assert health["status"] == "ready"
    assert set(health["checks"].values()) == {"ok"}
    assert samples.value("database_up") == 1
    assert samples.value("amphorae_desired") == 2
    # Those of the check of health, at least, which made it ready.
    assert samples.value("database_statement_duration_seconds_count") > 0
    assert set(samples.of("queue_due", "kind")) == {
        "load_balancer",
        "distributor",
        "dedicated_amphorae",
        "distributor_statuses",
        "zone_drain",
        "fleet_change",
        "housekeeping_purge",
        "housekeeping_certificates",
        "housekeeping_sweep",
    }
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/healthz")


@pytest.mark.parametrize("is_wanted", [False, True])
def test_the_picture_is_served_if_it_is_wanted(
    stage, tmp_path, port, restored, is_wanted
):
    stage.run()

    def watch():
        assert until_ready(port)
        return ask(port, "/picture/"), ask(port, "/picture/overview.json")

    values = {"metrics_bind_port": port, "picture": is_wanted}
    page, data = run(stage, tmp_path, watch, **values)
    if not is_wanted:
        assert page == (404, "There is only /metrics and /healthz.\n")
        assert data == page
        return
    assert page[0] == data[0] == 200
    assert "<title>octavia-anycast" in page[1]
    (cluster,) = json.loads(data[1])["clusters"]
    assert cluster[0] == stage.load_balancer_id
    assert len(cluster[7]) == 2


def test_a_picture_without_a_port_is_said(stage, caplog):
    world = stage.controller.world
    wanted = replace(world.settings, picture=True)
    assert controller_metrics.metered(replace(world, settings=wanted))
    assert "metrics_bind_port is 0" in caplog.text


def test_nothing_listens_by_default(stage, tmp_path, restored):
    stage.run()
    begun = threading.Event()
    refresh = controller.Coordination.refresh

    def noticed(coordination):
        refresh(coordination)
        begun.set()

    def watch():
        assert begun.wait(DEADLINE_SECONDS)
        return {thread.name for thread in threading.enumerate()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller.Coordination, "refresh", noticed)
        names = run(stage, tmp_path, watch)
    assert "heartbeats-_receive" in names
    assert "metrics" not in names
