# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers of provider ``anycast``, through Octavia's own API."""

import json
import uuid

import pytest

from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.planning.amphora.gate_choice import KEYS
from octavia_anycast.testing import octavia_rows, samples

LBS = "/v2/lbaas/loadbalancers"
DISTRIBUTORS = "/v2/lbaas/distributors"


@pytest.fixture
def subnets(api):
    _, subnet_ids = api.neutron.add_network(
        "198.51.100.0/24", "2001:db8:100::/64"
    )
    return subnet_ids


@pytest.fixture
def default(api):
    return api.create(DISTRIBUTORS, samples.distributor(is_default=True))


def post(api, subnets, **attributes):
    body = {"vip_subnet_id": subnets[0]} | attributes
    return api.call("POST", LBS, {"loadbalancer": body})


def all_clusters(api):
    with api.database.transaction() as session:
        return clusters.list_all(session)


def profile(api, data, provider="anycast"):
    return api.call(
        "POST",
        "/v2/lbaas/flavorprofiles",
        {
            "flavorprofile": {
                "name": str(uuid.uuid4()),
                "provider_name": provider,
                "flavor_data": json.dumps(data),
            }
        },
    )


def flavor(api, data):
    answer = profile(api, data)
    assert answer.status == 201, answer.text
    body = {
        "name": str(uuid.uuid4()),
        "flavor_profile_id": answer.body["flavorprofile"]["id"],
    }
    return api.create("/v2/lbaas/flavors", {"flavor": body})["id"]


def test_create_allocates_the_vip_and_records_the_cluster(
    api, subnets, default
):
    answer = post(
        api, subnets, additional_vips=[{"subnet_id": subnets[1]}], name="web"
    )

    assert answer.status == 201
    created = answer.body["loadbalancer"]
    assert created["provider"] == "anycast"
    assert created["provisioning_status"] == "PENDING_CREATE"
    assert created["vip_address"] == "198.51.100.1"
    assert created["additional_vips"][0]["ip_address"] == "2001:db8:100::1"
    (port,) = api.neutron.ports.values()
    assert port["device_id"] == f"lb-{created['id']}"
    (cluster,) = all_clusters(api)
    assert cluster.load_balancer_id == created["id"]
    assert cluster.distributor_id == default["id"]
    assert cluster.size == ClusterSize(desired=2, minimum=1, maximum=8)
    assert cluster.is_enabled
    assert cluster.provisioning_status == "PENDING_CREATE"
    row = octavia_rows.load_balancer(created["id"])
    assert row.vip.octavia_owned


def test_a_disabled_one_has_its_cluster_managed(api, subnets, default):
    post(api, subnets, admin_state_up=False)

    assert all_clusters(api)[0].is_enabled


def assert_nothing_is_left(api):
    assert api.neutron.ports == {}
    assert all_clusters(api) == []
    assert octavia_rows.statuses() == {}


def test_without_any_distributor_it_is_refused(api, subnets):
    answer = post(api, subnets)

    assert answer.status == 501
    assert "there is no default distributor" in answer.fault
    assert_nothing_is_left(api)


def test_without_a_default_distributor_it_is_refused(api, subnets):
    api.create(DISTRIBUTORS, samples.distributor())

    answer = post(api, subnets)

    assert answer.status == 501
    assert "there is no default distributor" in answer.fault
    assert_nothing_is_left(api)


def test_the_flavor_says_size_and_distributor(api, subnets, default):
    other = api.create(DISTRIBUTORS, samples.distributor())
    flavor_id = flavor(
        api,
        {
            "cluster_size": 4,
            "cluster_min_size": 2,
            "distributor_id": other["id"],
        },
    )

    assert post(api, subnets, flavor_id=flavor_id).status == 201

    (cluster,) = all_clusters(api)
    assert cluster.size == ClusterSize(desired=4, minimum=2, maximum=8)
    assert cluster.distributor_id == other["id"]


def test_a_flavor_with_a_distributor_needs_no_default(api, subnets):
    other = api.create(DISTRIBUTORS, samples.distributor())
    flavor_id = flavor(api, {"distributor_id": other["id"]})

    assert post(api, subnets, flavor_id=flavor_id).status == 201


def test_a_distributor_that_went_since_is_refused(api, subnets, default):
    other = api.create(DISTRIBUTORS, samples.distributor())
    api.settle()
    flavor_id = flavor(api, {"distributor_id": other["id"]})
    with api.database.transaction() as session:
        lifecycle.begin_delete(session, other["id"], with_peers=False)
        lifecycle.remove(session, other["id"])

    answer = post(api, subnets, flavor_id=flavor_id)

    assert answer.status == 501
    assert "distributor_id" in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("cluster_size", {"cluster_size": 0}),
        ("cluster_size", {"cluster_size": 9}),  # cluster_max_size is 8
        ("cluster_size", {"cluster_size": 65}),
        ("cluster_size", {"cluster_size": "4"}),
        ("cluster_size", {"cluster_size": True}),
        ("cluster_size", {"cluster_size": 2.5}),
        ("cluster_size", {"cluster_size": None}),
        ("cluster_min_size", {"cluster_min_size": 0}),
        ("cluster_min_size", {"cluster_min_size": 3}),  # the size is 2
        ("cluster_min_size", {"cluster_size": 4, "cluster_min_size": 5}),
        ("distributor_id", {"distributor_id": 7}),
        ("distributor_id", {"distributor_id": str(uuid.UUID(int=7))}),
        ("loadbalancer_topology", {"loadbalancer_topology": "SINGLE"}),
        ("sriov_vip", {"sriov_vip": True}),
        ("colour", {"colour": "red"}),
    ],
)
def test_bad_flavor_data_is_refused_naming_the_key(api, key, data):
    answer = profile(api, data)

    assert answer.status == 501, answer.text
    assert f": {key}: " in answer.fault


