# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The SDK's proxy: which requests it makes, and what it makes of answers."""

import logging

import openstack
import pytest
from octavia_anycast_client import sdk
from octavia_anycast_client.sdk import proxy
from openstack import exceptions

FABRIC = "0b7d7ad8-93c5-4b2c-8e0c-1f5d6a9f1c01"
TOR = "6e2c0d4e-3f5b-4f1b-9a52-2c7f1c8b2a02"
SPEAKER = "a3a9b6b1-52d9-4a43-8a4e-5d1f0c7e3b03"
BALANCER = "c4f0e8a2-7d6b-4c59-b1b3-8e2f9d0a4c04"
SECRET = "a-secret-password"
DISTRIBUTORS = "/v2.0/lbaas/distributors"
PEERS = "/v2.0/lbaas/bgp-peers"
SPEAKERS = "/v2.0/lbaas/bgp-speakers"


def a_distributor(**attributes):
    return {
        "id": FABRIC,
        "name": "fabric",
        "provisioning_status": "ACTIVE",
        "speakers": [{"id": SPEAKER, "ip_version": 4, "peers": []}],
        **attributes,
    }


def test_add_to_gives_a_connection_its_calls_and_keeps_the_sdks(client):
    assert isinstance(client, sdk.Proxy)
    assert client.pools


def test_add_to_replaces_a_proxy_that_was_used_before(cloud):
    connection = openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url="http://identity.test/v3",
        username="u",
        password="p",
        project_name="project",
        user_domain_id="default",
        project_domain_id="default",
        region_name="RegionOne",
    )
    assert connection.load_balancer is not None
    assert isinstance(sdk.add_to(connection).load_balancer, sdk.Proxy)


def test_create_sends_what_was_given_and_nothing_else(client, cloud):
    cloud.answers["POST", DISTRIBUTORS] = 201, {"distributor": a_distributor()}
    made = client.create_distributor(
        name="fabric",
        is_enabled=False,
        speakers=[{"ip_version": 4, "local_as": 65010, "peers": []}],
    )
    assert cloud.changes == [
        (
            "POST",
            DISTRIBUTORS,
            {
                "distributor": {
                    "name": "fabric",
                    "enabled": False,
                    "speakers": [
                        {"ip_version": 4, "local_as": 65010, "peers": []}
                    ],
                }
            },
        )
    ]
    assert (made.id, made.provisioning_status) == (FABRIC, "ACTIVE")


def test_update_sends_only_what_changes(client, cloud):
    cloud.answers["PUT", f"{PEERS}/{TOR}"] = 200, {"bgp_peer": {"id": TOR}}
    client.update_bgp_peer(TOR, med=None, hold_time=9)
    assert cloud.changes == [
        (
            "PUT",
            f"{PEERS}/{TOR}",
            {"bgp_peer": {"med": None, "hold_time": 9}},
        )
    ]


def test_update_of_a_resource_sends_only_what_differs(client, cloud):
    answer = 200, {"distributor": a_distributor(description="old")}
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = answer
    cloud.answers["PUT", f"{DISTRIBUTORS}/{FABRIC}"] = answer
    found = client.get_distributor(FABRIC)
    client.update_distributor(found, description="new")
    assert cloud.changes == [
        (
            "PUT",
            f"{DISTRIBUTORS}/{FABRIC}",
            {"distributor": {"description": "new"}},
        )
    ]


def test_find_asks_by_id_only_for_an_id(client, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}?name=fabric"] = (
        200,
        {"distributors": [a_distributor()]},
    )
    assert client.find_distributor("fabric", False).id == FABRIC
    assert [path for _, path, _ in cloud.requests] == [
        f"{DISTRIBUTORS}?name=fabric"
    ]


@pytest.mark.parametrize(
    "name", ["../loadbalancers", "a/paths", "ü", "a b", "%2e%2e", "?x=1", "4"]
)
def test_find_never_lets_a_name_become_part_of_a_path(client, cloud, name):
    with pytest.raises(exceptions.HttpException):
        client.find_bgp_peer(name, ignore_missing=False)
    ((_, path, _),) = cloud.requests
    assert path.partition("?")[0] == PEERS


def test_find_by_id_falls_back_to_the_name(client, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}?name={TOR}"] = (
        200,
        {"distributors": [a_distributor(name=TOR)]},
    )
    assert client.find_distributor(TOR, False).id == FABRIC


