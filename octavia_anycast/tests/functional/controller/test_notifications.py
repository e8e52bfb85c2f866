# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Notifications, through oslo.messaging's own driver for tests."""

import threading
import time

import pytest
from octavia.common import rpc
from oslo_config import cfg
from oslo_messaging.notify import _impl_test

from octavia_anycast import options
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.notifier import LOG, Change, QueuedNotifier
from octavia_anycast.model.errors import Retryable
from octavia_anycast.octavia_adapter import notifications
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.tests.log_capture import captured

NOTIFICATIONS = "oslo_messaging_notifications"
PATIENCE_SECONDS = 30.0


@pytest.fixture
def bus(api):
    """A way to choose the driver; what was sent, as (type, payload)."""
    cfg.CONF.set_override("transport_url", "fake:/")
    _impl_test.reset()

    def sent():
        return [
            (message["event_type"], message["payload"])
            for _, message, _, _ in _impl_test.NOTIFICATIONS
        ]

    yield sent
    rpc.cleanup()
    _impl_test.reset()
    cfg.CONF.clear_override("transport_url")


@pytest.fixture
def chosen(bus):
    """Name the drivers of notifications."""
    rpc.init()  # registers the option
    rpc.cleanup()

    def choose(*drivers):
        cfg.CONF.set_override("driver", list(drivers), group=NOTIFICATIONS)
        return notifications.sender()

    yield choose
    cfg.CONF.clear_override("driver", group=NOTIFICATIONS)
    cfg.CONF.clear_override("event_notifications", group="controller_worker")


def test_without_a_driver_nobody_is_told(chosen):
    assert chosen() is None
    assert chosen("noop") is None
    assert rpc.NOTIFIER is None


def test_octavias_switch_turns_them_off(chosen):
    cfg.CONF.set_override(
        "event_notifications", False, group="controller_worker"
    )
    assert chosen("test") is None


def test_the_life_of_a_load_balancer(stage, chosen, bus):
    notifier = QueuedNotifier(chosen("test"))
    stage.controller.stop()
    stage.controller = ControllerProcess(
        stage.cloud, options.read(cfg.CONF), notifier=notifier
    )
    notifier.start()
    stage.run()
    stage.add_listener()
    stage.run()
    stage.delete()
    stage.run()
    notifier.stop()

    of_octavia = [
        (kind, payload)
        for kind, payload in bus()
        if kind.startswith("octavia.loadbalancer.")
    ]
    assert [kind for kind, _ in of_octavia] == [
        "octavia.loadbalancer.create.end",
        "octavia.loadbalancer.update.end",
        "octavia.loadbalancer.delete.end",
    ]
    for _, payload in of_octavia:
        assert payload["loadbalancer_id"] == stage.load_balancer_id
        assert payload["project_id"] == stage.api.project_id
        assert payload["vip_address"]
    ours = [
        (kind, payload)
        for kind, payload in bus()
        if kind.startswith("octavia.anycast.")
    ]
    assert {"octavia.anycast.amphora.phase", "octavia.anycast.gate.open"} <= {
        kind for kind, _ in ours
    }
    for kind, payload in ours:
        assert kind == f"octavia.anycast.{payload['kind']}"
        assert payload["load_balancer_id"] == stage.load_balancer_id
        assert payload["project_id"] == stage.api.project_id
    deleted = [p for _, p in ours if p["to_state"] == "deleted"]
    assert {p["cause"] for p in deleted} == {"the load balancer is deleted"}


class Noted:
    """Notes what is done to load balancers."""

    def __init__(self):
        self.changes = []

    def happened(self, events):
        pass

    def changed(self, load_balancer_id, change):
        self.changes.append(change)


@pytest.fixture
def noted(stage):
    """What is done to load balancers from the first look on."""
    notifier = Noted()
    stage.controller.stop()
    stage.controller = ControllerProcess(
        stage.cloud, options.read(cfg.CONF), notifier=notifier
    )
    return notifier.changes


def test_a_creation_that_was_shown_as_error_meanwhile(stage, noted):
    stage.cloud.build_error = "no valid host was found"
    stage.controller.reconcile(stage.load_balancer_id)
    stage.cloud.pass_time(cfg.CONF.anycast.error_after + 1)
    stage.controller.reconcile(stage.load_balancer_id)
    assert stage.show()["provisioning_status"] == "ERROR"
    assert noted == []
    stage.cloud.build_error = ""
    stage.run(seconds=900)
    assert noted == [Change.CREATE]
    stage.add_listener()
    stage.run()
    assert noted == [Change.CREATE, Change.UPDATE]


def test_what_is_settled_is_told_whatever_fails_after_it(
    stage, noted, monkeypatch
):
    def fail(*_):
        raise Retryable("the database does not answer")

    monkeypatch.setattr(Reporter, "forget_request", fail)
    stage.controller.run(stage.load_balancer_id, 60)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert noted == [Change.CREATE]


class Stuck:
    """A bus that does not answer until it is let go."""

    def __init__(self):
        self.is_open = threading.Event()
        self.is_asked = threading.Event()
        self.sent = []

    def event(self, event):
        raise AssertionError("nothing of the kind was told")

    def change(self, load_balancer_id, change):
        self.is_asked.set()
        assert self.is_open.wait(PATIENCE_SECONDS)
        if load_balancer_id == "broken":
            raise OSError("connection reset")
        self.sent.append((load_balancer_id, change))


def test_a_bus_that_hangs_holds_nobody_up_and_nothing_grows():
    sender = Stuck()
    notifier = QueuedNotifier(sender, queue_max=3)
    notifier.start()
    with captured(LOG) as lines:
        for number in range(50):
            notifier.changed(str(number), Change.UPDATE)
            assert sender.is_asked.wait(PATIENCE_SECONDS)
        dropped = [line for line in lines() if "are dropped" in line]
    assert len(dropped) == 1
    sender.is_open.set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(sender.sent) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    notifier.stop()
    # One was taken at once, and three waited.
    assert [i for i, _ in sender.sent] == list("0123")


def test_it_is_said_once_until_all_that_waits_is_sent():
    notifier = QueuedNotifier(Stuck(), queue_max=3)
    waiting = notifier._queue  # without its thread: nothing depends on time
    with captured(LOG) as lines:

        def tell(count):
            for _ in range(count):
                notifier.changed("lb", Change.UPDATE)
            return sum("are dropped" in line for line in lines())

        assert tell(5) == 1
        waiting.get()
        assert tell(5) == 0
        while not waiting.empty():
            waiting.get()
        assert tell(3) == 0
        assert tell(1) == 1


def test_one_that_fails_does_not_end_the_others():
    sender = Stuck()
    sender.is_open.set()
    notifier = QueuedNotifier(sender)
    notifier.start()
    for name in ("broken", "broken", "whole"):
        notifier.changed(name, Change.DELETE)
    notifier.stop()
    assert sender.sent == [("whole", Change.DELETE)]
