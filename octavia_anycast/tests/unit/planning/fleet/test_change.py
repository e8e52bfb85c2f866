# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fleet changes: canaries first, then the rest, and when it halts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.cluster import AmphoraStatus, ClusterPolicy
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.fleet.change import (
    ChangeKind,
    ChangeState,
    Counted,
    FleetAmphora,
    FleetChange,
    FleetChangeRequest,
    Health,
)
from octavia_anycast.model.wire import GateState
from octavia_anycast.planning.fleet.back import (
    RETURN_SECONDS,
)
from octavia_anycast.planning.fleet.change import (
    advance,
    after_renewals,
    begun_again,
)
from octavia_anycast.planning.fleet.reach import (
    Fleet,
    FleetProgress,
    due,
    progress,
    under_way,
)
from octavia_anycast.planning.fleet.trouble import (
    CONNECTIONS_MIN,
    trouble,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=3)
SOON = NOW + timedelta(seconds=1)
POLICY = ClusterPolicy()
VIP = ip_address("198.51.100.10")
CHANGE = FleetChange(
    id="change", kind=ChangeKind.IMAGE, revision=7, soak=60, parallel=2
)


def amphora(id_, owner="lb1", **changes):
    return FleetAmphora(
        **{
            "id": id_,
            "load_balancer_id": owner,
            "status": AmphoraStatus.ALLOCATED,
            "fleet_revision": 6,
            "image_id": "old",
            "applied_at": BEFORE,
            "compute_id": f"server of {id_}",
        }
        | changes
    )


def new(id_, owner="lb1", **changes):
    since = {
        "fleet_revision": 7,
        "image_id": "new",
        "applied_at": NOW,
    }
    return amphora(id_, owner, **(since | changes))


def clusters(*sizes):
    return tuple(
        amphora(f"{n}{letter}", f"lb{n}")
        for n, size in enumerate(sizes, start=1)
        for letter in "abcdefgh"[:size]
    )


def fleet(*amphorae, **changes):
    return Fleet(amphorae=amphorae, **changes)


def marked(found, marks):
    """The fleet, after the marks were written."""
    return replace(
        found,
        amphorae=tuple(
            replace(
                one,
                **{
                    name: value
                    for name, value in marks.get(one.id, {}).items()
                    if name in FleetAmphora.__dataclass_fields__
                },
            )
            for one in found.amphorae
        ),
    )


# Who is due


def test_those_of_another_image_or_of_none_known():
    found = fleet(
        amphora("old"),
        amphora("unknown", image_id=None),
        amphora("same", image_id="new"),
        new("new"),
        amphora("leaves", leaving_since=NOW),
        amphora("boots", status=AmphoraStatus.BOOTING),
        amphora("dedicated", None),
        amphora("his", failover_wanted=True),
    )
    assert {one.id for one in due(CHANGE, found)} == {"old", "unknown"}


def test_one_of_no_known_image_is_held():
    found = fleet(amphora("1a", image_id=None), amphora("2a", "lb2"))
    step = advance(replace(CHANGE, canaries=0), found, POLICY, NOW)
    assert set(step.marks) == {"2a"}
    assert progress(CHANGE, found) == FleetProgress(waiting=1, held=1)
    host = replace(CHANGE, kind=ChangeKind.HOST, compute_host="h")
    there = fleet(amphora("1a", image_id=None, compute_host="h"))
    assert progress(host, there).held == 0


def test_before_the_first_one_boots_all_are():
    assert len(due(CHANGE, fleet(*clusters(2, 3)))) == 5


def test_those_of_a_host():
    change = replace(CHANGE, kind=ChangeKind.HOST, compute_host="h1")
    found = fleet(
        amphora("a", compute_host="h1"),
        amphora("b", compute_host="h2"),
        new("c", compute_host="h1"),
    )
    assert {one.id for one in due(change, found)} == {"a"}


# Canaries


