# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The client has what the API has: told by the API's own document."""

import argparse

import pytest
from octavia_anycast_client import sdk
from octavia_anycast_client.osc import (
    cluster,
    columns,
    distributor,
    event,
    external_vip,
    registration,
)
from octavia_anycast_client.osc.bgp import bgp_peer, bgp_speaker
from octavia_anycast_client.osc.fleet import zone
from openstack import fields

# Of every list, and what openstacksdk calls them.
PAGING = {"limit", "marker", "sort"}
LISTS = {
    sdk.Distributor: "/v2/lbaas/distributors",
    sdk.BgpPeer: "/v2/lbaas/bgp-peers",
    sdk.BgpSpeaker: "/v2/lbaas/bgp-speakers",
    sdk.Path: "/v2/lbaas/distributors/{distributor_id}/paths",
    sdk.ExternalVip: "/v2/lbaas/distributors/{distributor_id}/vips",
    sdk.AmphoraRegistration: (
        "/v2/lbaas/distributors/{distributor_id}/amphorae"
    ),
    sdk.LoadBalancerEvent: "/v2/lbaas/loadbalancers/{loadbalancer_id}/events",
    sdk.DistributorEvent: "/v2/lbaas/distributors/{distributor_id}/events",
    sdk.DistributorCheck: "/v2/lbaas/distributor-checks",
    sdk.ZoneDrain: "/v2/lbaas/zone-drains",
    sdk.FleetChange: "/v2/lbaas/fleet-changes",
}


@pytest.fixture
def document(api):
    answer = api.call("GET", "/v2/lbaas/openapi.json")
    assert answer.status == 200, answer.text
    return answer.body


@pytest.fixture
def properties(document):
    """Schema -> the names of its attributes."""
    schemas = document["components"]["schemas"]
    return {
        name: set(schema["properties"]) for name, schema in schemas.items()
    }


def attributes(resource):
    """What a resource of the SDK has, as the API calls it."""
    return {
        component.name
        for _, component in resource._attributes_iterator((fields.Body,))
    }


@pytest.mark.parametrize(
    ("resource", "schema", "more"),
    # What more they have: every resource of openstacksdk has a name and id.
    [
        (sdk.Distributor, "Distributor", set()),
        (sdk.BgpPeer, "Peer", {"password"}),
        (sdk.BgpSpeaker, "Speaker", set()),
        (sdk.Path, "Path", set()),
        (sdk.Cluster, "Cluster", {"id"}),
        (sdk.ExternalVip, "Vip", set()),
        (sdk.AmphoraDrain, "Drain", {"id"}),
        (sdk.AmphoraRegistration, "AmphoraRegistration", set()),
        (sdk.LoadBalancerEvent, "Event", set()),
        (sdk.DistributorEvent, "Event", set()),
        (sdk.DistributorCheck, "DistributorCheck", set()),
        (sdk.ZoneDrain, "ZoneDrain", {"duration"}),
        (sdk.FleetChange, "FleetChange", set()),
        (sdk.Fleet, "Fleet", {"id"}),
    ],
)
def test_resources_have_the_attributes_of_the_api(
    properties, resource, schema, more
):
    # Every resource of openstacksdk has an id and a name.
    assert attributes(resource) - {"name"} == (properties[schema] | more) - {
        "name"
    }


@pytest.mark.parametrize(
    ("shown", "schema"),
    [
        (columns.DISTRIBUTOR, "Distributor"),
        (columns.BGP_PEER, "Peer"),
        (columns.BGP_SPEAKER, "Speaker"),
        (columns.PATHS_LONG, "Path"),
        (columns.CLUSTER, "Cluster"),
        (columns.EXTERNAL_VIP, "Vip"),
        (columns.DRAIN, "Drain"),
        (columns.REGISTRATION, "AmphoraRegistration"),
        (columns.EVENTS_LONG, "Event"),
        (columns.CHECKS_LONG, "DistributorCheck"),
        (columns.ZONE_DRAIN, "ZoneDrain"),
        (columns.FLEET_CHANGE, "FleetChange"),
    ],
)
def test_commands_show_what_the_api_shows(properties, shown, schema):
    assert set(shown) == properties[schema]
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize("resource", LISTS, ids=lambda r: r.__name__)
def test_lists_have_the_filters_of_the_api(document, resource):
    parameters = document["paths"][LISTS[resource]]["get"]["parameters"]
    names = {p["name"] for p in parameters if p["in"] == "query"}
    known = set(resource._query_mapping._mapping.values())
    assert known - PAGING == names - PAGING - {"fields", "page_reverse"}


def test_the_kinds_of_events_are_those_of_the_api(document):
    schema = document["components"]["schemas"]["Event"]
    assert list(event.KINDS) == schema["properties"]["kind"]["enum"]


@pytest.mark.parametrize(
    ("command", "schema", "otherwise"),
    [
        (
            distributor.CreateDistributor,
            "DistributorRequest",
            {"enabled": "is_enabled"},
        ),
        (
            distributor.SetDistributor,
            "DistributorChange",
            {"enabled": "is_enabled"},
        ),
        (bgp_peer.CreateBgpPeer, "PeerRequest", {"auth_type": "password"}),
        (bgp_peer.SetBgpPeer, "PeerChange", {"auth_type": "password"}),
        (
            bgp_speaker.CreateBgpSpeaker,
            "SpeakerRequest",
            {"distributor_id": "distributor"},
        ),
        (bgp_speaker.SetBgpSpeaker, "SpeakerChange", {}),
        (
            cluster.SetCluster,
            "ClusterChange",
            {"enabled": "is_enabled", "autoscale": "autoscale_metric"},
        ),
        (external_vip.RegisterVip, "VipRequest", {"peer_id": "peer"}),
        (
            registration.RegisterAmphora,
            "AmphoraRegistrationRequest",
            {"peer_id": "peer", "load_balancer_id": "load_balancer"},
        ),
        (
            zone.DrainZone,
            "ZoneDrainRequest",
            {"availability_zone": "zone", "peer_id": "peer"},
        ),
    ],
)
def test_every_attribute_of_a_request_has_an_option(
    properties, command, schema, otherwise
):
    parser = command(None, argparse.Namespace()).get_parser("x")
    options = {action.dest for action in parser._actions}
    wanted = {otherwise.get(name, name) for name in properties[schema]}
    assert wanted - options == set()
