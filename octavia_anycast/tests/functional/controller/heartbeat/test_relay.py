# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats that another controller hands on, over real sockets."""

import contextlib
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.controller import relay
from octavia_anycast.controller.heartbeat import HeartbeatReceiver
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.octavia_adapter.amphora import heartbeats
from octavia_anycast.testing.fakes.fake_meter import FakeMeter
from octavia_anycast.tests.functional.controller.heartbeat import (
    test_heartbeats,
)

key = test_heartbeats.key
ADDRESS = "127.0.0.1"


class Statistics:
    """Counts what is added to Octavia's."""

    def __init__(self):
        self.added = []

    def add(self, beats):
        self.added += beats


class Controller:
    """The receiver of one controller on a port of its own."""

    def __init__(self, stage, owner_at):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((ADDRESS, 0))
            self.port = probe.getsockname()[1]
        world = stage.controller.world
        self.world = replace(
            world,
            settings=replace(
                world.settings,
                heartbeat_bind_ip=ADDRESS,
                heartbeat_bind_port=self.port,
            ),
            meter=FakeMeter(),
            statistics=Statistics(),
        )
        self.store = HeartbeatStore(stale_after=30)
        self.woken = []
        self.receiver = HeartbeatReceiver(
            self.world,
            self.store,
            heartbeats.read,
            self.woken.append,
            relay=relay.HeartbeatRelay(self.world, owner_at),
        )
        self.receiver.start()


@pytest.fixture
def amphora_id(stage):
    """An amphora of a load balancer that works."""
    stage.run(300)
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)[0].id


@pytest.fixture
def two(stage, key, amphora_id):
    """One that receives, and one that looks after the load balancer."""
    with contextlib.ExitStack() as stack:
        owner = Controller(stage, lambda load_balancer_id: None)
        stack.callback(owner.receiver.stop)
        asked = []

        def owner_at(load_balancer_id):
            asked.append(load_balancer_id)
            return (ADDRESS, owner.port)

        other = Controller(stage, owner_at)
        other.asked = asked
        stack.callback(other.receiver.stop)
        yield owner, other


def beat(amphora_id, member="UP"):
    return test_heartbeats.signed(
        {
            "id": amphora_id,
            "ver": 3,
            "listeners": {},
            "pools": {
                "pool:listener": {"status": "UP", "members": {"m": member}}
            },
        }
    )


def send(controller, datagram):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, (ADDRESS, controller.port))


def latest(controller, amphora_id):
    """What the controller knows of the amphora's member."""
    found = controller.store._latest.get(amphora_id)
    if found is None:
        return None
    return found.beat.pools[0].members["m"]


def test_the_owner_learns_at_once_what_another_one_received(
    stage, two, amphora_id
):
    owner, other = two
    load_balancer_id = stage.load_balancer_id
    # It has looked at it, so it knows whose amphora that is.
    owner.store.of({amphora_id: None}, load_balancer_id, owner.world.now())
    send(other, beat(amphora_id, "UP"))
    test_heartbeats.eventually(lambda: latest(owner, amphora_id) == "UP")
    assert other.asked == [load_balancer_id]
    owner.woken.clear()
    send(other, beat(amphora_id, "DOWN"))
    test_heartbeats.eventually(lambda: latest(owner, amphora_id) == "DOWN")
    test_heartbeats.eventually(lambda: owner.woken == [load_balancer_id])


def test_it_is_counted_once(two, amphora_id):
    owner, other = two
    send(other, beat(amphora_id))
    test_heartbeats.eventually(lambda: latest(owner, amphora_id) == "UP")
    assert len(other.world.statistics.added) == 1
    assert owner.world.statistics.added == []
    assert other.world.meter.received == 1
    assert owner.world.meter.received == 0
    with owner.world.database.transaction() as session:
        assert heartbeat.last_beats(session, [amphora_id])


def test_what_is_handed_on_is_not_handed_on_again(two, amphora_id):
    """Whatever the rings of two controllers say at the same time."""
    other = two[1]
    for one in two:
        now = one.world.now()
        send(one, relay.wrapped(beat(amphora_id), now, now))
        test_heartbeats.eventually(
            lambda one=one: latest(one, amphora_id) == "UP"
        )
    assert other.asked == []


