# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/octavia/amphorae/ID/drain``: asked for, shown, undone, refused."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ClusterSize,
    ServiceType,
)
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Report,
)
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.amphora_rows import (
    PATH,
    UNKNOWN,
    make_lb,
    make_ours,
    make_stock,
    record,
)

V6 = "2001:db8:100::10"


@pytest.fixture
def subnet(api):
    return api.neutron.add_network("198.51.100.0/24")[1][0]


@pytest.fixture
def lb(api, subnet):
    """A load balancer of ours."""
    api.create("/v2/lbaas/distributors", samples.distributor(is_default=True))
    return make_lb(api, subnet)


def say(api, lb, amphora_id, *, vips=None, age=0.0, left=0):
    """Store what the agent of an amphora said ``age`` seconds ago."""
    vips = [lb["vip_address"]] if vips is None else vips
    now = datetime.now(UTC) - timedelta(seconds=age)
    report = Report(
        amphora_id=amphora_id,
        digest="",
        revision="r",
        gate=GateReport(state=GateState.UP, reason="", since=now),
        speaker_is_running=True,
        frontend_is_up=True,
        paths=tuple(
            PathReport(
                vip_ip=ip_address(vip),
                nexthop_ip=ip_address(vip),
                peer_id="p",
                state=PathState.ADVERTISED,
                reason="",
            )
            for vip in vips
        ),
        connections=dict.fromkeys(vips, left),
    )
    with api.database.transaction() as session:
        distributor_id = clusters.get(session, lb["id"]).distributor_id
        registrations.register(
            session,
            amphora_id,
            load_balancer_id=lb["id"],
            distributor_id=distributor_id,
            speaker_ids=[],
        )
        reports.save(session, amphora_id, report, now)


@pytest.fixture
def pair(api, lb):
    """Two amphorae that announce the VIP."""
    made = [make_ours(api, lb["id"], n) for n in (1, 2)]
    for amphora_id in made:
        say(api, lb, amphora_id, left=3)
    return made


def change(api, amphora_id, **changes):
    with api.database.transaction() as session:
        amphorae.update(session, amphora_id, **changes)


def put(api, amphora_id, body=None):
    return api.call("PUT", f"{PATH}/{amphora_id}/drain", body)


def get(api, amphora_id):
    answer = api.call("GET", f"{PATH}/{amphora_id}/drain")
    assert answer.status == 200, answer.text
    return answer.body["drain"]


def moment(text):
    return datetime.fromisoformat(text)


def test_it_is_a_mark_that_is_shown_and_undone(api, lb, pair):
    first, second = pair
    assert get(api, first)["state"] == "NONE"

    answer = put(api, first, {"drain": {"timeout": 90}})

    assert answer.status == 202, answer.text
    shown = answer.body["drain"]
    assert shown == get(api, first)
    assert shown["state"] == "PENDING"
    with api.database.transaction() as session:
        cluster = clusters.get(session, lb["id"])
    assert cluster.request_id == answer.request_id
    assert shown["connections"] == 3
    assert shown["vips"] == [
        {
            "vip_address": lb["vip_address"],
            "announcing": True,
            "connections": 3,
        }
    ]
    lasting = moment(shown["deadline"]) - moment(shown["since"])
    assert lasting == timedelta(seconds=90)
    assert record(api, second).drain_wanted_since is None

    assert api.call("DELETE", f"{PATH}/{first}/drain").status == 204
    assert get(api, first)["state"] == "NONE"
    assert get(api, first)["since"] is get(api, first)["deadline"] is None
    assert api.call("DELETE", f"{PATH}/{first}/drain").status == 204


@pytest.mark.parametrize("body", [None, {}, {"drain": {}}])
def test_without_a_timeout_it_lasts_as_the_settings_say(api, pair, body):
    shown = put(api, pair[0], body).body["drain"]

    lasting = moment(shown["deadline"]) - moment(shown["since"])
    assert lasting == timedelta(seconds=300)


def test_twice_is_once_and_a_timeout_counts_from_the_first(api, pair):
    put(api, pair[0], {"drain": {"timeout": 60}})
    before = record(api, pair[0])

    for body in (None, {"drain": {"timeout": 60}}):
        assert put(api, pair[0], body).status == 202
        assert record(api, pair[0]) == before

    put(api, pair[0], {"drain": {"timeout": 7}})
    after = record(api, pair[0])
    assert after.drain_wanted_since == before.drain_wanted_since
    lasting = after.drain_deadline - after.drain_wanted_since
    assert lasting == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ({}, "PENDING"),
        ({"draining_since": datetime.now(UTC)}, "DRAINING"),
        ({"drained_at": datetime.now(UTC)}, "DRAINED"),
    ],
)
def test_states(api, pair, marks, state):
    put(api, pair[0])
    change(api, pair[0], **marks)
    assert get(api, pair[0])["state"] == state


def test_one_that_leaves_drains_too(api, pair):
    change(api, pair[0], leaving_since=datetime.now(UTC), reason="failover")

    shown = get(api, pair[0])

    assert shown["state"] == "PENDING"
    lasting = moment(shown["deadline"]) - moment(shown["since"])
    assert lasting == timedelta(seconds=300)
    for method in ("PUT", "DELETE"):
        answer = api.call(method, f"{PATH}/{pair[0]}/drain")
        assert answer.status == 409
        assert "is being removed: failover" in answer.fault


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"drain": {"timeout": -1}}, "drain.timeout"),
        ({"drain": {"timeout": 86_401}}, "drain.timeout"),
        ({"drain": {"timeout": "5"}}, "drain.timeout"),
        ({"drain": {"timeout": 1.5}}, "drain.timeout"),
        ({"drain": {"timeout": True}}, "drain.timeout"),
        ({"drain": {"until": 5}}, "drain.until"),
        ({"drain": None}, "drain"),
        ({"drain": []}, "drain"),
        ({"timeout": 5}, "timeout"),
    ],
)
def test_a_wrong_body_is_refused_with_the_name(api, pair, body, named):
    answer = put(api, pair[0], body)

    assert answer.status == 400, answer.text
    assert f"{named}: " in answer.fault or f"{named}'" in answer.fault
    assert record(api, pair[0]).drain_wanted_since is None


