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
from octavia_anycast.model.load_balancer import (
    ConfiguredMember,
    LoadBalancerTree,
)
from octavia_anycast.planning.cluster.health import (
    active_connections,
    operating_statuses,
    worst_below,
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


def configured(known, *, is_enabled=True, is_checked=True, **options):
    member = ConfiguredMember(
        id="m", pool_id="p", is_enabled=is_enabled, is_checked=is_checked
    )
    return LoadBalancerTree(
        id="lb",
        project_id="p",
        provisioning_status="ACTIVE",
        operating_status="ONLINE",
        is_enabled=True,
        vips=(),
        listeners=(),
        member_subnet_ids=(),
        revision="r",
        updated_at=None,
        operating_statuses=known,
        members=(member,),
        **options,
    )


def verdicts(*beats, is_in_force=True, **options):
    known = dict.fromkeys((LISTENER, POOL, MEMBER), "?")
    return operating_statuses(
        beats, configured(known, **options), is_in_force=is_in_force
    )


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
        (("UP", "RESTARTING"), "ONLINE"),
    ],
)
def test_member(words, status):
    beats = [beat(str(n), member=word) for n, word in enumerate(words)]
    assert verdicts(*beats)[MEMBER] == status


def test_a_member_is_as_it_was_while_keepalived_restarts():
    """Octavia's agent says so of a new configuration of UDP and SCTP."""
    assert MEMBER not in verdicts(beat("0", member="RESTARTING"))


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
    """But for members: Octavia leaves theirs as it is last known."""
    changes = verdicts(beat("1"), disabled_ids=frozenset({"l", "p"}))
    assert changes == {LISTENER: "OFFLINE", POOL: "OFFLINE", MEMBER: "ONLINE"}


def test_no_heartbeat_changes_nothing():
    assert verdicts() == {}


NOTHING = Heartbeat(amphora_id="1")
NO_MEMBER = Heartbeat(
    amphora_id="1", pools=(PoolBeat(pool_id="p", status="UP"),)
)


@pytest.mark.parametrize("known", ["NO_MONITOR", "ONLINE", "OFFLINE", "ERROR"])
def test_a_member_of_a_pool_that_nobody_serves_stays_as_it_was(known):
    tree = configured({MEMBER: known})
    assert operating_statuses([NOTHING], tree) == {}


@pytest.mark.parametrize(
    ("known", "changes"),
    [("NO_MONITOR", {}), ("ONLINE", {MEMBER: "OFFLINE"})],
)
def test_a_member_that_its_pool_does_not_have(known, changes):
    tree = configured({MEMBER: known})
    assert operating_statuses([NO_MEMBER], tree) == changes


@pytest.mark.parametrize("known", ["OFFLINE", "ONLINE", "DEGRADED"])
@pytest.mark.parametrize("key", [LISTENER, POOL, MEMBER])
def test_what_is_missing_before_a_change_is_in_force_stays(key, known):
    """A new listener is not ERROR because an old heartbeat lacks it."""
    tree = configured({key: known})
    assert operating_statuses([NOTHING], tree, is_in_force=False) == {}


@pytest.mark.parametrize(
    ("key", "changes"),
    [(LISTENER, "ERROR"), (POOL, "OFFLINE"), (MEMBER, None)],
)
def test_what_is_missing_once_it_is_in_force(key, changes):
    found = operating_statuses([NOTHING], configured({key: "ONLINE"}))
    assert found.get(key) == changes


def test_a_listener_is_online_as_soon_as_all_amphorae_have_it():
    tree = configured({LISTENER: "OFFLINE"})

    def found(*beats):
        return operating_statuses(beats, tree, is_in_force=False)

    assert LISTENER not in found(beat("1"), Heartbeat(amphora_id="2"))
    assert found(beat("1"), beat("2"))[LISTENER] == "ONLINE"


@pytest.mark.parametrize(
    ("is_enabled", "is_checked", "word", "status"),
    [
        (True, True, "UP", "ONLINE"),
        (True, True, "DOWN 1/2", "ERROR"),
        (True, True, "no check", None),
        (True, True, "MAINT", None),
        (True, False, "UP", None),
        (True, False, "DOWN", None),
        (True, False, "no check", "NO_MONITOR"),
        (False, True, "UP", None),
        (False, False, "no check", None),
        (False, True, "MAINT", "OFFLINE"),
        (True, True, "DRAIN", "DRAINING"),
        (True, False, "DRAIN", "DRAINING"),
    ],
)
def test_a_word_about_another_configuration_waits(
    is_enabled, is_checked, word, status
):
    """As of a monitor that was just deleted: no flap to ONLINE."""
    tree = configured(
        {MEMBER: "?"}, is_enabled=is_enabled, is_checked=is_checked
    )
    found = operating_statuses(
        [beat("1", member=word)], tree, is_in_force=False
    )
    assert found.get(MEMBER) == status


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ({}, "ONLINE"),
        ({LISTENER: "ONLINE", POOL: "ONLINE", MEMBER: "ERROR"}, "ONLINE"),
        ({LISTENER: "OFFLINE", POOL: "OFFLINE"}, "ONLINE"),
        ({LISTENER: "ERROR"}, "ONLINE"),
        ({LISTENER: "DEGRADED"}, "DEGRADED"),
        ({POOL: "DEGRADED"}, "DEGRADED"),
        ({LISTENER: "DEGRADED", POOL: "ERROR"}, "ERROR"),
    ],
)
def test_what_pools_and_listeners_leave_of_the_whole(statuses, worst):
    assert worst_below(statuses) == worst


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
    known |= operating_statuses(beats, configured(known))
    assert operating_statuses(beats, configured(known)) == {}