def test_a_canary_gets_a_stand_in_in_the_largest_cluster():
    found = fleet(*clusters(1, 4, 2))
    step = advance(CHANGE, found, POLICY, NOW)
    assert step.change.canary_ids == ("2a",)
    assert set(step.marks) == {"2a"}
    assert step.marks["2a"]["stand_in_wanted"]
    assert step.marks["2a"]["fleet_change_id"] == "change"
    assert "failover_wanted" not in step.marks["2a"]
    assert set(step.change.baselines) == {"lb2"}


SERVES = Health(gate=GateState.UP, announced=frozenset({VIP}))


def canaries(*, health=None, new_one=None, **changes):
    """One canary whose stand-in serves."""
    change = replace(CHANGE, canary_ids=("1a",), baselines={"lb1": {}})
    old = amphora(
        "1a",
        **{
            "fleet_change_id": "change",
            "stand_in_wanted": True,
            "drain_wanted_since": NOW,
            "drained_at": NOW,
        }
        | changes,
    )
    said = {"1a": Health(), "1b": SERVES, "1n": SERVES} | (health or {})
    others = (amphora("1b"), new("1n", **(new_one or {})))
    found = fleet(old, *others, *clusters(0, 2, 2), health=said)
    return change, found


@pytest.mark.parametrize(
    ("seconds", "drained_at", "is_over"),
    [(59, NOW, False), (60, NOW, True), (3600, None, False)],
)
def test_a_canary_serves_for_a_while(seconds, drained_at, is_over):
    change, found = canaries(drained_at=drained_at)
    step = advance(change, found, POLICY, NOW + timedelta(seconds=seconds))
    assert step.change.is_proven is is_over
    assert bool(step.marks) is is_over
    if is_over:
        assert step.marks == {
            "1a": {"stand_in_wanted": False, "failover_wanted": True}
        }


GONE = {"status": AmphoraStatus.DELETED}


@pytest.mark.parametrize(
    "changes",
    [
        {"health": {"1n": Health(gate=GateState.UP)}},
        {"health": {"1n": replace(SERVES, gate=GateState.DOWN)}},
        {"health": {"1n": replace(SERVES, gate=None)}},
        {"health": {"1n": replace(SERVES, gate_since=SOON)}},
        {"new_one": {"applied_at": SOON}},
        {"new_one": {"applied_at": None}},
        {"new_one": {"status": AmphoraStatus.BOOTING}},
        GONE | {"new_one": {"applied_at": SOON}},
        GONE | {"new_one": {"status": AmphoraStatus.BOOTING}},
        GONE | {"health": {"1n": Health(gate=GateState.UP)}},
    ],
)
def test_what_does_not_serve_proves_nothing(changes):
    """Its gate is closed, it announces nothing, or not for long enough."""
    change, found = canaries(**changes)
    step = advance(change, found, POLICY, NOW + timedelta(seconds=60))
    assert not step.change.is_proven
    assert not any("failover_wanted" in one for one in step.marks.values())


def test_the_old_one_of_a_canary_died_and_the_new_one_proves_all_the_same():
    change, found = canaries(**GONE)
    early = advance(change, found, POLICY, NOW + timedelta(seconds=59))
    assert not early.change.is_proven
    step = advance(change, found, POLICY, NOW + timedelta(seconds=60))
    assert step.change.is_proven
    assert not step.marks


def without(found, owner):
    """The fleet, when a load balancer was deleted."""
    left = tuple(x for x in found.amphorae if x.load_balancer_id != owner)
    return replace(found, amphorae=left)