def test_capabilities_are_described(api):
    provider = "/v2/lbaas/providers/anycast"
    flavors = api.call("GET", f"{provider}/flavor_capabilities")
    zones = api.call("GET", f"{provider}/availability_zone_capabilities")

    assert {c["name"] for c in flavors.body["flavor_capabilities"]} == {
        "cluster_size",
        "cluster_min_size",
        "cluster_max_size",
        "cluster_cooldown",
        "cluster_spare_count",
        "drain_timeout",
        "flow_rescue",
        "peer_group_size",
        "cluster_autoscale_metric",
        "cluster_autoscale_target",
        "cluster_autoscale_tolerance",
        "cluster_autoscale_scale_in_delay",
        "distributor_id",
        "frontend_network_id",
        "frontend_subnet_id",
        "compute_flavor",
        "amp_image_tag",
    } | set(KEYS)
    assert {
        c["name"] for c in zones.body["availability_zone_capabilities"]
    } == {
        "compute_zone",
        "volume_zone",
        "management_network",
        "valid_vip_networks",
        "distributor_id",
        "frontend_network_id",
        "frontend_subnet_id",
    }


def zone_profile(api, data):
    return api.call(
        "POST",
        "/v2/lbaas/availabilityzoneprofiles",
        {
            "availability_zone_profile": {
                "name": "rack1",
                "provider_name": "anycast",
                "availability_zone_data": json.dumps(data),
            }
        },
    )


def test_an_availability_zone_is_checked(api):
    network_id, _ = api.neutron.add_network("172.31.0.0/22")
    good = {
        "compute_zone": "rack1",
        "management_network": network_id,
        "valid_vip_networks": [network_id],
    }

    assert zone_profile(api, good).status == 201
    for key, bad in (
        ("management_network", {"management_network": "nowhere"}),
        ("valid_vip_networks", {"valid_vip_networks": ["nowhere"]}),
        ("valid_vip_networks", {"valid_vip_networks": "nowhere"}),
        ("compute_zone", {"compute_zone": 1}),
        ("colour", {"colour": "red"}),
    ):
        answer = zone_profile(api, bad)
        assert answer.status == 501, answer.text
        assert key in answer.fault


def test_a_taken_address_is_a_conflict(api, subnets, default):
    post(api, subnets, vip_address="198.51.100.7")

    answer = post(api, subnets, vip_address="198.51.100.7")

    assert answer.status == 409
    assert "already allocated" in answer.fault
    assert len(all_clusters(api)) == 1


def test_a_vip_network_without_port_security_is_refused(api, default):
    _, subnets = api.neutron.add_network(
        "203.0.113.0/24", port_security_enabled=False
    )

    answer = post(api, subnets)

    assert "Port security" in answer.fault
    assert_nothing_is_left(api)


def test_quotas_are_octavias(api, subnets, default):
    path = f"/v2/lbaas/quotas/{api.project_id}"
    api.call("PUT", path, {"quota": {"loadbalancer": 1}})
    body = {"loadbalancer": {"vip_subnet_id": subnets[0]}}
    with api.authenticated():
        first, second = (
            api.call("POST", LBS, body, {"X-Roles": "member"})
            for _ in range(2)
        )

    assert (first.status, second.status) == (201, 403)
    assert "Quota" in second.fault
    assert len(api.neutron.ports) == len(all_clusters(api)) == 1


def test_failover_is_counted(api, subnets, default):
    created = post(api, subnets).body["loadbalancer"]
    path = f"{LBS}/{created['id']}/failover"
    assert api.call("PUT", path).status == 409  # still PENDING_CREATE
    assert all_clusters(api)[0].failover_generation == 0
    octavia_rows.settle()

    assert api.call("PUT", path).status == 202

    assert all_clusters(api)[0].failover_generation == 1
    assert octavia_rows.pending() == {("loadbalancer", "PENDING_UPDATE")}


def test_qos_policy_of_the_vip(api, subnets, default):
    api.neutron.qos_policies.add("9f1c2a52-0000-4000-8000-000000000009")
    answer = post(
        api,
        subnets,
        vip_qos_policy_id="9f1c2a52-0000-4000-8000-000000000009",
    )

    assert answer.status == 201
    lb = octavia_rows.load_balancer(answer.body["loadbalancer"]["id"])
    assert lb.vip.qos_policy_id == "9f1c2a52-0000-4000-8000-000000000009"


def test_other_providers_are_served_beside(api, subnets):
    answer = post(api, subnets, provider="noop_driver")

    assert answer.status == 201
    assert all_clusters(api) == []
