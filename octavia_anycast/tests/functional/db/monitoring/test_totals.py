# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Totals over all rows; the numbers are Python's own."""

from octavia_anycast.db.monitoring import totals
from octavia_anycast.db.monitoring.totals import ClusterTotals
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.planning.amphora.recorded import CountedAmphora
from octavia_anycast.tests.functional import deployment_rows as rows


def test_nothing_is_there(session):
    totals.ping(session)
    assert totals.clusters(session) == {}
    assert totals.desired_sizes(session) == {}
    assert totals.distributors(session) == {}
    assert totals.peer_names(session) == {}
    assert totals.counted_amphorae(session) == []


def test_clusters_by_status(session):
    rows.distributor(session, "d1")
    rows.cluster(session, "lb1", 2, "ONLINE", spare_count=1)
    rows.cluster(session, "lb2", 3, "ONLINE")
    rows.cluster(session, "lb3", 4, "ERROR", is_deletion_wanted=True)
    rows.cluster(session, "lb4", 5, "ERROR")
    assert totals.clusters(session) == {
        "ONLINE": ClusterTotals(count=2, desired=5, spares=1),
        "ERROR": ClusterTotals(count=2, desired=5, spares=0),
    }
    sizes = {"lb1": 2, "lb2": 3, "lb3": 0, "lb4": 5}
    assert totals.desired_sizes(session) == sizes
    assert {type(size) for size in sizes.values()} == {int}


def test_an_amphora_of_which_nothing_is_known(session):
    rows.amphora(
        session,
        "a",
        "lb",
        None,
        status=AmphoraStatus.BOOTING,
        applied_at=None,
        cert_expiration=None,
    )
    assert totals.counted_amphorae(session) == [
        CountedAmphora(
            amphora_id="a",
            load_balancer_id="lb",
            status=AmphoraStatus.BOOTING,
            status_since=rows.ago(1000),
        )
    ]


def test_an_amphora_with_all_that_is_known(session):
    rows.amphora(
        session,
        "a",
        None,
        "rack1",
        distributor_id="d1",
        spare_since=rows.ago(5),
        mute_since=rows.ago(4),
        stale_since=rows.ago(3),
    )
    rows.beat(session, "a", 2)
    rows.say(session, rows.report("a", (rows.UP,)), 7)
    (found,) = totals.counted_amphorae(session)
    assert found.load_balancer_id is None
    assert found.availability_zone == "rack1"
    assert found.has_frontend is False
    assert found.heard_at == found.beat_at == rows.ago(2)
    assert found.reported_at == rows.ago(7)
    assert found.said.sessions == (("p1", "Established"),)
    moments = (found.spare_since, found.mute_since, found.stale_since)
    assert moments == (rows.ago(5), rows.ago(4), rows.ago(3))
