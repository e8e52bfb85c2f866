# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events: what is told of a look, once, and how much of what flaps."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.monitoring.event import EventKind, Owner
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    Probe,
    ProbeReport,
    ProbeVerdict,
    SessionReport,
)
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.events import (
    CHANGES_MAX,
    WINDOW_SECONDS,
    deletion_of,
    news_of,
)
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

OWNER = Owner(
    distributor_id="distributor", load_balancer_id="lb", project_id="p"
)
LEAF = "172.31.0.11"
SIZE = ClusterSize(desired=1)


class Watch:
    """Looks at one amphora of a world, and remembers what was told."""

    def __init__(self):
        self.world = World(desired=desired_cluster(size=1))
        self.world.run(30)
        self.sessions = ()
        self.gate = None
        self.told = None
        self.changes = {}
        self.is_mute = False
        self.of_report = {}

    def look(self, seconds=1):
        """What is told now, as (kind, from, to, cause)."""
        return [
            (e.kind.value, e.from_state, e.to_state, e.cause)
            for e in self.events(seconds)
        ]

    def events(self, seconds=1):
        self.world.now += timedelta(seconds=seconds)
        observed = self.world.observe()
        (seen,) = observed.amphorae
        report = replace(seen.report, sessions=self.sessions, **self.of_report)
        if self.gate is not None:
            report = replace(report, gate=self.gate)
        seen = replace(
            seen,
            record=replace(seen.record, told=self.told, **self.changes),
            report=None if self.is_mute else report,
        )
        group = Cluster(
            self.world.desired,
            replace(observed, amphorae=(seen,)),
            self.world.now,
        )
        news = news_of(OWNER, group)
        self.told = news.told.get(seen.record.id, self.told)
        return news.events

    def session(self, state=SessionState.ESTABLISHED, error="", peer="leaf1"):
        self.sessions = (
            SessionReport(
                peer_id=peer,
                peer_ip=ip_address(LEAF),
                state=state,
                since=None,
                error=error,
            ),
        )

    def close_gate(self, reason="process: haproxy is stopped", **of_probe):
        evidence = (
            ProbeReport(
                probe=Probe.LISTENERS,
                verdict=ProbeVerdict.BAD,
                value="198.51.100.10:80 does not accept",
                since=self.world.now,
            ),
        )
        self.gate = GateReport(
            state=GateState.DOWN,
            reason=reason,
            since=self.world.now,
            evidence=evidence,
        )


@pytest.fixture
def watch():
    """One that serves, and of which all is told."""
    watch = Watch()
    watch.session()
    watch.look()
    return watch


def test_of_an_amphora_of_an_older_release_nothing_is_news():
    watch = Watch()
    watch.session()
    assert watch.look() == []
    assert watch.told is not None


def test_of_a_new_one_everything_is(watch):
    new = Watch()
    new.changes = {"applied_revision": "", "partial_revision": ""}
    new.session()
    assert [kind for kind, *_ in new.look()] == [
        "amphora.phase",
        "gate.open",
        "amphora.announced",
        "session.up",
    ]


def test_nothing_is_told_twice(watch):
    before = watch.told
    assert watch.look() == []
    assert watch.told is before


def test_a_session_that_is_lost_is_told_with_what_the_daemon_says(watch):
    watch.session(SessionState.ACTIVE, "Received: Cease")
    assert watch.look() == [
        ("session.down", "up", "down", "Received: Cease"),
    ]
    watch.session(SessionState.CONNECT, "")
    assert watch.look() == []
    watch.session()
    (event,) = watch.events()
    assert (event.kind, event.peer_id) == (EventKind.SESSION_UP, "leaf1")
    assert str(event.peer_ip) == LEAF
    assert event.owner == OWNER


def test_a_session_that_never_was_up_is_told_when_it_says_why(watch):
    watch.session(SessionState.CONNECT, peer="leaf2")
    assert [e[1:3] for e in watch.look()] == [("up", "down")]  # leaf1 is gone
    watch.session(SessionState.CONNECT, "No route to host", peer="leaf2")
    assert watch.look() == [
        ("session.down", "down", "down", "No route to host")
    ]


def test_what_is_not_known_is_not_told(watch):
    watch.session(SessionState.UNKNOWN)
    assert watch.look() == []
    watch.is_mute = True
    assert watch.look() == []
    watch.is_mute = False
    watch.session()
    assert watch.look() == []


