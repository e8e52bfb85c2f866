# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What amphorae carry, from their heartbeats, as autoscaling reads it."""

from datetime import UTC, datetime, timedelta

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphora_statistics, amphorae
from octavia_anycast.model.autoscale import LoadCount
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def boot(session, *identifiers):
    for identifier in identifiers:
        amphorae.create(
            session,
            AmphoraRecord(
                id=identifier,
                load_balancer_id="lb",
                status=AmphoraStatus.ALLOCATED,
                status_since=NOW,
            ),
        )


def beat(session, amphora_id, now, **listeners):
    """A heartbeat: listener_id -> (connections now, new ones, bytes in)."""
    assert heartbeat.touch(session, amphora_id, now, is_beat=True)
    amphora_statistics.add(
        session,
        [
            Heartbeat(
                amphora_id=amphora_id,
                listeners=tuple(
                    ListenerBeat(
                        listener_id=listener_id,
                        status="OPEN",
                        active_connections=active,
                        total_connections=new,
                        bytes_in=byte_count,
                        bytes_out=1,
                    )
                    for listener_id, (active, new, byte_count) in (
                        listeners.items()
                    )
                ),
            )
        ],
    )


def test_listeners_are_summed_and_counters_grow(session):
    boot(session, "a", "b")
    beat(session, "a", NOW, web=(7, 10, 100), mail=(2, 5, 50))
    beat(session, "b", NOW, web=(1, 1, 1))
    later = NOW + timedelta(seconds=3)
    beat(session, "a", later, web=(3, 10, 100), mail=(0, 0, 0))

    assert amphora_statistics.loads(session, ["a", "b"], ["web", "mail"]) == {
        "a": LoadCount(
            counted_at=later,
            connections=3,
            connection_count=25,
            byte_count=254,
        ),
        "b": LoadCount(
            counted_at=NOW, connections=1, connection_count=1, byte_count=2
        ),
    }


def test_a_deleted_listener_carries_nothing(session):
    boot(session, "a")
    beat(session, "a", NOW, gone=(900, 10, 100), web=(2, 0, 0))
    found = amphora_statistics.loads(session, ["a"], ["web"])
    assert found["a"].connections == 2


def test_an_idle_amphora_carries_nothing_one_never_heard_is_unknown(session):
    boot(session, "idle", "silent", "asked")
    beat(session, "idle", NOW)
    # Its agent answered; it sent no heartbeat.
    heartbeat.touch(session, "asked", NOW)
    assert amphora_statistics.loads(
        session, ["idle", "silent", "asked"], ["web"]
    ) == {"idle": LoadCount(counted_at=NOW)}


def test_of_many_those_are_told_that_there_are(session):
    many = [f"a{number:03}" for number in range(150)]
    boot(session, *many)
    heartbeat.touch_all(session, many[:120], NOW)
    later = NOW + timedelta(seconds=3)
    heard = [*many[90:], "unknown"]
    assert heartbeat.touch_all(session, heard, later) == set(many[90:])
    found = heartbeat.last_updates(session, [*many, "unknown"])
    assert found == dict.fromkeys(many, NOW) | dict.fromkeys(many[90:], later)
    assert heartbeat.touch_all(session, [], later) == set()


def test_an_answer_of_the_agent_is_no_heartbeat(session):
    boot(session, "a")
    beat(session, "a", NOW, web=(2, 0, 0))
    later = NOW + timedelta(seconds=60)
    heartbeat.touch(session, "a", later)
    assert heartbeat.last_updates(session, ["a"]) == {"a": later}
    found = amphora_statistics.loads(session, ["a"], ["web"])
    assert found["a"].counted_at == NOW
