# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each number of the deployment, exactly."""

import gzip
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import metadata

import pytest
from sqlalchemy import event, text

from octavia_anycast.controller.metrics.families import FAMILIES, Source, Type
from octavia_anycast.controller.metrics.tallies import (
    NAMES_MAX,
    OTHERS,
    UNKNOWN_PEER,
)
from octavia_anycast.db import models
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.fleet import changes
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.fleet.change import (
    ChangeKind,
    ChangeState,
    FleetChangeRequest,
)
from octavia_anycast.model.wire import (
    FlowRescueReport,
    MemberCounts,
    RescueState,
)
from octavia_anycast.tests.functional import deployment_rows as rows
from octavia_anycast.tests.functional.controller.metrics.conftest import (
    Samples,
    Scene,
)

NASTY = (
    'leaf "1"',
    "two\nlines",
    "back\\slash\\n",
    "<script>alert(1)</script>",
    "} 1\n# HELP x",
    "🌿" * 255,
    " blank , comma = ",
)


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        (
            "load_balancers",
            "provisioning_status",
            {
                "ACTIVE": 1,
                "ERROR": 1,
                "PENDING_CREATE": 0,
                "PENDING_UPDATE": 1,
                "PENDING_DELETE": 1,
            },
        ),
        (
            "clusters",
            "operating_status",
            {"ONLINE": 1, "DEGRADED": 1, "ERROR": 0, "OFFLINE": 1},
        ),
        (
            "distributors",
            "operating_status",
            {"ONLINE": 1, "DEGRADED": 1, "ERROR": 0, "OFFLINE": 0},
        ),
        (
            "paths",
            "state",
            {
                "advertised": 7,
                "pending": 2,
                "withdrawn": 4,
                "draining": 2,
                "unknown": 2,
            },
        ),
        (
            "gates",
            "state",
            {
                "INIT": 0,
                "RISING": 0,
                "UP": 5,
                "FALLING": 0,
                "DOWN": 1,
                "DISABLED": 0,
            },
        ),
        ("drains", "state", {"PENDING": 0, "DRAINING": 1, "DRAINED": 0}),
        (
            "flow_rescue_amphorae",
            "state",
            {"off": 0, "on": 1, "unsupported": 1, "failed": 0},
        ),
    ],
)
def test_by_state(filled, name, label, expected):
    assert filled.scrape().of(name, label) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("amphorae_desired", 5),
        ("amphorae_serving", 2),
        ("amphorae_announcing", 3),
        ("spares_desired", 1),
        ("spares", 1),
        ("drain_connections", 7),
        ("replacements_under_way", 1),
        ("replacement_limit", 10),
        ("oldest_heartbeat_age_seconds", 20),
        ("heartbeats_missing", 1),
        ("reports_missing", 1),
        (
            "nearest_certificate_expiry_timestamp_seconds",
            (rows.NOW + timedelta(days=30)).timestamp(),
        ),
        ("database_up", 1),
        ("collection_duration_seconds", 0),
    ],
)
def test_one_number(filled, name, expected):
    assert filled.scrape().value(name) == expected


def test_amphorae_by_phase_and_zone(filled):
    found = {
        (dict(labels)["phase"], dict(labels).get("zone", "")): value
        for (name, labels), value in filled.scrape().items()
        if name == "octavia_anycast_amphorae"
    }
    assert Counter({k: v for k, v in found.items() if v}) == {
        ("serving", "rack1"): 3,
        ("serving", "rack2"): 1,
        ("drained", "rack1"): 1,
        ("silent", "rack2"): 1,
        ("booting", "rack2"): 1,
        ("sick", "rack1"): 1,
        ("failed", ""): 1,
    }
    assert len(found) == 3 * 9  # each phase in each zone