def test_an_agent_that_began_anew_has_lost_nothing(watch):
    """It knows of no session until the BGP daemon answers."""
    before, established = watch.told, watch.sessions
    watch.sessions = ()
    watch.of_report = {"are_speakers_loaded": False, "paths": ()}
    assert watch.look() == []
    watch.of_report = {"are_speakers_loaded": False}
    watch.sessions = established
    assert watch.look() == []
    watch.of_report = {}
    assert watch.look() == []
    assert watch.told == before


def test_a_peer_that_is_taken_away_and_what_no_peer_has(watch):
    """The control of the test above."""
    watch.sessions = ()
    watch.of_report = {"paths": ()}
    assert watch.look() == [
        ("amphora.withdrawn", "announced", "withdrawn", ""),
        (
            "session.down",
            "up",
            "down",
            "this is no peer of the amphora any more",
        ),
    ]
    assert watch.look() == []


def test_a_gate_that_closes_is_told_with_its_evidence(watch):
    watch.close_gate()
    assert watch.look() == [
        (
            "gate.closed",
            "open",
            "closed",
            "process: haproxy is stopped; "
            "listeners: 198.51.100.10:80 does not accept",
        )
    ]
    watch.gate = replace(watch.gate, state=GateState.RISING)
    assert watch.look() == []
    watch.gate = replace(
        watch.gate, state=GateState.UP, reason="", evidence=()
    )
    assert watch.look() == [("gate.open", "closed", "open", "")]


def test_a_gate_that_begins_anew_has_not_closed(watch):
    before = watch.told
    for state in (GateState.INIT, GateState.RISING, GateState.UP):
        watch.gate = GateReport(
            state=state, reason="1 of 3 good samples", since=watch.world.now
        )
        assert watch.look() == []
    assert watch.told == before
    watch.close_gate()
    assert [kind for kind, *_ in watch.look()] == ["gate.closed"]


def test_phases_are_told(watch):
    watch.close_gate()
    watch.look()
    watch.changes = {"drain_wanted_since": watch.world.now}
    assert (
        "amphora.phase",
        "serving",
        "drained",
        "to be drained by wish",
    ) in (watch.look())


def test_a_deletion_that_is_tried_again_is_no_failure(watch):
    watch.changes = {
        "status": AmphoraStatus.PENDING_DELETE,
        "reason": "scaled in",
    }
    assert watch.look() == []
    assert watch.told["phase"].state == "serving"
    watch.told = {}
    assert watch.look()[0] == ("amphora.phase", "", "failed", "scaled in")


def test_a_drain_is_told_from_its_begin_to_its_end(watch):
    now = watch.world.now
    watch.changes = {"leaving_since": now, "reason": "scaled in"}
    assert [k for k, *_ in watch.look()] == ["amphora.phase"]
    watch.changes |= {"draining_since": now}
    (begin,) = watch.look()
    assert begin[:3] == ("drain.begin", "PENDING", "DRAINING")
    assert begin[3].startswith("scaled in; ")
    watch.changes |= {"drained_at": now}
    assert watch.look()[0][:3] == ("drain.end", "DRAINING", "DRAINED")
    watch.changes = {}
    assert ("drain.end", "DRAINED", "NONE", "it is in service again") in (
        watch.look()
    )


def test_a_drain_that_did_not_begin_does_not_end(watch):
    watch.changes = {
        "drain_wanted_since": watch.world.now,
        "drain_deadline": watch.world.now,
    }
    watch.look()
    assert watch.told["drain"].state == "PENDING"
    watch.changes = {}
    assert [kind for kind, *_ in watch.look()] == ["amphora.phase"]
    assert watch.told["drain"].state == "NONE"


def test_a_spare_is_told_when_it_is_ready_and_when_it_is_taken(watch):
    watch.changes = {"spare_since": watch.world.now}
    assert [k for k, *_ in watch.look()] == ["spare.ready"]
    watch.changes = {}
    assert [(k, cause) for k, _, _, cause in watch.look()] == [
        ("spare.taken", "it serves")
    ]


def test_the_failover_of_one_amphora_is_told(watch):
    watch.changes = {"failover_wanted": True}
    assert [k for k, *_ in watch.look()] == ["failover"]
    watch.changes = {}
    assert watch.look() == []


def flap(watch, times):
    """Have the session change so often, a second each; what is told."""
    events = []
    for number in range(times):
        is_up = number % 2
        watch.session(
            SessionState.ESTABLISHED if is_up else SessionState.IDLE,
            "" if is_up else "Hold timer expired",
        )
        events += watch.events()
    return events


