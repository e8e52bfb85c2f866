# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""PUT of a cluster: what it takes, what it refuses, and that it loses none."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterSize,
)
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.balancers import (
    DISTRIBUTORS,
    LBS,
    UNKNOWN,
    flavor,
)

AUTOSCALE = {
    "metric": "connections",
    "target": 1000,
    "tolerance": 0.2,
    "scale_in_delay": 60,
}


@pytest.fixture
def balancer(api):
    """The id of a load balancer that is ACTIVE, of 2 of at most 8."""
    api.create(DISTRIBUTORS, samples.distributor(is_default=True))
    return make(api)


def make(api, **attributes):
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    body = {"loadbalancer": {"vip_subnet_id": subnet_id} | attributes}
    made = api.create(LBS, body)
    octavia_rows.settle()
    return made["id"]


def put(api, balancer, **attributes):
    path = f"{LBS}/{balancer}/cluster"
    return api.call("PUT", path, {"cluster": attributes})


def record(api, balancer):
    with api.database.transaction() as session:
        return clusters.get(session, balancer)


def test_what_is_given_is_changed_and_shown(api, balancer):
    wanted = {
        "desired_size": 4,
        "min_size": 2,
        "max_size": 6,
        "cooldown": 30,
        "enabled": False,
        "spare_count": 1,
        "autoscale": AUTOSCALE,
    }

    answer = put(api, balancer, **wanted)

    assert answer.status == 202
    shown = api.call("GET", f"{LBS}/{balancer}/cluster").body["cluster"]
    assert shown == answer.body["cluster"]
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["scaled_at"]
    stored = record(api, balancer)
    assert stored.size == ClusterSize(desired=4, minimum=2, maximum=6)
    assert stored.autoscale == Autoscale(
        metric=Metric.CONNECTIONS,
        target=1000,
        tolerance=0.2,
        scale_in_delay=60,
    )
    assert datetime.now(UTC) - stored.changed_at < timedelta(minutes=1)


def test_the_rest_stays(api, balancer):
    put(api, balancer, spare_count=2, cooldown=30, autoscale=AUTOSCALE)
    before = record(api, balancer)
    assert before.scaled_at is None

    assert put(api, balancer, desired_size=3).status == 202

    after = record(api, balancer)
    assert (after.spare_count, after.cooldown_seconds) == (2, 30)
    assert after.autoscale == before.autoscale
    assert after.size == ClusterSize(desired=3, minimum=1, maximum=8)
    assert after.scaled_at == after.changed_at


def test_null_is_the_default(api, balancer):
    put(api, balancer, spare_count=2, cooldown=30, autoscale=AUTOSCALE)

    answer = put(
        api, balancer, spare_count=None, cooldown=None, autoscale=None
    )

    assert answer.status == 202
    stored = record(api, balancer)
    assert (stored.spare_count, stored.cooldown_seconds) == (0, 0)
    assert stored.autoscale is None


def test_nothing_new_is_no_change(api, balancer):
    assert put(api, balancer).status == 202
    assert put(api, balancer, desired_size=2).status == 202

    assert record(api, balancer).changed_at is None


def test_it_does_not_lock_the_load_balancer(api, balancer):
    put(api, balancer, desired_size=4)

    shown = api.call("GET", f"{LBS}/{balancer}").body["loadbalancer"]
    assert shown["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"desired_size": 9}, "desired_size"),
        ({"desired_size": 0}, "desired_size"),
        ({"desired_size": 65}, "desired_size"),
        ({"desired_size": -1}, "desired_size"),
        ({"desired_size": "3"}, "desired_size"),
        ({"desired_size": 3.0}, "desired_size"),
        ({"desired_size": True}, "desired_size"),
        ({"desired_size": None}, "desired_size"),
        ({"min_size": 3}, "min_size"),
        ({"max_size": 1}, "max_size"),
        ({"max_size": 9}, "max_size"),
        ({"max_size": 10**30}, "max_size"),
        ({"desired_size": 2, "min_size": 3, "max_size": 1}, "desired_size"),
        ({"desired_size": 5, "max_size": 4}, "desired_size"),
        ({"spare_count": 3}, "spare_count"),
        ({"spare_count": -1}, "spare_count"),
        ({"cooldown": -1}, "cooldown"),
        ({"cooldown": 86_401}, "cooldown"),
        ({"enabled": "no"}, "enabled"),
        ({"autoscale": 3}, "autoscale"),
        ({"autoscale": {"metric": "moods", "target": 1}}, "autoscale.metric"),
        ({"autoscale": {"metric": "cpu"}}, "autoscale.target"),
        ({"autoscale": AUTOSCALE | {"colour": 1}}, "autoscale.colour"),
        ({"autoscale": AUTOSCALE | {"tolerance": 2}}, "autoscale.tolerance"),
        ({"colour": "red"}, "colour"),
        ({"load_balancer_id": UNKNOWN}, "load_balancer_id"),
    ],
    ids=str,
)
def test_bad_input_names_the_field_and_changes_nothing(
    api, balancer, given, field
):
    before = record(api, balancer)

    answer = put(api, balancer, **given)

    assert answer.status == 400, answer.text
    assert f" {field}: " in f" {answer.fault}"
    assert record(api, balancer) == before


