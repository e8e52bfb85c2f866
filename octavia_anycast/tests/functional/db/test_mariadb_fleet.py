# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains and fleet changes on a private MariaDB, as on SQLite."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.fleet import changes, revision, zone_drains
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
    DrainLimits,
)
from octavia_anycast.model.errors import AnycastError, Conflict
from octavia_anycast.model.fleet.change import (
    ChangeKind,
    ChangeState,
    Counted,
    FleetChangeRequest,
)
from octavia_anycast.model.fleet.zone_drain import (
    Holder,
    Place,
    ZoneDrainRequest,
)
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db import test_records as records

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
NOW = records.NOW
LIMITS = DrainLimits(drain_timeout=300.0, stale_after=60.0, silent_after=30.0)


def add(session, identifier, zone):
    amphorae.create(
        session,
        replace(
            records.make_amphora(),
            id=identifier,
            status=AmphoraStatus.ALLOCATED,
            availability_zone=zone,
            compute_host=f"host-{identifier}",
            image_id="old",
        ),
    )


@pytest.fixture
def filled(database):
    """A load balancer with an amphora in each of two zones."""
    made = records.make_distributor()
    with database.transaction() as session:
        distributors.create(session, made, records.CIPHER)
        clusters.create(
            session,
            ClusterRecord(
                load_balancer_id="lb",
                project_id="project",
                distributor_id=made.id,
                size=ClusterSize(desired=2),
            ),
        )
        for identifier in ("a1", "a2"):
            add(session, identifier, f"rack{identifier[-1]}")
    return made


def wanted(zone="rack1", **changes_):
    return ZoneDrainRequest(
        **({"availability_zone": zone, "duration": 600} | changes_)
    )


def test_a_zone_drain_from_its_request_to_the_purge(database, filled):
    with database.transaction() as session:
        made = zone_drains.ask(session, wanted(), LIMITS, NOW)
        with pytest.raises(Conflict):
            zone_drains.ask(session, wanted(), LIMITS, NOW)
    with database.transaction() as session:
        found = zone_drains.unmarked(session, made.place)
        assert found == {Holder(load_balancer_id="lb"): {"a1"}}
        amphorae.update(
            session, "a1", zone_drain_id=made.id, drain_wanted_since=NOW
        )
        assert zone_drains.unmarked(session, made.place) == {}
        (marked,) = zone_drains.amphorae_of(session, [made.id])[made.id]
        assert marked.id == "a1"
        assert zone_drains.active(session) == (made,)
        zone_drains.begin_end(session, made.id, "so it is", NOW)
        assert zone_drains.finish(session, made.id, NOW)
        assert not zone_drains.finish(session, made.id, NOW)
        assert zone_drains.active(session) == ()
        later = NOW + timedelta(seconds=1)
        assert zone_drains.purge(session, later) == 0, "a1 bears it"
        assert [one.id for one in zone_drains.unfinished(session)] == [made.id]
        amphorae.update(
            session, "a1", zone_drain_id=None, drain_wanted_since=None
        )
        assert zone_drains.purge(session, later) == 1


def test_the_end_waits_for_a_controller_that_marks(database, filled):
    """One is stopped in its transaction; another one ends the zone drain."""
    with database.transaction() as session:
        made = zone_drains.ask(session, wanted(force=True), LIMITS, NOW)
    paused, go_on = threading.Event(), threading.Event()

    def mark():
        with database.transaction() as session:
            clusters.lock(session, "lb")
            assert not zone_drains.lock(session, made.id).is_over(NOW)
            paused.set()
            go_on.wait(30)
            amphorae.update(
                session, "a1", zone_drain_id=made.id, drain_wanted_since=NOW
            )

    found = []

    def end():
        with database.transaction() as session:
            zone_drains.lock(session, made.id)
            zone_drains.begin_end(session, made.id, "so it is", NOW)
            found.extend(zone_drains.amphorae_of(session, [made.id]))

    marks, ends = (threading.Thread(target=one) for one in (mark, end))
    marks.start()
    assert paused.wait(30)
    ends.start()
    ends.join(0.5)
    assert ends.is_alive(), "it waits"
    go_on.set()
    marks.join(30)
    ends.join(30)
    assert found == [made.id], "and sees the marks"