def test_what_flaps_is_told_so_often_and_then_summed_up(watch):
    assert len(flap(watch, 101)) == CHANGES_MAX
    assert watch.events() == ()

    (event,) = watch.events(WINDOW_SECONDS)

    assert event.kind == EventKind.SESSION_DOWN
    assert event.change_count == 101 - CHANGES_MAX
    assert event.cause == (
        "94 changes before this one were not told; Hold timer expired"
    )
    assert watch.events() == ()
    # It may be told again.
    watch.session()
    (event,) = watch.events()
    assert (event.kind, event.change_count) == (EventKind.SESSION_UP, 1)


def test_no_change_is_lost_however_it_flaps(watch):
    events = flap(watch, 2400)
    events += watch.events(WINDOW_SECONDS)
    assert sum(event.change_count for event in events) == 2400
    assert len(events) <= (2400 / WINDOW_SECONDS + 1) * (CHANGES_MAX + 1)


def test_events_of_one_look_keep_their_order(watch):
    watch.close_gate()
    watch.session(SessionState.IDLE, "Cease")
    watch.changes = {"spare_since": watch.world.now}
    times = [event.at for event in watch.events()]
    assert len(times) == 3
    assert times == sorted(set(times))


def test_what_an_agent_says_fits_its_columns(watch):
    """Any agent: no words of one hold up its load balancer."""
    (leaf,) = watch.sessions
    watch.sessions = (
        replace(
            leaf,
            peer_ip=ip_address("fe80::1%" + "a" * 60),
            state=SessionState.IDLE,
            error="\ud800 Cease",
        ),
        replace(leaf, peer_id="p" * 40),
        replace(leaf, peer_id="unknown"),
    )
    (event,) = watch.events()
    assert (event.peer_id, str(event.peer_ip)) == ("leaf1", LEAF)
    assert event.cause == "? Cease"
    assert [s for s in watch.told if s.startswith("session:")] == [
        "session:leaf1"
    ]


def test_a_peer_that_it_has_still_is_not_gone(watch):
    """An amphora keeps its peers until it is given others."""
    desired = watch.world.desired
    watch.world.desired = replace(
        desired, distributor=replace(desired.distributor, speakers=())
    )
    assert watch.look() == []
    watch.sessions = ()
    assert [kind for kind, *_ in watch.look()] == ["session.down"]


def test_a_long_cause_is_cut(watch):
    watch.session(SessionState.IDLE, "x" * 5000)
    (event,) = watch.events()
    assert event.cause == "x" * 1024


def cluster(**changes):
    record = ClusterRecord(
        load_balancer_id="lb", project_id="p", distributor_id="d", size=SIZE
    )
    return replace(record, **changes)


def of_cluster(watch, record, status="ONLINE", reason=""):
    group = Cluster(
        watch.world.desired, watch.world.observe(), watch.world.now
    )
    return news_of(
        OWNER, replaced(group), record, status=status, reason=reason
    )


def replaced(group):
    group.members = ()
    return group


def test_sizes_failovers_and_statuses_are_told(watch):
    first = of_cluster(watch, cluster())
    assert first.events == ()
    told = first.owner_told
    assert not of_cluster(watch, cluster(told=told))

    changed = cluster(
        told=told,
        size=ClusterSize(desired=3),
        failover_generation=1,
        request_id="req-7",
    )
    news = of_cluster(watch, changed, "DEGRADED", "1 of 3 amphorae announcing")

    assert [
        (e.kind.value, e.from_state, e.to_state, e.cause) for e in news.events
    ] == [
        ("scale", "1", "3", "its size was changed by request req-7"),
        (
            "failover",
            "0",
            "1",
            "the failover of all its amphorae was asked for by request req-7",
        ),
        ("status", "ONLINE", "DEGRADED", "1 of 3 amphorae announcing"),
    ]
    assert all(e.amphora_id is None for e in news.events)


def test_autoscaling_says_why(watch):
    told = of_cluster(watch, cluster()).owner_told
    news = of_cluster(
        watch,
        cluster(
            told=told,
            size=ClusterSize(desired=2),
            scaling_reason="scaled out to 2: 190 % of the target",
        ),
    )
    (event,) = news.events
    assert event.cause == "scaled out to 2: 190 % of the target"


def test_a_deleted_amphora_is_told_with_its_last_phase(watch):
    (seen,) = watch.world.observe().amphorae
    record = replace(seen.record, told=watch.told)
    event = deletion_of(OWNER, record, "scaled in", watch.world.now)
    assert (event.from_state, event.to_state) == ("serving", "deleted")
    assert (event.cause, event.amphora_id) == ("scaled in", record.id)
