# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer at rest: nobody is asked while heartbeats say what is known.

What heartbeats bring is given to the process here; ``test_heartbeats.py``
sends some over a socket.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from octavia.db import models

from octavia_anycast.controller.cluster.caches import QUIET
from octavia_anycast.controller.cluster.cluster_watch import ClusterWatch
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.model.housekeeping import (
    Finding,
    Orphan,
    OrphanKind,
    Outcome,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction
from octavia_anycast.planning.housekeeping import Loss
from octavia_anycast.tests.functional.controller.distributor import (
    test_distributor_lifecycle as lifecycle,
)
from octavia_anycast.tests.functional.controller.metrics import (
    test_controller as metrics,
)

INTERVAL = 3.0


@pytest.fixture
def resting(stage):
    """A cluster of two that rests."""
    stage.run()
    stage.add_listener()
    with stage.api.database.transaction() as session:
        # Its secrets change with time, and each change is something to do.
        clusters.update(session, stage.load_balancer_id, flow_rescue=False)
    stage.run()
    # Octavia's rows have the time of the wall.
    stage.cloud.now = datetime.now(UTC) + 2 * QUIET
    look(stage)
    pass_time(stage)
    assert look(stage).rest_seconds == 180.0
    return stage


def look(stage):
    result = stage.controller.reconcile(stage.load_balancer_id)
    assert stage.controller.errors == []
    return result


def rests(stage):
    return stage.controller.world.at_rest


def hear(stage, *beats):
    """Heartbeats arrive, of all living amphorae unless others are given."""
    now = stage.cloud.clock()
    return rests(stage).hear(
        (beat, now) for beat in beats or stage.cloud.beats()
    )


def pass_time(stage, seconds=INTERVAL):
    stage.cloud.pass_time(seconds)
    return hear(stage)


def woken(stage, watch=None):
    """Who is to be looked at, besides those in PENDING_*."""
    found = []
    watch = watch or ClusterWatch(stage.controller.world)
    watch._scan_due = watch._asked_due = 0.0
    watch.pending(found.append)
    return set(found)


def test_at_rest_all_is_quiet(resting):
    for _ in range(20):
        heard = pass_time(resting)
        assert heard.ended == set()
    assert rests(resting).overdue(resting.cloud.clock()) == set()


def test_a_gate_that_closes_ends_it(resting):
    machine = resting.cloud.announcers(resting.load_balancer_id)[0]
    machine.sockets = frozenset()
    assert pass_time(resting).ended == {resting.load_balancer_id}
    result = look(resting)
    assert result.rest_seconds == 0.0
    assert resting.show()["operating_status"] != "ONLINE"


def test_a_session_that_is_lost_ends_it(resting):
    machine = resting.cloud.announcers(resting.load_balancer_id)[0]
    resting.cloud.cut_sessions.add(machine.amphora_id)
    assert pass_time(resting).ended == {resting.load_balancer_id}


def test_an_agent_that_hangs_ends_it(resting):
    """Its heartbeats go on: another process sends them."""
    machine = resting.cloud.announcers(resting.load_balancer_id)[0]
    machine.is_agent_hung = True
    assert pass_time(resting).ended == {resting.load_balancer_id}


def test_heartbeats_that_do_not_come_end_it(resting):
    victim = resting.cloud.announcers(resting.load_balancer_id)[0]
    victim.has_power = False
    pass_time(resting)
    assert woken(resting) == set()
    pass_time(resting)
    assert woken(resting) == {resting.load_balancer_id}
    look(resting)
    assert rests(resting).amphorae() == {}


def test_an_older_agent_is_asked_as_ever(resting):
    machine = resting.cloud.announcers(resting.load_balancer_id)[0]
    machine.knows_digests = False
    assert pass_time(resting).ended == {resting.load_balancer_id}
    result = look(resting)
    assert result.is_settled
    assert result.rest_seconds == 0.0


def test_a_status_that_somebody_wrote_ends_it(resting):
    watch = ClusterWatch(resting.controller.world)
    assert woken(resting, watch) == set()
    table = models.LoadBalancer
    with transaction() as session:
        session.query(table).filter(
            table.id == resting.load_balancer_id
        ).update({"provisioning_status": "ERROR"})
    assert woken(resting, watch) == {resting.load_balancer_id}


def test_a_change_ends_it(resting):
    resting.add_listener(81)
    watch = ClusterWatch(resting.controller.world)
    found = watch.pending(str)
    assert found == {resting.load_balancer_id: "PENDING"}
    resting.run()
    ports = {
        port
        for machine in resting.cloud.announcers(resting.load_balancer_id)
        for _, port in machine.sockets
    }
    assert ports == {80, 81}


def test_a_change_waits_for_the_next_poll_and_for_one_look(resting):
    """And for no scan, no heartbeat and no other look."""
    watch = ClusterWatch(resting.controller.world)
    watch.pending(str)
    watch._scan_due = watch._asked_due = math.inf
    with transaction() as session:
        session.query(models.LoadBalancer).update(
            {"provisioning_status": "PENDING_UPDATE"}
        )
    found = watch.pending(str)
    assert found == {resting.load_balancer_id: "PENDING"}
    look(resting)
    assert resting.show()["provisioning_status"] == "ACTIVE"


def test_a_listener_is_settled_by_the_look_that_makes_it(resting):
    resting.add_listener(81)
    look(resting)
    assert resting.show()["provisioning_status"] == "ACTIVE"
    assert {
        port
        for machine in resting.cloud.announcers(resting.load_balancer_id)
        for _, port in machine.sockets
    } == {80, 81}


def test_what_users_ask_for_in_our_tables_waits_for_no_scan(resting):
    """A change of size, and a wish for one amphora."""
    world = resting.controller.world
    watch, load_balancer_id = ClusterWatch(world), resting.load_balancer_id
    assert woken(resting, watch) == set()
    (first, *_) = stored(resting)

    def size():
        with resting.api.database.transaction() as session:
            clusters.update(
                session, load_balancer_id, changed_at=resting.cloud.clock()
            )

    def wish():
        with resting.api.database.transaction() as session:
            amphorae.update(session, first.amphora_id, failover_wanted=True)

    for ask in (size, wish):
        ask()
        found = []
        watch._scan_due, watch._asked_due = math.inf, 0.0
        watch.pending(found.append)
        assert found == [load_balancer_id]


@pytest.fixture
def others_watch(resting):
    """Of the controller that looks after it: another one does the sweep."""
    watch = ClusterWatch(resting.controller.world)
    assert woken(resting, watch) == set()
    return watch


def test_what_the_sweep_makes_good_is_looked_at_by_its_owner(
    resting, others_watch
):
    sweep = Sweep(resting.controller.world)
    loss = Loss(
        load_balancer_id=resting.load_balancer_id,
        what="its security group",
    )
    sweep._make_good((loss,))
    assert woken(resting, others_watch) == set(), "seen once is not lost"
    sweep._make_good((loss,))
    assert woken(resting, others_watch) == {resting.load_balancer_id}


def test_a_path_that_nobody_wants_is_looked_at_by_its_owner(
    resting, others_watch
):
    (first, *_) = stored(resting)
    orphan = Orphan(
        kind=OrphanKind.PATH,
        id="203.0.113.9",
        amphora_id=first.amphora_id,
        reason="nobody wants it",
        since=None,
    )
    finding = Finding(orphan=orphan, outcome=Outcome.FOUND)
    done = Sweep(resting.controller.world)._remove(finding)
    assert done.outcome is Outcome.DONE
    assert woken(resting, others_watch) == {resting.load_balancer_id}


def test_two_changes_of_the_distributor_in_a_row_end_it(resting):
    """The second one reaches the amphorae as soon as the first one."""
    lifecycle.settle(resting)
    notice = resting.controller.distributors.pending
    notice(str)
    for med in (42, 43):
        lifecycle.change_peer(resting, availability_zone=None, med=med)
        assert look(resting).rest_seconds == 0.0
        found = []
        notice(found.append)
        assert found == [resting.load_balancer_id]
        shown = lifecycle.settle(resting)
        assert shown["provisioning_status"] == "ACTIVE"


def test_without_the_option_nobody_rests(resting):
    world = resting.controller.world
    settings = replace(world.settings, rest_interval=0.0)
    reconciler = resting.controller._reconciler
    reconciler._world = replace(world, settings=settings)
    assert look(resting).rest_seconds == 0.0
    assert rests(resting).amphorae() == {}


def stored(stage):
    with stage.api.database.transaction() as session:
        return reports.list_for_load_balancer(session, stage.load_balancer_id)


def test_a_confirmed_report_is_fresh_and_the_same(resting):
    before = stored(resting)
    confirmed = set()
    for _ in range(4):
        confirmed |= pass_time(resting).confirmed
    assert confirmed == {one.amphora_id for one in before}
    now = resting.cloud.clock()
    with resting.api.database.transaction() as session:
        reports.confirm(session, confirmed, now)
    after = stored(resting)
    assert [one.reported_at for one in after] == [now, now]
    assert [one.report for one in after] == [one.report for one in before]


def test_a_confirmation_makes_no_report_older(resting):
    (first, _) = stored(resting)
    earlier = first.reported_at - timedelta(seconds=5)
    with resting.api.database.transaction() as session:
        reports.confirm(session, [first.amphora_id], earlier)
    assert stored(resting)[0] == first


def test_active_connections_are_counted_at_rest(resting):
    cloud, store = resting.cloud, resting.controller.store
    listener_id = resting.show()["listeners"][0]["id"]
    reporter = resting.controller._reconciler._reporter
    for count in (3, 5):
        cloud.pass_time(10.0)
        for beat in cloud.beats():
            told = replace(
                beat,
                listeners=(
                    ListenerBeat(
                        listener_id=listener_id,
                        status="OPEN",
                        active_connections=count,
                    ),
                ),
            )
            store.put(told, cloud.clock())
            hear(resting, told)
        reporter.count_at_rest()
        assert cloud.active[listener_id] == 2 * count


def test_who_is_not_at_rest_is_counted_by_its_looks(resting):
    rests(resting).end(resting.load_balancer_id)
    beat = Heartbeat(amphora_id="unknown")
    assert hear(resting, beat).ended == set()
    resting.cloud.pass_time(60.0)
    before = dict(resting.cloud.active)
    resting.controller._reconciler._reporter.count_at_rest()
    assert resting.cloud.active == before


def test_a_scrape_counts_those_at_rest(resting):
    assert metrics.scrape(resting).value("load_balancers_at_rest") == 1
    rests(resting).end(resting.load_balancer_id)
    assert metrics.scrape(resting).value("load_balancers_at_rest") == 0