def test_sessions_by_peer_and_state(filled):
    samples = filled.scrape()
    found = {
        (dict(labels)["peer"], dict(labels)["state"]): value
        for (name, labels), value in samples.items()
        if name == "octavia_anycast_bgp_sessions"
    }
    assert {k: v for k, v in found.items() if v} == {
        ("leaf1", "Established"): 5,
        ("leaf1", "Active"): 1,
        ("leaf1", "Unknown"): 1,
        ("172.31.0.2", "Established"): 4,
        ("172.31.0.2", "Idle"): 1,
        ("172.31.0.2", "Unknown"): 1,
    }
    assert samples.value("bgp_sessions", peer="leaf1", state="Connect") == 0


def test_a_session_of_a_peer_that_is_gone_is_counted(filled):
    with filled.transaction() as session:
        session.execute(
            text("DELETE FROM anycast_distributor_l3_bgp_peer WHERE id = 'p1'")
        )
    samples = filled.scrape()
    assert (
        samples.value("bgp_sessions", peer=UNKNOWN_PEER, state="Established")
        == 5
    )


def test_probes_that_are_not_good(filled):
    samples = filled.scrape()
    found = {
        labels: value
        for (name, labels), value in samples.items()
        if name == "octavia_anycast_gate_probes" and value
    }
    assert len(found) == 1
    assert samples.value("gate_probes", probe="listeners", verdict="bad") == 1


def test_load_balancers_one_by_one_only_if_asked(database):
    quiet, loud = (
        Scene(database),
        Scene(database, metrics_per_load_balancer=True),
    )
    with quiet.transaction() as session:
        rows.fill(session)
    name = "load_balancer_amphorae"
    assert quiet.scrape().of(name, "load_balancer_id") == {}
    samples = loud.scrape()
    expected = {
        "lb1": (2, 2, 2, 1),
        "lb2": (3, 0, 1, 0),
        "lb3": (0, 0, 0, 0),
    }
    counts = ("desired", "serving", "announcing", "spare")
    assert {
        i: tuple(
            samples.value(name, load_balancer_id=i, count=count)
            for count in counts
        )
        for i in samples.of(name, "load_balancer_id")
    } == expected


def test_every_family_is_there_and_is_declared(filled):
    filled.world.settings = replace(
        filled.world.settings, metrics_per_load_balancer=True
    )
    families = {x.name: x for x in filled.scrape().families}
    shown = {
        f"{name}_total" if family.type == "counter" else name: family
        for name, family in families.items()
        if not name.startswith("process_")
    }
    declared = {family.name: family for family in FAMILIES}
    assert shown.keys() == declared.keys()
    for name, family in declared.items():
        assert shown[name].type == family.type
        assert shown[name].documentation == family.text
        for sample in shown[name].samples:
            suffixed = family.type is Type.HISTOGRAM and "le" in sample.labels
            names = set(sample.labels) - ({"le"} if suffixed else set())
            assert names <= set(family.label_names)


def test_nothing_is_there_and_all_is_zero(scene):
    samples = scene.scrape()
    assert samples.value("amphorae_desired") == 0
    assert samples.value("oldest_heartbeat_age_seconds") == 0
    assert samples.of("bgp_sessions", "peer") == {}
    assert set(samples.of("paths", "state").values()) == {0}
    expiry = "octavia_anycast_nearest_certificate_expiry_timestamp_seconds"
    assert (expiry, frozenset()) not in samples


def test_names_that_mean_something_are_escaped(scene):
    with scene.transaction() as session:
        rows.distributor(session, "d1")
        for number, name in enumerate(NASTY, start=1):
            rows.peer(session, f"p{number}", name, number)
            rows.amphora(session, f"a{number}", "lb", name[:255])
        said = rows.report("a1", [rows.UP] * len(NASTY))
        rows.say(session, said)
    samples = scene.scrape()
    for name in NASTY:
        found = samples.value("bgp_sessions", peer=name, state="Established")
        assert found == 1
    # A zone and a peer of one name are two labels.
    zones = {
        dict(labels).get("zone")
        for (name, labels) in samples
        if name == "octavia_anycast_amphorae"
    }
    assert zones == set(NASTY)