def test_find_does_not_hide_another_error_than_404(client, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = (
        403,
        {"faultstring": "Policy does not allow this request to be performed."},
    )
    with pytest.raises(exceptions.ForbiddenException, match="Policy"):
        client.find_distributor(FABRIC, ignore_missing=False)


def test_find_refuses_to_choose(client, cloud):
    cloud.answers["GET", f"{PEERS}?name=tor"] = (
        200,
        {"bgp_peers": [{"id": TOR}, {"id": SPEAKER}]},
    )
    with pytest.raises(exceptions.DuplicateResource, match="2 BGP peers"):
        client.find_bgp_peer("tor", ignore_missing=False)


def test_find_of_none(client, cloud):
    cloud.answers["GET", f"{PEERS}?name=tor"] = 200, {"bgp_peers": []}
    assert client.find_bgp_peer("tor") is None
    with pytest.raises(
        exceptions.NotFoundException, match="No BGP peer found for tor"
    ):
        client.find_bgp_peer("tor", ignore_missing=False)


def test_a_speaker_is_found_by_distributor_and_version(client, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}?name=a%2Fb"] = (
        200,
        {"distributors": [a_distributor(name="a/b")]},
    )
    cloud.answers["GET", f"{SPEAKERS}/{SPEAKER}"] = (
        200,
        {"bgp_speaker": {"id": SPEAKER, "distributor_id": FABRIC}},
    )
    assert client.find_bgp_speaker("a/b/4", False).id == SPEAKER
    assert client.find_bgp_speaker("a/b/6") is None
    with pytest.raises(exceptions.NotFoundException, match="for IPv6"):
        client.find_bgp_speaker("a/b/6", ignore_missing=False)


@pytest.mark.parametrize("name", ["fabric", "fabric/5", "/"])
def test_what_names_no_speaker_is_not_asked_for(client, cloud, name):
    with pytest.raises(exceptions.NotFoundException, match="No BGP speaker"):
        client.find_bgp_speaker(name, ignore_missing=False)
    assert cloud.requests == []


def test_a_list_follows_the_links_of_its_pages(client, cloud):
    cloud.answers["GET", f"{PEERS}?peering_network=frontend"] = (
        200,
        {
            "bgp_peers": [{"id": TOR}],
            "bgp_peers_links": [
                {
                    "rel": "next",
                    "href": "http://octavia.test:9876/v2.0/lbaas/bgp-peers"
                    f"?peering_network=frontend&marker={TOR}",
                }
            ],
        },
    )
    cloud.answers["GET", f"{PEERS}?peering_network=frontend&marker={TOR}"] = (
        200,
        {"bgp_peers": [{"id": SPEAKER}]},
    )
    found = client.bgp_peers(peering_network="frontend")
    assert [peer.id for peer in found] == [TOR, SPEAKER]


def test_peers_are_registered_and_unregistered_by_path(client, cloud):
    path = f"{SPEAKERS}/{SPEAKER}/bgp-peers/{TOR}"
    cloud.answers["PUT", path] = (
        200,
        {"bgp_speaker": {"id": SPEAKER, "peers": [{"id": TOR}]}},
    )
    cloud.answers["DELETE", path] = 204, None
    assert client.register_bgp_peer(SPEAKER, TOR).peers == [{"id": TOR}]
    client.unregister_bgp_peer(SPEAKER, TOR)
    assert [(method, path) for method, path, _ in cloud.changes] == [
        ("PUT", path),
        ("DELETE", path),
    ]


def test_a_refused_unregistration_is_an_error(client, cloud):
    cloud.answers["DELETE", f"{SPEAKERS}/{SPEAKER}/bgp-peers/{TOR}"] = (
        409,
        {"faultstring": "the last peer"},
    )
    with pytest.raises(exceptions.ConflictException, match="the last peer"):
        client.unregister_bgp_peer(SPEAKER, TOR)


def test_delete_of_a_distributor_with_its_peers(client, cloud):
    cloud.answers["DELETE", f"{DISTRIBUTORS}/{FABRIC}?cascade=true"] = (
        204,
        None,
    )
    client.delete_distributor(FABRIC, cascade=True, ignore_missing=False)
    assert len(cloud.changes) == 1