def test_a_canary_that_is_lost_is_replaced_and_proves_nothing():
    """Its load balancer is deleted, or no new one comes for an old one."""
    change, found = canaries(**GONE)
    no_new = replace(
        found, amphorae=tuple(x for x in found.amphorae if x.id != "1n")
    )
    for lost in (without(found, "lb1"), no_new):
        step = advance(change, lost, POLICY, NOW + timedelta(seconds=3600))
        assert not step.change.is_proven
        assert step.change.canary_ids == ("2a",)
        assert step.marks["2a"]["stand_in_wanted"]
    alone = without(without(without(found, "lb1"), "lb2"), "lb3")
    step = advance(change, alone, POLICY, NOW)
    assert step.change.state is ChangeState.DONE, "nothing is left"


def test_a_spare_proves_as_a_spare():
    change, found = canaries(
        new_one={"spare_since": NOW}, health={"1n": Health(gate=GateState.UP)}
    )
    step = advance(change, found, POLICY, NOW + timedelta(seconds=60))
    assert step.change.is_proven


def test_where_nobody_announces_a_canary_proves_if_its_old_one_waits():
    idle = Health(gate=GateState.UP)
    silent = {"1a": idle, "1b": idle, "1n": idle}
    later = NOW + timedelta(seconds=60)
    change, found = canaries(health=silent)
    assert advance(change, found, POLICY, later).change.is_proven
    change, found = canaries(health=silent, **GONE)
    step = advance(change, found, POLICY, later)
    assert not step.change.is_proven
    assert step.change.canary_ids == ("1b",), "another one is tried"


def test_without_canaries_all_begin():
    change = replace(CHANGE, canaries=0)
    step = advance(change, fleet(*clusters(2, 2, 2)), POLICY, NOW)
    assert set(step.marks) == {"1a", "2a"}, "two at the same time"
    for marks in step.marks.values():
        assert marks == {"fleet_change_id": "change", "failover_wanted": True}


def test_not_where_a_new_one_might_stand_by():
    found = fleet(*clusters(2, 4), amphora("2s", "lb2", spare_since=BEFORE))
    step = advance(CHANGE, found, POLICY, NOW)
    assert step.change.canary_ids == ("1a",)
    alone = fleet(amphora("2s", "lb2", spare_since=BEFORE), *clusters(0, 2))
    step = advance(CHANGE, alone, POLICY, NOW)
    assert step.change.canary_ids == ("2a",), "no spare by itself"


# Certificates


def test_certificates_canaries_alone_first():
    change = replace(CHANGE, kind=ChangeKind.CERTIFICATE, parallel=5)
    found = fleet(
        *clusters(1, 2, 3),
        amphora("4a", "lb4", drain_wanted_since=BEFORE),
        unmanaged=frozenset({"lb1"}),
    )
    step = advance(change, found, POLICY, NOW)
    assert step.renewals == ("3a",)
    assert step.marks == {}
    busy = after_renewals(change, [], NOW, renewed=0)
    assert not busy.is_proven, "nobody got one"
    proven = after_renewals(change, [], NOW, renewed=1)
    assert after_renewals(proven, [], NOW, renewed=0).is_proven
    assert set(advance(proven, found, POLICY, NOW).renewals) == {
        *("1a", "2a", "3a", "4a")
    }
    halted = after_renewals(change, ["disk full", "other"], NOW, renewed=1)
    assert (halted.state, halted.reason) == (ChangeState.HALTED, "disk full")
    aborted = replace(change, state=ChangeState.ABORTED)
    after = after_renewals(aborted, ["disk full"], NOW, renewed=0)
    assert after == aborted
    done = fleet(new("1a"), new("2a", "lb2"))
    step = advance(proven, done, POLICY, NOW)
    assert step.change.state is ChangeState.DONE
    assert progress(proven, done) == FleetProgress(replaced=2)


# The rest


PROVEN = replace(CHANGE, is_proven=True)


