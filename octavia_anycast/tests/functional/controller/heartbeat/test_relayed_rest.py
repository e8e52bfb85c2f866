# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer rests by heartbeats that another controller received."""

import contextlib
import socket
from dataclasses import replace

import pytest

from octavia_anycast.controller import relay
from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.heartbeat import HeartbeatReceiver
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.octavia_adapter.amphora import heartbeats
from octavia_anycast.tests.functional.controller.heartbeat import (
    test_heartbeats,
    test_relay,
)

key = test_heartbeats.key
amphora_id = test_relay.amphora_id
ADDRESS = "127.0.0.1"
INTERVAL, CONTROLLERS = 10.0, 3


class Controller:
    """One that receives on a port of its own; ``looked_at``: whom it woke."""

    def __init__(self, stage, owner_at):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((ADDRESS, 0))
            self.port = probe.getsockname()[1]
        world = stage.controller.world
        self.rests = AtRest(interval=INTERVAL, controllers=CONTROLLERS)
        self.world = replace(
            world,
            at_rest=self.rests,
            settings=replace(
                world.settings,
                heartbeat_bind_ip=ADDRESS,
                heartbeat_bind_port=self.port,
            ),
        )
        self.looked_at = []
        self.receiver = HeartbeatReceiver(
            self.world,
            HeartbeatStore(stale_after=30),
            heartbeats.read,
            lambda load_balancer_id: None,
            look_at=self.looked_at.append,
            relay=relay.HeartbeatRelay(self.world, owner_at),
        )
        self.receiver.start()

    def said(self, amphora_id):
        """The digest of the amphora's last heartbeat; None: none came."""
        found = self.rests._said.get(amphora_id)
        return found and found.digest


@pytest.fixture
def two(stage, key, amphora_id):
    """One that looks after the load balancer, and one that is told."""
    with contextlib.ExitStack() as stack:
        owner = Controller(stage, lambda load_balancer_id: None)
        stack.callback(owner.receiver.stop)
        other = Controller(stage, lambda _: (ADDRESS, owner.port))
        stack.callback(other.receiver.stop)
        yield owner, other


def tell(controller, amphora_id, digest):
    datagram = test_heartbeats.signed(
        {
            "id": amphora_id,
            "ver": 3,
            "listeners": {},
            "pools": {},
            "anycast": {"report": digest},
        }
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, (ADDRESS, controller.port))


def test_news_that_another_one_received_ends_the_rest(stage, two, amphora_id):
    owner, other = two
    before, after = "a" * 64, "b" * 64
    tell(other, amphora_id, before)
    test_heartbeats.eventually(lambda: owner.said(amphora_id) == before)
    assert owner.rests.begin(
        stage.load_balancer_id,
        {amphora_id: before},
        owner.world.now(),
        180.0,
    )
    tell(other, amphora_id, before)
    tell(other, amphora_id, after)
    test_heartbeats.eventually(lambda: owner.said(amphora_id) == after)
    test_heartbeats.eventually(
        lambda: owner.looked_at == [stage.load_balancer_id]
    )
    assert other.looked_at == []


def test_a_death_is_noticed_by_its_owner_as_early_as_with_one(
    stage, two, amphora_id
):
    """Each heartbeat came to another controller, and none to the owner."""
    owner, other = two
    cloud, digest = stage.cloud, "a" * 64
    heard = owner.rests._said
    for _ in range(2 * CONTROLLERS):
        cloud.pass_time(INTERVAL)
        now = cloud.clock()
        tell(other, amphora_id, digest)
        test_heartbeats.eventually(
            lambda now=now: amphora_id in heard and heard[amphora_id].at >= now
        )
    assert owner.rests.begin(
        stage.load_balancer_id, {amphora_id: digest}, cloud.clock(), 180.0
    )
    cloud.pass_time(INTERVAL)
    assert owner.rests.overdue(cloud.clock()) == set()
    cloud.pass_time(INTERVAL / 2)
    late = cloud.clock() - heard[amphora_id].at
    assert late.total_seconds() < CONTROLLERS * INTERVAL
    assert owner.rests.overdue(cloud.clock()) == {stage.load_balancer_id}