def test_a_load_balancer_with_its_front_end(client, cloud):
    path = "/v2.0/lbaas/loadbalancers"
    body = {"frontend_subnet_id": TOR, "distributor_id": FABRIC}
    cloud.answers["POST", path] = (
        201,
        {"loadbalancer": {"id": BALANCER, **body}},
    )
    made = client.create_load_balancer(**body)
    assert cloud.changes == [("POST", path, {"loadbalancer": body})]
    assert (made.distributor_id, made.frontend_subnet_id) == (FABRIC, TOR)
    cloud.answers["GET", f"{path}?distributor_id={FABRIC}"] = (
        200,
        {"loadbalancers": [{"id": BALANCER}]},
    )
    (found,) = client.load_balancers(distributor_id=FABRIC)
    assert found.id == BALANCER


def test_the_cluster_of_a_load_balancer(client, cloud):
    cloud.answers["GET", f"/v2.0/lbaas/loadbalancers/{BALANCER}/cluster"] = (
        200,
        {"cluster": {"load_balancer_id": BALANCER, "desired_size": 4}},
    )
    found = client.get_load_balancer_cluster(BALANCER)
    assert (found.load_balancer_id, found.desired_size) == (BALANCER, 4)


def test_wait_until_active(client, cloud, monkeypatch):
    monkeypatch.setattr(proxy, "_INTERVAL_SECONDS", 0)
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = [
        (200, {"distributor": a_distributor(provisioning_status=status)})
        for status in ("PENDING_CREATE", "PENDING_UPDATE", "ACTIVE")
    ]
    assert client.wait_for_distributor(FABRIC).provisioning_status == "ACTIVE"
    assert len(cloud.requests) == 3


def test_wait_tells_why_a_distributor_is_in_error(client, cloud):
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = (
        200,
        {
            "distributor": a_distributor(
                provisioning_status="ERROR", status_reason="no such driver"
            )
        },
    )
    with pytest.raises(exceptions.ResourceFailure, match="no such driver"):
        client.wait_for_distributor(FABRIC)
    with pytest.raises(exceptions.ResourceFailure, match="no such driver"):
        client.wait_for_no_distributor(FABRIC)


def test_wait_ends(client, cloud, monkeypatch):
    monkeypatch.setattr(proxy, "_INTERVAL_SECONDS", 0)
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = (
        200,
        {"distributor": a_distributor(provisioning_status="PENDING_UPDATE")},
    )
    with pytest.raises(exceptions.ResourceTimeout, match="PENDING_UPDATE"):
        client.wait_for_distributor(FABRIC, wait=0.05)
    with pytest.raises(exceptions.ResourceTimeout, match="still there"):
        client.wait_for_no_distributor(FABRIC, wait=0.05)


def test_wait_until_gone(client, cloud, monkeypatch):
    monkeypatch.setattr(proxy, "_INTERVAL_SECONDS", 0)
    cloud.answers["GET", f"{DISTRIBUTORS}/{FABRIC}"] = [
        (200, {"distributor": a_distributor()}),
        (404, {"faultstring": "gone"}),
    ]
    client.wait_for_no_distributor(FABRIC)
    assert len(cloud.requests) == 2


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_password_is_sent_but_neither_kept_nor_logged(
    client, cloud, caplog, is_refused
):
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    cloud.answers["POST", PEERS] = (
        (400, {"faultstring": "no"})
        if is_refused
        else (201, {"bgp_peer": {"id": TOR, "name": "tor"}})
    )
    peer = sdk.BgpPeer.new(name="tor", auth_type="md5", password=SECRET)
    if is_refused:
        with pytest.raises(exceptions.BadRequestException):
            peer.create(client)
    else:
        peer.create(client)
    ((_, _, body),) = cloud.changes
    assert body["bgp_peer"]["password"] == SECRET
    assert SECRET not in caplog.text
    assert peer.password is None
    assert SECRET not in repr(peer)
    assert SECRET not in str(dict(peer))


def test_a_password_is_masked_before_it_is_sent():
    peer = sdk.BgpPeer.new(name="tor", password=SECRET)
    assert SECRET not in repr(peer)
    assert "***" in repr(peer)


def test_passwords_inside_a_distributor_are_not_logged(client, cloud, caplog):
    caplog.set_level(logging.DEBUG, logger="keystoneauth")
    cloud.answers["POST", DISTRIBUTORS] = 201, {"distributor": a_distributor()}
    client.create_distributor(
        name="logged?", speakers=[{"peers": [{"password": SECRET}]}]
    )
    assert SECRET not in caplog.text
    client.create_distributor(name="this is logged")
    assert "this is logged" in caplog.text