@pytest.mark.parametrize("body", [{}, [], {"cluster": 3}, {"cluster": None}])
def test_what_is_no_cluster_is_refused(api, balancer, body):
    answer = api.call("PUT", f"{LBS}/{balancer}/cluster", body)

    assert answer.status == 400, answer.text
    assert record(api, balancer).changed_at is None


@pytest.mark.parametrize(
    "status", ["PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE"]
)
def test_one_that_is_being_changed_keeps_its_size(api, balancer, status):
    octavia_rows.set_status("loadbalancer", balancer, status)

    answer = put(api, balancer, desired_size=4)

    assert answer.status == 409
    assert status in answer.fault
    assert record(api, balancer).size.desired == 2


@pytest.mark.parametrize(
    ("status", "attributes", "expected"),
    [
        ("PENDING_UPDATE", {"enabled": False}, 202),
        ("PENDING_UPDATE", {"enabled": False, "desired_size": 2}, 409),
        ("PENDING_UPDATE", {}, 409),
        ("PENDING_CREATE", {"enabled": False}, 409),
        ("PENDING_DELETE", {"enabled": False}, 409),
    ],
)
def test_the_manager_alone_can_be_stopped_during_an_update(
    api, balancer, status, attributes, expected
):
    octavia_rows.set_status("loadbalancer", balancer, status)

    answer = put(api, balancer, **attributes)

    assert answer.status == expected, answer.text
    assert record(api, balancer).is_enabled == (expected == 409)
    if expected == 202:
        assert put(api, balancer, enabled=True).status == 202
        assert record(api, balancer).is_enabled


def test_one_in_error_may_be_scaled(api, balancer):
    octavia_rows.set_status("loadbalancer", balancer, "ERROR")

    assert put(api, balancer, desired_size=1).status == 202


def test_there_has_to_be_one(api, balancer):
    assert put(api, UNKNOWN, desired_size=3).status == 404


def test_a_flavor_gives_the_defaults(api, balancer):
    flavor_id = flavor(
        api,
        {
            "cluster_size": 2,
            "cluster_max_size": 3,
            "cluster_cooldown": 120,
            "cluster_spare_count": 1,
            "cluster_autoscale_metric": "cpu",
            "cluster_autoscale_target": 60,
        },
    )

    made = make(api, flavor_id=flavor_id)

    stored = record(api, made)
    assert stored.size == ClusterSize(desired=2, minimum=1, maximum=3)
    assert stored.cooldown_seconds == 120
    assert stored.spare_count == 1
    assert stored.autoscale == Autoscale(metric=Metric.CPU, target=60)
    assert put(api, made, desired_size=4).status == 400


def test_a_disabled_load_balancer_has_its_cluster_managed(api, balancer):
    made = make(api, admin_state_up=False)

    assert record(api, made).is_enabled


def test_no_failover_where_the_manager_is_off(api, balancer):
    """Nobody would carry it out; the load balancer stays as it is."""
    put(api, balancer, enabled=False)
    amphora = AmphoraRecord(
        id=str(uuid.uuid4()),
        load_balancer_id=balancer,
        status=AmphoraStatus.ALLOCATED,
        status_since=datetime.now(UTC),
    )
    with api.database.transaction() as session:
        amphorae.create(session, amphora)

    for path in (
        f"{LBS}/{balancer}/failover",
        f"/v2/octavia/amphorae/{amphora.id}/failover",
    ):
        answer = api.call("PUT", path)
        assert answer.status == 409, answer.text
        assert "cluster manager" in answer.fault
    shown = api.call("GET", f"{LBS}/{balancer}").body["loadbalancer"]
    assert shown["provisioning_status"] == "ACTIVE"
    assert record(api, balancer).failover_generation == 0

    put(api, balancer, enabled=True)
    assert api.call("PUT", f"{LBS}/{balancer}/failover").status == 202