def test_names_are_bounded(scene):
    many = NAMES_MAX + 20
    with scene.transaction() as session:
        rows.distributor(session, "d1")
        for number in range(many):
            rows.amphora(session, f"a{number}", "lb", f"zone-{number:04}")
    zones = scene.scrape().of("amphorae", "zone")
    assert len(zones) == NAMES_MAX + 1
    failed = scene.scrape().value("amphorae", zone=OTHERS, phase="failed")
    assert failed == 20


def test_rescue_counts_never_go_backwards(filled):
    name = "flow_rescue_events_total"
    assert set(filled.scrape().of(name, "event").values()) == {0}

    def say(carried, floods, seconds):
        with filled.transaction() as session:
            on = rows.rescue(RescueState.ON, carried=carried, floods=floods)
            rows.say(session, rows.report("a1", flow_rescue=on), seconds)

    say(130, 6, 0.9)
    assert filled.scrape().value(name, event="carried") == 30
    assert filled.scrape().value(name, event="floods") == 1
    say(7, 6, 0.8)  # the programs were loaded anew
    assert filled.scrape().value(name, event="carried") == 37
    with filled.transaction() as session:
        amphorae.mark_deleted(session, "a1", rows.NOW)
        rows.amphora(session, "a20", "lb1", "rack1")
        new = FlowRescueReport(
            state=RescueState.ON, own=MemberCounts(carried=2)
        )
        rows.say(session, rows.report("a20", flow_rescue=new))
    assert filled.scrape().value(name, event="carried") == 39


def zone_drain(id_, **changes):
    return models.ZoneDrain(
        **{
            "id": id_,
            "availability_zone": id_,
            "reason": "",
            "expires_at": rows.NOW + timedelta(hours=1),
            "revision": 1,
            "boot_elsewhere": False,
            "is_forced": False,
            "end_reason": "",
            "told": "",
            "created_at": rows.NOW,
        }
        | changes
    )


def test_zone_drains_and_their_amphorae(filled):
    assert filled.scrape().of("zone_drains", "state") == {
        "DRAINING": 0,
        "DRAINED": 0,
        "ENDING": 0,
    }
    ago = rows.NOW - timedelta(minutes=1)
    with filled.transaction() as session:
        session.add(zone_drain("z1"))
        session.add(zone_drain("z2", marked_at=ago))
        session.add(zone_drain("z3", end_wanted_at=ago))
        session.add(zone_drain("z4", end_wanted_at=ago, ended_at=ago))
        wanted = {"drain_wanted_since": ago, "zone_drain_id": "z1"}
        for id_, changes in {
            "a1": wanted,
            "a2": wanted | {"draining_since": ago},
            "a7": wanted | {"draining_since": ago, "drained_at": ago},
            "a3": {"zone_drain_id": "z3", "drain_wanted_since": None},
        }.items():
            amphorae.update(session, id_, **changes)
    samples = filled.scrape()
    assert samples.of("zone_drains", "state") == {
        "DRAINING": 1,
        "DRAINED": 1,
        "ENDING": 1,
    }
    assert samples.of("zone_drain_amphorae", "step") == {
        "waiting": 1,
        "draining": 1,
        "drained": 1,
        "returning": 1,
    }


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "HALTED"])
def test_a_fleet_change_and_how_far_it_is(filled, state):
    """Replaced, a canary that soaks, another one, and what is left."""
    before = filled.scrape()
    steps = ("waiting", "under_way", "soaking", "replaced", "held")
    nothing = dict.fromkeys(steps, 0)
    assert before.of("fleet_change_amphorae", "step") == nothing
    assert set(before.of("fleet_changes", "state").values()) == {0}
    ago = rows.NOW - timedelta(minutes=1)
    with filled.transaction() as session:
        change = changes.ask(
            session, FleetChangeRequest(kind=ChangeKind.IMAGE), rows.NOW
        )
        mine = {"fleet_change_id": change.id, "stand_in_wanted": True}
        changes.store(session, replace(change, state=ChangeState(state)))
        amphorae.update(session, "a1", **mine, drained_at=ago)
        amphorae.update(session, "a2", **mine)
        amphorae.update(session, "a3", fleet_change_id=change.id)
        amphorae.mark_deleted(session, "a3", rows.NOW)
        amphorae.update(session, "a7", image_id="old")
    samples = filled.scrape()
    found = samples.of("fleet_changes", "state")
    assert {name for name, value in found.items() if value} == {state}
    counts = samples.of("fleet_change_amphorae", "step")
    assert {name: counts[name] for name in steps[1:4]} == {
        "under_way": 1,
        "soaking": 1,
        "replaced": 1,
    }
    assert counts["waiting"] == 1
    assert counts["held"], "of no known image"