def test_one_of_each_cluster_and_no_more_than_parallel():
    found = fleet(*clusters(3, 3, 3))
    step = advance(PROVEN, found, POLICY, NOW)
    assert set(step.marks) == {"1a", "2a"}
    after = marked(found, step.marks)
    assert advance(step.change, after, POLICY, NOW).marks == {}
    gone = replace(
        after,
        amphorae=(
            *(
                replace(one, status=AmphoraStatus.DELETED)
                if one.id == "1a"
                else one
                for one in after.amphorae
            ),
            new("1n"),
        ),
    )
    step = advance(step.change, gone, POLICY, NOW)
    assert set(step.marks) == {"1b"}
    assert progress(step.change, gone) == FleetProgress(
        replaced=1, under_way=1, waiting=7
    )


def test_what_nobody_manages_or_a_zone_drain_has_is_held():
    found = fleet(
        *clusters(1),
        amphora("2a", "lb2", drain_wanted_since=NOW, zone_drain_id="zone"),
        unmanaged=frozenset({"lb1"}),
    )
    step = advance(PROVEN, found, POLICY, NOW)
    assert step.marks == {}
    assert step.change.state is ChangeState.RUNNING
    assert progress(PROVEN, found) == FleetProgress(held=2)


def test_at_the_end_it_is_done():
    found = fleet(
        new("1n"), amphora("1a", status=AmphoraStatus.DELETED), new("2n")
    )
    step = advance(PROVEN, found, POLICY, NOW)
    assert step.change.state is ChangeState.DONE
    assert step.change.ended_at == NOW


@pytest.mark.parametrize("state", [ChangeState.PAUSED, ChangeState.DONE])
def test_nothing_begins_when_it_is_not_to_run(state):
    change = replace(PROVEN, state=state)
    step = advance(change, fleet(*clusters(2, 2)), POLICY, NOW)
    assert step.marks == {}
    assert step.change == change


# Trouble


def watched(*amphorae, health=None, before=None, **changes):
    change = replace(PROVEN, baselines={"lb1": before or {}}, **changes)
    return change, fleet(*amphorae, health=health or {})


def test_a_boot_that_failed():
    change, found = watched(
        amphora("1a"),
        new(
            "1n",
            status=AmphoraStatus.ERROR,
            failed_at=NOW,
            reason="no bootable device",
        ),
    )
    step = advance(change, found, POLICY, NOW)
    assert step.change.state is ChangeState.HALTED
    assert step.change.reason == (
        "amphora 1n of load balancer lb1 did not come up: no bootable device"
    )
    assert step.marks == {}
    resumed = replace(change, watched_revision=8)
    assert trouble(resumed, found, POLICY, NOW) == ""


def halted(said, later=NOW):
    """One that halted for a new amphora, resumed; and the fleet."""
    change, found = watched(
        new("1n"),
        *clusters(1),
        health={"1n": said},
        before={"l": Counted(connections=100_000, errors=0)},
    )
    step = advance(change, found, POLICY, later)
    assert step.change.state is ChangeState.HALTED
    again = begun_again(step.change, found, 8)
    return replace(again, state=ChangeState.RUNNING, reason=""), found


def serving(connections, errors):
    return Health(
        gate=GateState.UP,
        counted={"l": Counted(connections=connections, errors=errors)},
    )


def test_resumed_after_errors_it_counts_from_there():
    change, found = halted(serving(1000, 50))
    for connections, errors, state in (
        (1000, 50, ChangeState.RUNNING),
        (3000, 50, ChangeState.RUNNING),
        (3000, 90, ChangeState.HALTED),
    ):
        now = replace(found, health={"1n": serving(connections, errors)})
        later = NOW + timedelta(hours=1)
        step = advance(change, now, POLICY, later)
        assert step.change.state is state, step.change.reason


def test_resumed_after_a_closed_gate_it_watches_the_next_ones():
    later = NOW + timedelta(hours=1)
    closed = Health(gate=GateState.DOWN, gate_since=NOW)
    change, found = halted(closed, later)
    assert trouble(change, found, POLICY, later) == ""
    more = replace(
        found,
        amphorae=(*found.amphorae, new("1m", fleet_revision=8)),
        health={"1n": closed, "1m": closed},
    )
    assert "amphora 1m" in trouble(change, more, POLICY, later)


