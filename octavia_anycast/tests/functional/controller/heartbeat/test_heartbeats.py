# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats over a real socket, and what is said where none arrive."""

import logging
import socket
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from octavia.amphorae.backends.health_daemon import status_message
from oslo_config import cfg

from octavia_anycast.controller.heartbeat import (
    HeartbeatReceiver,
)
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.octavia_adapter.amphora import heartbeats
from octavia_anycast.testing.fakes.fake_meter import FakeMeter

KEY = "a key of these tests"
HEARTBEAT = {"id": "unknown", "ver": 3, "listeners": {}, "pools": {}}


def signed(document, key=KEY, *, is_hex=True):
    return status_message.wrap_envelope(document, key, hex=is_hex)


@pytest.fixture
def key():
    # Not the fixture of oslo.config: the API's tests share the object.
    cfg.CONF.set_override("heartbeat_key", KEY, group="health_manager")
    yield KEY
    cfg.CONF.clear_override("heartbeat_key", group="health_manager")


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"", Refusal.WRONG_KEY),
        (b"x", Refusal.WRONG_KEY),
        (bytes(2000), Refusal.WRONG_KEY),
        (signed(HEARTBEAT, "another"), Refusal.WRONG_KEY),
        (signed(HEARTBEAT)[:-1], Refusal.WRONG_KEY),  # truncated
        (signed(HEARTBEAT)[1:], Refusal.WRONG_KEY),
        (signed([1, 2]), Refusal.NOT_A_HEARTBEAT),
        (signed({"ver": 3}), Refusal.NOT_A_HEARTBEAT),
        (signed(HEARTBEAT | {"listeners": 5}), Refusal.NOT_A_HEARTBEAT),
        (signed(HEARTBEAT), "unknown"),
        (signed(HEARTBEAT, is_hex=False), Refusal.WRONG_KEY),
    ],
)
def test_what_is_wrong_with_a_datagram_is_told(key, datagram, expected):
    found = heartbeats.read(datagram)
    if not isinstance(found, Refusal):
        found = found.amphora_id
    assert found == expected


def test_what_is_signed_and_no_zlib_is_refused(key):
    payload = b"not compressed"
    digest = status_message.get_hmac(payload, key)
    assert heartbeats.read(payload + digest) is Refusal.NOT_A_HEARTBEAT
    assert zlib.decompress(zlib.compress(payload)) == payload


def test_what_failed_is_read_of_who_counts_it(key):
    listener = {"status": "OPEN", "stats": {"totconns": 5}}
    document = HEARTBEAT | {
        "listeners": {"web": listener, "udp": listener},
        "anycast": {"failed": {"web": 2}},
    }
    beats = heartbeats.read(signed(document)).listeners
    assert [x.failed_requests for x in beats] == [2, None]
    for wrong in ({"failed": {"web": "x"}}, {"failed": 5}, 5):
        found = heartbeats.read(signed(document | {"anycast": wrong}))
        assert found is Refusal.NOT_A_HEARTBEAT


class Port:
    """A receiver on a free port, and somebody who sends to it."""

    def __init__(self, stage, family=socket.AF_INET):
        self.address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((self.address, 0))
            self.number = probe.getsockname()[1]
        world = stage.controller.world
        self.world = replace(
            world,
            settings=replace(
                world.settings,
                heartbeat_bind_ip=self.address,
                heartbeat_bind_port=self.number,
            ),
            meter=FakeMeter(),
        )
        self.refusals = self.world.refusals
        self.ended = []
        self.receiver = HeartbeatReceiver(
            self.world,
            stage.controller.store,
            heartbeats.read,
            wake=str,
            look_at=self.ended.append,
        )
        self.sender = socket.socket(family, socket.SOCK_DGRAM)

    def send(self, *datagrams):
        for datagram in datagrams:
            self.sender.sendto(datagram, (self.address, self.number))


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def port(request, stage, key):
    made = Port(stage, request.param)
    made.receiver.start()
    yield made
    made.receiver.stop()
    made.sender.close()


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_refusals_are_counted_with_their_source(port):
    port.send(b"garbage", signed(HEARTBEAT, "another"), signed(HEARTBEAT))
    eventually(lambda: port.refusals.counts() == {port.address: 3})
    now = port.world.now()
    assert port.refusals.why(port.address, now) is Refusal.UNKNOWN
    told = {Refusal.WRONG_KEY: 2, Refusal.UNKNOWN: 1}
    eventually(lambda: port.world.meter.refused == told)