def test_a_mark_is_no_signature(two, amphora_id):
    owner, _ = two
    now = owner.world.now()
    send(owner, relay.wrapped(beat(amphora_id)[:-1] + b"0", now, now))
    send(owner, relay._MARK + b"nonsense\n" + beat(amphora_id))
    test_heartbeats.eventually(
        lambda: owner.world.refusals.counts() == {ADDRESS: 2}
    )
    assert latest(owner, amphora_id) is None


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_wrong_clock_of_another_one_does_no_harm(
    two, amphora_id, minutes, caplog
):
    """It is five minutes off, and what it writes is."""
    owner, other = two
    clock = other.world.now
    object.__setattr__(
        other.world, "now", lambda: clock() + timedelta(minutes=minutes)
    )
    for _ in range(2):
        send(other, beat(amphora_id))
        test_heartbeats.eventually(lambda: latest(owner, amphora_id) == "UP")

    def is_right():
        with owner.world.database.transaction() as session:
            at = heartbeat.last_beats(session, [amphora_id])[amphora_id]
        return abs(at - owner.world.now()) < timedelta(seconds=2)

    test_heartbeats.eventually(is_right)
    told = [r for r in caplog.records if "clocks" in r.getMessage()]
    assert len(told) == 1
    assert "differ by 300 s" in told[0].getMessage()


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_what_was_held_up_is_not_taken_for_news(
    stage, two, amphora_id, minutes
):
    """Whatever the clock of the one that held it up."""
    owner, _ = two
    load_balancer_id = stage.load_balancer_id
    owner.store.of({amphora_id: None}, load_balancer_id, owner.world.now())
    received = owner.world.now()
    send(owner, beat(amphora_id, "DOWN"))
    test_heartbeats.eventually(lambda: latest(owner, amphora_id) == "DOWN")
    owner.woken.clear()
    clock = timedelta(minutes=minutes)
    now = owner.world.now()
    late = received - timedelta(seconds=1)
    send(
        owner, relay.wrapped(beat(amphora_id, "UP"), late + clock, now + clock)
    )
    # What comes after it has been looked at, too.
    send(owner, beat(amphora_id, "DOWN"))
    test_heartbeats.eventually(lambda: owner.world.meter.received == 2)
    assert owner.woken == []
    assert latest(owner, amphora_id) == "DOWN"


def test_an_owner_that_is_away_holds_nobody_up(stage, two, amphora_id):
    owner, other = two
    owner.receiver.stop()
    for member in ("UP", "DOWN"):
        send(other, beat(amphora_id, member))
        test_heartbeats.eventually(
            lambda m=member: latest(other, amphora_id) == m
        )


@pytest.mark.parametrize(
    ("controllers", "bind", "expected"),
    [
        (("127.0.0.1:5556",), ("127.0.0.1", 5556), "127.0.0.1:5556"),
        (
            ("192.0.2.7:5556", "127.0.0.1:5556"),
            ("0.0.0.0", 5556),
            "127.0.0.1:5556",
        ),
        (("[::1]:5556",), ("::", 5556), "[::1]:5556"),
        (
            ("127.0.0.1:5555", "127.0.0.1:5557"),
            ("0.0.0.0", 5557),
            "127.0.0.1:5557",
        ),
        (("192.0.2.7:5556",), ("0.0.0.0", 5556), ""),
        (("127.0.0.1:5555",), ("127.0.0.1", 5556), ""),
        ((), ("0.0.0.0", 5556), ""),
        (("nonsense",), ("0.0.0.0", 5556), ""),
    ],
)
def test_a_controller_finds_its_own_address(controllers, bind, expected):
    """Behind a translated address it has none, and is told nothing."""
    assert relay.own_address(controllers, *bind) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7:5556", ("192.0.2.7", 5556)),
        ("[2001:db8::7]:5556", ("2001:db8::7", 5556)),
        ("2001:db8::7:5556", ("2001:db8::7", 5556)),
        ("", None),
        ("192.0.2.7", None),
        (":5556", None),
        ("192.0.2.7:x", None),
    ],
)
def test_addresses(text, expected):
    assert relay.parsed(text) == expected