def test_resumed_without_proof_it_begins_anew():
    change, found = canaries()
    again = begun_again(change, found, 8)
    assert again.canary_ids == ()
    assert again.baselines == again.offsets == {}
    assert again.revision == again.watched_revision == 8


@pytest.mark.parametrize(
    ("changes", "is_wrong"),
    [
        ({}, True),
        ({"compute_id": None}, False),
        ({"compute_id": None, "is_refused": True}, True),
        ({"status": AmphoraStatus.DELETED}, True),
    ],
)
def test_a_server_that_nobody_ordered_says_nothing(changes, is_wrong):
    """The controller died at that moment, or Nova did not answer."""
    failed = {"status": AmphoraStatus.ERROR, "failed_at": NOW} | changes
    change, found = watched(new("1n", **failed))
    assert bool(trouble(change, found, POLICY, NOW)) is is_wrong


@pytest.mark.parametrize("owner", ["lb1", "lb2"])
def test_others_troubles_do_not_matter(owner):
    failed = {"status": AmphoraStatus.ERROR, "failed_at": NOW}
    change, found = watched(
        amphora("a", owner, **failed), new("b", "lb2", **failed)
    )
    assert trouble(change, found, POLICY, NOW) == ""


@pytest.mark.parametrize(
    ("gate", "seconds", "is_wrong"),
    [
        (GateState.DOWN, 29, False),
        (GateState.DOWN, 30, True),
        (GateState.RISING, 31, True),
        (GateState.UP, 999, False),
        (GateState.FALLING, 999, False),
        (GateState.DISABLED, 999, False),
        (None, 999, False),
    ],
)
def test_a_gate_that_stays_closed(gate, seconds, is_wrong):
    change, found = watched(
        new("1n"),
        health={"1n": Health(gate=gate, gate_since=NOW, gate_reason="why")},
    )
    at = NOW + timedelta(seconds=seconds)
    assert bool(trouble(change, found, POLICY, at)) is is_wrong


def counted(connections, errors, failed=0):
    count = Counted(connections=connections, errors=errors, failed=failed)
    return {"l": count}


@pytest.mark.parametrize(
    ("before", "after", "is_wrong"),
    [
        (counted(1000, 0), counted(1000, 0), False),
        (counted(1000, 0), counted(CONNECTIONS_MIN - 1, 99), False),
        (counted(1000, 0), counted(1000, 10), False),
        (counted(1000, 0), counted(1000, 11), True),
        (counted(1000, 100), counted(1000, 200), False),
        (counted(1000, 100), counted(1000, 220), True),
        ({}, counted(1000, 20), True),
        (counted(1000, 0, 100), counted(1000, 0, 200), False),
        (counted(1000, 0, 100), counted(1000, 0, 220), True),
        (counted(1000, 0), counted(1000, 0, 1000), True),
        (counted(1000, 0), counted(CONNECTIONS_MIN - 1, 0, 99), False),
        ({}, counted(1000, 0, 20), True),
        # An older image did not count them.
        (counted(1000, 0, None), counted(1000, 0, 500), False),
        (counted(1000, 0, None), counted(1000, 0, 501), True),
        (counted(1000, 0, 0), counted(1000, 0, None), False),
        (counted(1000, 0, None), counted(1000, 11, None), True),
    ],
)
def test_more_errors_than_before(before, after, is_wrong):
    change, found = watched(
        amphora("1a"),
        new("1n"),
        new("1m"),
        before=before,
        health={
            "1a": Health(counted=counted(1000, 900)),
            "1n": Health(counted=after),
        },
    )
    why = trouble(change, found, POLICY, NOW)
    assert bool(why) is is_wrong
    if is_wrong:
        assert why.startswith("listener l of load balancer lb1: ")


