# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Operating statuses over a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.heartbeat import (
    Heartbeat,
    ListenerBeat,
    PoolBeat,
)
from octavia_anycast.planning.health import (
    active_connections,
    operating_statuses,
)

LISTENER, POOL, MEMBER = (
    ("listeners", "l"),
    ("pools", "p"),
    ("members", "m"),
)
WORDS = ("UP", "UP 1/3", "DOWN", "DOWN 1/2", "DRAIN", "MAINT", "no check")


def beat(amphora_id, *, member="UP", pool="UP", listener="OPEN"):
    return Heartbeat(
        amphora_id=amphora_id,
        listeners=(ListenerBeat(listener_id="l", status=listener),),
        pools=(PoolBeat(pool_id="p", status=pool, members={"m": member}),),
    )


def verdicts(*beats, **options):
    known = dict.fromkeys((LISTENER, POOL, MEMBER), "?")
    return operating_statuses(beats, known, **options)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("UP", "UP"), "ONLINE"),
        (("UP 2/3", "UP"), "ONLINE"),
        (("UP", "DOWN"), "DEGRADED"),
        (("DOWN", "DOWN 1/2"), "ERROR"),
        (("DRAIN", "DRAIN"), "DRAINING"),
        (("MAINT",), "OFFLINE"),
        (("no check", "no check"), "NO_MONITOR"),
    ],
)
def test_member(words, status):
    beats = [beat(str(n), member=word) for n, word in enumerate(words)]
    assert verdicts(*beats)[MEMBER] == status


@pytest.mark.parametrize(
    ("pools", "members", "status"),
    [
        (("UP", "UP"), ("UP", "UP"), "ONLINE"),
        (("UP", "UP"), ("UP", "DOWN"), "DEGRADED"),
        (("UP", "DOWN"), ("UP", "DOWN"), "DEGRADED"),
        (("DOWN", "DOWN"), ("DOWN", "DOWN"), "ERROR"),
    ],
)
def test_pool(pools, members, status):
    beats = [
        beat(str(n), pool=pool, member=member)
        for n, (pool, member) in enumerate(zip(pools, members, strict=True))
    ]
    assert verdicts(*beats)[POOL] == status


def test_listener_open_everywhere_is_online():
    assert verdicts(beat("1"), beat("2"))[LISTENER] == "ONLINE"


def test_listener_full_somewhere_is_degraded():
    assert verdicts(beat("1", listener="FULL"), beat("2"))[LISTENER] == (
        "DEGRADED"
    )


def test_listener_reported_by_some_only_is_degraded():
    silent = Heartbeat(amphora_id="2")
    assert verdicts(beat("1"), silent)[LISTENER] == "DEGRADED"


def test_disabled_is_offline_whatever_is_reported():
    changes = verdicts(beat("1"), disabled=frozenset({"l", "p", "m"}))
    assert set(changes.values()) == {"OFFLINE"}


def test_no_heartbeat_changes_nothing():
    assert verdicts() == {}


def test_unreported_member_keeps_no_monitor():
    known = {MEMBER: "NO_MONITOR"}
    assert operating_statuses([Heartbeat(amphora_id="1")], known) == {}


def test_active_connections_are_summed():
    beats = [
        Heartbeat(
            amphora_id=str(n),
            listeners=(
                ListenerBeat(
                    listener_id="l", status="OPEN", active_connections=n
                ),
            ),
        )
        for n in (1, 2, 3)
    ]
    assert active_connections(beats) == {"l": 6}


@given(st.lists(st.sampled_from(WORDS), max_size=5))
def test_applying_the_changes_leaves_none(words):
    beats = [beat(str(n), member=word) for n, word in enumerate(words)]
    known = dict.fromkeys((LISTENER, POOL, MEMBER), "?")
    known |= operating_statuses(beats, known)
    assert operating_statuses(beats, known) == {}