def test_all_that_peer_with_one_router(database, filled):
    peers = {
        peer.id: peer for speaker in filled.speakers for peer in speaker.peers
    }
    with database.transaction() as session:
        for peer in peers.values():
            found = zone_drains.unmarked(session, Place(peer_id=peer.id))
            expected = {
                f"a{n}"
                for n in (1, 2)
                if peer.selects(f"rack{n}", f"host-a{n}")
            }
            holder = Holder(load_balancer_id="lb")
            assert found.get(holder, frozenset()) == expected


def test_of_two_requests_at_once_one_waits_or_fails(database, filled):
    """Two zones are all that there are: one of them has to stay."""
    outcomes = []

    def ask(zone):
        try:
            with database.transaction() as session:
                zone_drains.ask(session, wanted(zone, force=True), LIMITS, NOW)
            outcomes.append(zone)
        except AnycastError as e:
            outcomes.append(e)

    with database.transaction() as session:
        places = zone_drains.known(
            session, Place(availability_zone="rack1"), LIMITS, NOW
        ).places
    for zone in sorted(places - {"rack1", "rack2"}):
        ask(zone)
    outcomes.clear()
    threads = [
        threading.Thread(target=ask, args=(zone,))
        for zone in ("rack1", "rack2")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == 2
    assert sum(isinstance(one, str) for one in outcomes) == 1, outcomes


def test_a_fleet_change_is_stored_and_read(database, filled):
    with database.transaction() as session:
        made = changes.ask(
            session, FleetChangeRequest(kind=ChangeKind.IMAGE), NOW
        )
        add(session, "new", "rack1")
        with pytest.raises(Conflict, match="abort it first"):
            changes.ask(
                session, FleetChangeRequest(kind=ChangeKind.IMAGE), NOW
            )
    with database.transaction() as session:
        found = changes.fleet(session, made)
        assert {one.id: one.fleet_revision for one in found.amphorae} == {
            "a1": made.revision - 1,
            "a2": made.revision - 1,
            "new": made.revision,
        }
        watched = replace(
            made,
            state=ChangeState.HALTED,
            reason="because",
            canary_ids=("a1",),
            baselines={"lb": {"l": Counted(connections=7, errors=1)}},
            stopped_at=NOW,
        )
        changes.store(session, watched)
        assert changes.get(session, made.id) == watched
        assert changes.active(session) == watched
        assert changes.unfinished(session) == {made.id: ChangeState.HALTED}
        resumed = changes.turn(session, made.id, ChangeState.RUNNING, NOW)
        assert resumed.revision > made.revision
        assert resumed.canary_ids == ()
        amphorae.update(session, "a1", fleet_change_id=made.id)
        assert changes.progress_of(session, resumed, NOW).under_way == 1
        aborted = changes.turn(session, made.id, ChangeState.ABORTED, NOW)
        assert changes.progress_of(session, aborted, NOW).under_way == 1
        amphorae.mark_deleted(session, "a1", NOW)
        assert changes.progress_of(session, aborted, NOW).replaced == 1
        assert changes.active(session) is None
        (count,) = changes.image_counts(session)
        assert (count.image_id, count.amphora_count) == ("old", 2)
        assert changes.purge(session, NOW + timedelta(seconds=1)) == 1


def test_baselines_of_a_thousand_load_balancers(database, filled):
    """More than the 64 KiB that a TEXT of MariaDB holds."""
    counted = {
        f"{n:036}": {f"{n:036}": Counted(connections=1_234_567, errors=123)}
        for n in range(1000)
    }
    with database.transaction() as session:
        made = changes.ask(
            session, FleetChangeRequest(kind=ChangeKind.IMAGE), NOW
        )
        changes.store(session, replace(made, baselines=counted))
    with database.transaction() as session:
        assert changes.get(session, made.id).baselines == counted


def test_the_revision_rises_by_one(database):
    with database.transaction() as session:
        first = revision.claim(session)
        assert revision.claim(session) == first + 1