def test_what_was_before_is_kept_of_those_under_way():
    found = fleet(
        *clusters(2, 2),
        health={
            "1a": Health(counted=counted(10, 1)),
            "1b": Health(counted=counted(20, 2)),
        },
    )
    step = advance(PROVEN, found, POLICY, NOW)
    assert step.change.baselines == {"lb1": counted(30, 3), "lb2": {}}


# Back


def test_a_canary_is_taken_back_before_the_new_one_leaves():
    change, found = canaries()
    stopped = replace(change, state=ChangeState.HALTED, stopped_at=NOW)
    step = advance(stopped, found, POLICY, NOW)
    assert set(step.marks) == {"1a"}
    assert step.marks["1a"]["drain_wanted_since"] is None
    assert "stand_in_wanted" not in step.marks["1a"]
    found = replace(
        marked(found, step.marks), health={"1n": Health(announced={VIP})}
    )
    assert advance(stopped, found, POLICY, NOW).marks == {}
    for is_late in (False, True):
        at = NOW + timedelta(seconds=RETURN_SECONDS if is_late else 1)
        back = found
        if not is_late:
            health = {**found.health, "1a": Health(announced={VIP})}
            back = replace(found, health=health)
        step = advance(stopped, back, POLICY, at)
        assert step.marks == {
            "1a": {"stand_in_wanted": False, "fleet_change_id": None},
            "1n": {"failover_wanted": True},
        }
    after = marked(back, step.marks)
    assert advance(stopped, after, POLICY, NOW).marks == {}


def test_what_has_not_begun_to_leave_stays():
    change = replace(PROVEN, state=ChangeState.ABORTED, stopped_at=NOW)
    found = fleet(
        amphora("1a", fleet_change_id="change", failover_wanted=True),
        amphora(
            "2a",
            "lb2",
            fleet_change_id="change",
            failover_wanted=True,
            leaving_since=NOW,
        ),
        amphora("3a", "lb3", failover_wanted=True),
    )
    step = advance(change, found, POLICY, NOW)
    assert step.marks == {
        "1a": {"failover_wanted": False, "fleet_change_id": None}
    }


# Requests


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": ChangeKind.HOST}, "compute_host"),
        ({"compute_host": "h1"}, "compute_host"),
        ({"kind": ChangeKind.HOST, "compute_host": " "}, "compute_host"),
        ({"canaries": -1}, "canaries"),
        ({"canaries": 33}, "canaries"),
        ({"parallel": 0}, "parallel"),
        ({"parallel": 101}, "parallel"),
        ({"soak": -1}, "soak"),
    ],
)
def test_what_is_refused(changes, field):
    with pytest.raises(InvalidRequest) as refusal:
        FleetChangeRequest(**({"kind": ChangeKind.IMAGE} | changes))
    assert refusal.value.field == field


# Histories


def booted(found, owner, number):
    """A new one serves."""
    fresh = new(f"n{number}", owner)
    return replace(
        found,
        amphorae=(*found.amphorae, fresh),
        health={**found.health, fresh.id: SERVES},
    )