# Others have to go on


def refused(api, amphora_id, sentence):
    answer = put(api, amphora_id)
    assert answer.status == 409, answer.text
    assert sentence in answer.fault
    assert record(api, amphora_id).drain_wanted_since is None


def test_the_only_one_is_refused(api, lb):
    amphora_id = make_ours(api, lb["id"], 1)
    say(api, lb, amphora_id)
    refused(api, amphora_id, "it is the only one of its cluster in service")


def test_the_last_that_announces_is_refused(api, lb, pair):
    say(api, lb, pair[1], vips=[])
    refused(api, pair[0], f"the last one that announces {lb['vip_address']}")


def test_the_last_of_one_family_is_refused(api, lb, pair):
    say(api, lb, pair[0], vips=[lb["vip_address"], V6])
    refused(api, pair[0], f"the last one that announces {V6}")


def test_an_old_report_is_no_announcement(api, lb, pair):
    say(api, lb, pair[1], age=3600)
    refused(api, pair[0], f"the last one that announces {lb['vip_address']}")


@pytest.mark.parametrize(
    "changes",
    [
        {"leaving_since": datetime.now(UTC)},
        {"drain_wanted_since": datetime.now(UTC)},
        {"spare_since": datetime.now(UTC)},
        {"status": AmphoraStatus.ERROR, "now": datetime.now(UTC)},
    ],
)
def test_one_that_does_not_stay_is_no_other(api, pair, changes):
    change(api, pair[1], **changes)
    refused(api, pair[0], "it is the only one of its cluster in service")


def test_fewer_than_the_minimum_are_not_enough(api, lb, pair):
    with api.database.transaction() as session:
        clusters.update(
            session, lb["id"], size=ClusterSize(desired=2, minimum=2)
        )
    refused(api, pair[0], "only 1 others announce")


def test_one_after_the_other_until_the_last(api, lb, pair):
    third = make_ours(api, lb["id"], 3)
    say(api, lb, third)
    assert put(api, pair[0]).status == 202
    assert put(api, pair[1]).status == 202
    refused(api, third, "it is the only one of its cluster in service")


# What cannot be drained at all


@pytest.mark.parametrize("status", ["BOOTING", "ERROR", "PENDING_DELETE"])
def test_only_one_in_service(api, pair, status):
    change(api, pair[0], status=AmphoraStatus(status), now=datetime.now(UTC))
    refused(api, pair[0], f"is {status}: only one that is ALLOCATED")


def test_one_without_a_configuration_is_refused(api, pair):
    change(api, pair[0], applied_revision="")
    refused(api, pair[0], "has no configuration yet")


def test_a_spare_is_refused(api, pair):
    change(api, pair[0], spare_since=datetime.now(UTC))
    refused(api, pair[0], "is a spare")


def test_while_the_load_balancer_is_deleted(api, lb, pair):
    octavia_rows.set_status("loadbalancer", lb["id"], "PENDING_DELETE")
    refused(api, pair[0], "PENDING_DELETE")
    answer = api.call("DELETE", f"{PATH}/{pair[0]}/drain")
    assert answer.status == 409


@pytest.mark.parametrize("status", ["ERROR", "PENDING_UPDATE"])
def test_a_busy_load_balancer_is_no_obstacle(api, lb, pair, status):
    octavia_rows.set_status("loadbalancer", lb["id"], status)
    assert put(api, pair[0]).status == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_octavias_own_is_refused_with_a_sentence(api, subnet, method):
    stock_lb = make_lb(api, subnet, provider="noop_driver")
    amphora_id = make_stock(stock_lb["id"], 1)

    answer = api.call(method, f"{PATH}/{amphora_id}/drain")

    assert answer.status == 409
    assert "belongs to another provider than anycast" in answer.fault


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_is_not_there_is_not_found(api, lb, method):
    gone = make_ours(api, lb["id"], 1, status=AmphoraStatus.DELETED)
    for amphora_id in (gone, UNKNOWN, "x"):
        answer = api.call(method, f"{PATH}/{amphora_id}/drain")
        assert answer.status == 404, answer.text


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("role", ["member", "reader", "no"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_is_not_for_tenants(api, subnet, pair, is_ours, role, method):
    amphora_id = pair[0]
    if not is_ours:
        other = make_lb(api, subnet, provider="noop_driver")
        amphora_id = make_stock(other["id"], 1)
    with api.authenticated():
        answer = api.call(
            method,
            f"{PATH}/{amphora_id}/drain",
            headers={"X-Roles": role, "X-User-Id": "somebody"},
        )
    assert answer.status == 403, answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_distributors_own_is_refused_with_a_sentence(api, lb, method):
    with api.database.transaction() as session:
        distributor_id = clusters.get(session, lb["id"]).distributor_id
    own = make_ours(
        api,
        None,
        7,
        distributor_id=distributor_id,
        service_type=ServiceType.DISTRIBUTOR,
    )

    answer = api.call(method, f"{PATH}/{own}/drain")

    assert answer.status == 409
    assert "it is a dedicated amphora of a distributor" in answer.fault