@contextmanager
def counted_queries(database):
    queries = []

    def count(*arguments):
        if "FROM" in arguments[2]:
            queries.append(arguments[2])

    event.listen(database.engine(), "before_cursor_execute", count)
    try:
        yield queries
    finally:
        event.remove(database.engine(), "before_cursor_execute", count)


@pytest.mark.parametrize("is_each", [False, True])
def test_the_number_of_queries_does_not_grow(database, is_each):
    scene = Scene(database, metrics_per_load_balancer=is_each)
    with scene.transaction() as session:
        rows.fill(session)
    with counted_queries(database) as few:
        scene.scrape()
    with scene.transaction() as session:
        for number in range(40):
            rows.cluster(session, f"more{number}", 2, "ONLINE")
            for side in "ab":
                one = f"{number}{side}"
                rows.amphora(session, one, f"more{number}", "rack1")
                rows.say(session, rows.report(one, (rows.UP,), (rows.SENT,)))
    with counted_queries(database) as many:
        samples = scene.scrape()
    assert len(few) == len(many) == 8 + is_each, many
    with counted_queries(database) as again:
        samples = scene.scrape()
    assert samples.value("amphorae_desired") == 85
    assert len(again) == 7 + is_each, "no report is read again"
    assert samples.value("amphorae_desired") == 85


def test_a_report_that_is_not_understood_counts_as_none(filled):
    with filled.transaction() as session:
        session.execute(
            text(
                "UPDATE anycast_amphora_report SET document = :old "
                "WHERE amphora_id IN ('a1', 'a2')"
            ),
            {"old": '{"version": "0.1"}'},
        )
    samples = filled.scrape()
    assert samples.value("reports_missing") == 3
    assert samples.value("amphorae_announcing") == 1


def test_while_the_database_is_down_the_process_tells_what_it_knows(filled):
    filled.scrape()
    filled.process.heartbeats_received(12)

    def fail():
        raise Retryable("Octavia's database cannot be used")

    filled.load_balancers.all_statuses = fail
    samples = filled.scrape()
    assert samples.value("database_up") == 0
    assert samples.value("heartbeats_received_total") == 12
    assert samples.value("queue_due", kind="load_balancer") == 3
    assert samples.value("check_up", check="heartbeats") == 0
    deployment = {x.name for x in FAMILIES if x.source is Source.DEPLOYMENT}
    assert not deployment & {name for name, _ in samples}


def test_gone_tables_are_a_database_that_is_down(filled):
    with filled.transaction() as session:
        session.execute(text("DROP TABLE anycast_amphora_report"))
    assert filled.scrape().value("database_up") == 0


def test_what_the_process_knows(filled):
    samples = filled.scrape()
    assert samples.value("queue_busy", kind="load_balancer") == 2
    oldest = samples.value("queue_oldest_due_seconds", kind="load_balancer")
    assert oldest == 1.5
    assert samples.of("check_up", "check") == {"database": 1, "heartbeats": 0}
    (version,) = samples.of("build_info", "version")
    assert version == metadata.version("octavia-anycast")


def test_the_text_is_the_same_when_it_is_packed(filled):
    text = filled.exposition.text()
    assert Samples(gzip.decompress(text.packed).decode()) == Samples(
        text.plain.decode()
    )
