# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Clusters: changed by commands, scaled by themselves if that is asked for."""

import pytest

from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.testing import octavia_rows

AUTOSCALE = {
    "metric": "connections",
    "target": 1000,
    "tolerance": 0.2,
    "scale_in_delay": 60,
}


@pytest.fixture
def web(api, cloud, show, fabric):
    """A load balancer, ACTIVE, and its cluster in our table."""
    network_id, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    cloud.name_network(network_id, "public")
    cloud.name_subnet(subnet_id, "public-v4")
    made = show(
        "create --provider anycast --vip-subnet-id public-v4 --name web",
        *("--distributor", "fabric"),
    )
    octavia_rows.settle()

    def stored():
        with api.database.transaction() as session:
            return clusters.get(session, made["id"])

    return stored


def bodies(cloud):
    return [body for method, _, body in cloud.changes if method == "PUT"]


def test_what_is_given_is_set_and_shown(show, web):
    set_ = show(
        "cluster set web --desired-size 3 --min-size 2 --max-size 5",
        *("--cooldown", 30, "--disable", "--spare-count", 1),
    )
    assert web().size == ClusterSize(desired=3, minimum=2, maximum=5)
    expected = {
        "desired_size": 3,
        "min_size": 2,
        "max_size": 5,
        "cooldown": 30,
        "enabled": False,
        "spare_count": 1,
        "autoscale": None,
    }
    assert {name: set_[name] for name in expected} == expected
    assert show("cluster show web") == set_


def test_the_rest_is_not_sent(cloud, show, web):
    show("cluster set web --spare-count 2")
    show("cluster set web --enable")
    assert bodies(cloud) == [
        {"cluster": {"spare_count": 2}},
        {"cluster": {"enabled": True}},
    ]
    assert web().spare_count == 2


def test_nothing_given_is_nothing_sent(cloud, show, web):
    assert show("cluster set web")["desired_size"] == 2
    assert bodies(cloud) == []


def test_autoscaling_on_changed_and_off(show, web):
    on = show(
        "cluster set web --autoscale-metric connections",
        *("--autoscale-target", 1000, "--autoscale-tolerance", 0.2),
        *("--autoscale-scale-in-delay", 60),
    )
    assert on["autoscale"] == AUTOSCALE
    changed = show("cluster set web --autoscale-target 500")
    assert changed["autoscale"] == AUTOSCALE | {"target": 500}
    assert web().autoscale.target == 500
    assert show("cluster set web --no-autoscale")["autoscale"] is None
    assert web().autoscale is None


def test_autoscaling_by_target_alone_is_refused_by_the_api(command, web):
    result = command("cluster set web --autoscale-target 500", code=1)
    assert "autoscale.metric" in result.err
    assert web().autoscale is None


def test_autoscaling_on_and_off_at_once_is_refused(cloud, command, web):
    result = command(
        "cluster set web --no-autoscale --autoscale-target 5", code=1
    )
    assert "--no-autoscale does not go with" in result.err
    assert bodies(cloud) == []


def test_unset_is_the_default(show, web):
    show(
        "cluster set web --cooldown 30 --spare-count 2",
        *("--autoscale-metric", "cpu", "--autoscale-target", 60),
    )
    show("cluster unset web --cooldown --spare-count --autoscale")
    stored = web()
    assert (stored.cooldown_seconds, stored.spare_count) == (0, 0)
    assert stored.autoscale is None


def test_a_person_reads_autoscaling_a_line_each(command, web):
    shown = command(
        "cluster set web --autoscale-metric cpu --autoscale-target 60"
    )
    assert "metric=cpu" in shown.out
    assert "target=60" in shown.out


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--desired-size", 99), "desired_size"),
        (("--min-size", 5), "min_size"),
        (("--max-size", 1), "max_size"),
        (("--spare-count", 3), "spare_count"),
        (("--cooldown", -1), "cooldown"),
        (
            ("--autoscale-metric", "cpu", "--autoscale-target", 101),
            "autoscale.target",
        ),
    ],
)
def test_what_the_api_refuses_names_the_field(command, web, options, field):
    before = web()
    result = command("cluster set web", *options, code=1)
    assert f"{field}" in result.err
    assert "(HTTP 400)" in result.err
    assert web() == before


def test_while_it_is_being_changed_it_is_refused(command, web):
    octavia_rows.set_status(
        "loadbalancer", web().load_balancer_id, "PENDING_UPDATE"
    )
    result = command("cluster set web --desired-size 3", code=1)
    assert "(HTTP 409)" in result.err


def test_an_unknown_metric_is_told_without_a_request(cloud, command, web):
    result = command("cluster set web --autoscale-metric weather", code=2)
    assert "weather" in result.err
    assert bodies(cloud) == []