def replaced(found, one, number):
    """What the look at its cluster has made of a mark.

    The new one of a canary serves already.
    """
    gone = replace(one, status=AmphoraStatus.DELETED)
    others = tuple(x for x in found.amphorae if x.id != one.id)
    found = replace(found, amphorae=(*others, gone))
    if one.drained_at is not None:
        return found
    return booted(found, one.load_balancer_id, number)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(min_value=1, max_value=5), max_size=6),
    parallel=st.integers(min_value=1, max_value=4),
    canary_count=st.integers(min_value=0, max_value=3),
    choices=st.lists(st.integers(min_value=0, max_value=9), max_size=40),
)
def test_any_fleet_is_replaced_with_no_more_under_way_than_allowed(
    sizes, parallel, canary_count, choices
):
    """Whichever finishes first: each once, and one of a cluster at a time."""
    change = replace(CHANGE, parallel=parallel, canaries=canary_count, soak=0)
    found = fleet(*clusters(*sizes))
    picks = iter(choices)
    for number in range(200):
        step = advance(change, found, POLICY, NOW)
        change, found = step.change, marked(found, step.marks)
        busy = under_way(change, found)
        owners = [one.load_balancer_id for one in busy]
        assert len(set(owners)) == len(owners)
        limit = parallel
        if not change.is_proven:
            limit = max(parallel, canary_count)
        assert len(busy) <= max(limit, len(change.canary_ids))
        if change.state is not ChangeState.RUNNING:
            break
        moving = [
            one
            for one in busy
            if one.failover_wanted or one.drained_at is None
        ]
        if not moving:
            continue
        one = moving[next(picks, 0) % len(moving)]
        if one.stand_in_wanted and one.drained_at is None:
            found = marked(found, {one.id: {"drained_at": NOW}})
            found = booted(found, one.load_balancer_id, number)
        elif one.failover_wanted:
            found = replaced(found, one, number)
    assert change.state is ChangeState.DONE
    there = [one for one in found.amphorae if one.is_there]
    assert len(there) == sum(sizes)
    assert all(one.image_id == "new" for one in there)


@pytest.mark.parametrize("state", [ChangeState.HALTED, ChangeState.ABORTED])
def test_one_that_somebody_else_took_is_let_go(state):
    """Or the change would never be over, nor could be resumed."""
    change, found = canaries(stand_in_wanted=False)
    stopped = replace(change, state=state, stopped_at=NOW)
    step = advance(stopped, found, POLICY, NOW)
    assert step.marks == {"1a": {"fleet_change_id": None}}
    assert under_way(stopped, marked(found, step.marks)) == ()


def test_an_abort_fails_one_over_for_each_canary():
    """The user has scaled out meanwhile: what came later is his."""
    change, found = canaries(drain_wanted_since=None, drained_at=None)
    scaled = replace(
        found,
        amphorae=(*found.amphorae, new("1o"), new("1p")),
        health={},
    )
    aborted = replace(change, state=ChangeState.ABORTED, stopped_at=NOW)
    step = advance(aborted, scaled, POLICY, NOW)
    assert set(step.marks) == {"1a", "1n"}


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_it_is_not_done_while_an_old_one_boots(kind):
    change = replace(PROVEN, kind=kind)
    boots = amphora("2a", "lb2", status=AmphoraStatus.BOOTING, image_id=None)
    step = advance(change, fleet(new("1n"), boots), POLICY, NOW)
    assert step.change.state is ChangeState.RUNNING
    now_new = replace(boots, fleet_revision=7)
    step = advance(change, fleet(new("1n"), now_new), POLICY, NOW)
    assert step.change.state is ChangeState.DONE


def test_an_image_that_is_not_known_is_nobodys_new_one():
    found = fleet(
        new("1n", image_id=""),
        amphora("1a", image_id=""),
        amphora("2a", "lb2", image_id="old"),
    )
    assert {one.id for one in due(CHANGE, found)} == {"1a", "2a"}


def test_an_agent_that_is_silent_holds_up_no_other_certificate():
    change = replace(PROVEN, kind=ChangeKind.CERTIFICATE, parallel=1)
    found = fleet(*clusters(2, 1), silent=frozenset({"1a"}))
    assert advance(change, found, POLICY, NOW).renewals == ("1b",)
    assert progress(change, found) == FleetProgress(waiting=2, held=1)
    rest = replace(found, amphorae=(amphora("1a"), new("1b")))
    step = advance(change, rest, POLICY, NOW)
    assert step.change.state is ChangeState.RUNNING
    assert step.change.reason == (
        "1 amphorae are held, whose agents do not answer; one is 1a"
    )
    again = advance(
        step.change, replace(rest, silent=frozenset()), POLICY, NOW
    )
    assert again.renewals == ("1a",)
    assert again.change.reason == ""