def test_a_digest_confirms_a_report_or_ends_the_rest(port, stage):
    stage.run()
    first, second = stage.cloud.of(stage.load_balancer_id)
    at_rest, now = port.world.at_rest, stage.cloud.clock
    said = {
        machine.amphora_id: stage.cloud.report_of(machine).report_digest
        for machine in (first, second)
    }

    def send(machine, digest):
        port.send(
            signed(
                HEARTBEAT
                | {"id": machine.amphora_id, "anycast": {"report": digest}}
            )
        )

    def reported():
        with stage.api.database.transaction() as session:
            found = reports.list_for_load_balancer(
                session, stage.load_balancer_id
            )
        return {one.amphora_id: one.reported_at for one in found}

    for machine in (first, second):
        send(machine, said[machine.amphora_id])
    eventually(
        lambda: at_rest.begin(stage.load_balancer_id, said, now(), 120.0)
    )
    stage.cloud.now += timedelta(seconds=10)
    send(first, said[first.amphora_id])
    eventually(lambda: reported()[first.amphora_id] == now())
    assert reported()[second.amphora_id] < now()
    assert port.ended == []
    send(second, "another")
    eventually(lambda: port.ended == [stage.load_balancer_id])
    assert at_rest.amphorae() == {}


def test_a_flood_of_garbage_is_bounded(port, caplog):
    for _ in range(100):
        port.send(*[bytes(100)] * 100)
        time.sleep(0.001)
    port.send(signed(HEARTBEAT))
    eventually(
        lambda: (
            port.refusals.why(port.address, port.world.now())
            is Refusal.UNKNOWN
        )
    )
    assert list(port.refusals.counts()) == [port.address]
    loud = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(loud) <= 2


def test_a_port_that_is_taken_does_not_stop_the_controller(stage, key, caplog):
    made = Port(stage)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((made.address, made.number))
        made.receiver.start()
        assert "in use" in made.refusals.receiver_error
    try:
        errors = [r for r in caplog.records if r.levelname == "ERROR"]
        assert len(errors) == 1
        eventually(lambda: not made.refusals.receiver_error)
    finally:
        made.receiver.stop()
        made.sender.close()


def reason(stage):
    with stage.cloud.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).reason


def look(stage, seconds):
    for _ in range(seconds):
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(1.0)


def test_amphorae_without_heartbeats_are_named_once(stage, caplog):
    stage.run()
    stage.add_listener()
    stage.run()
    stage.cloud.do_heartbeats_arrive = False
    caplog.clear()
    look(stage, 40)
    ids = {m.amphora_id for m in stage.cloud.of(stage.load_balancer_id)}
    assert len(ids) == 2  # nobody is replaced
    for amphora_id in ids:
        assert f"{amphora_id}: no heartbeat of it since" in reason(stage)
    told = [r for r in caplog.records if "no heartbeat of it" in r.message]
    warnings = [r for r in told if r.levelname == "WARNING"]
    assert len(warnings) == 2
    assert stage.show()["operating_status"] == "ONLINE"
    stage.cloud.do_heartbeats_arrive = True
    look(stage, 3)
    assert "heartbeat" not in reason(stage)
    again = [r for r in caplog.records if "arrive again" in r.message]
    assert len(again) == 2
    with stage.cloud.database.transaction() as session:
        assert set(heartbeat.last_beats(session, ids)) == ids


def test_a_controller_that_has_just_started_blames_nobody(stage, caplog):
    """Nobody recorded the heartbeats that came while it was away."""
    stage.run()
    stage.cloud.do_heartbeats_arrive = False
    stage.cloud.pass_time(60.0)
    stage.controller.world.refusals.listening_since = stage.cloud.clock()
    patience = stage.controller.world.settings.policy.dead_after
    caplog.clear()
    look(stage, int(patience))
    assert "no heartbeat of it" not in caplog.text
    look(stage, 3)
    assert caplog.text.count("no heartbeat of it since") >= 2


def test_heartbeats_that_the_database_did_not_take_are_not_missed(port):
    assert port.refusals.listening_since is not None
    port.refusals.listening_since = None
    away = Retryable("the database is away")
    with patch.object(port.receiver, "_touch", side_effect=away):
        port.send(signed(HEARTBEAT))
        eventually(lambda: port.refusals.listening_since is not None)
        eventually(lambda: port.world.meter.lost == 1)


def test_the_wrong_key_is_named_for_that_amphora_alone(stage):
    stage.run()
    stage.cloud.do_heartbeats_arrive = False
    look(stage, 10)
    refusals = stage.controller.world.refusals
    first = stage.cloud.of(stage.load_balancer_id)[0]
    for _ in range(20):
        refusals.note(
            str(first.address), Refusal.WRONG_KEY, stage.cloud.clock()
        )
        look(stage, 1)
    text = reason(stage)
    assert text.count("another heartbeat_key") == 1
    assert text.index(first.amphora_id) < len(text)


def test_heartbeats_of_ours_are_told_to_the_meter(stage, key):
    stage.run()
    first = stage.cloud.of(stage.load_balancer_id)[0]
    made = Port(stage)
    made.receiver.start()
    try:
        made.send(signed(HEARTBEAT | {"id": first.amphora_id}))
        eventually(lambda: made.world.meter.received == 1)
        assert made.world.meter.refused == {}
    finally:
        made.receiver.stop()
        made.sender.close()
