# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/bgp-peers`` and ``/v2/lbaas/bgp-speakers`` as users see them."""

import pytest

from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.bgp_resources import (
    DISTRIBUTORS,
    NOBODY,
    PEERS,
    SPEAKERS,
    make_peer,
    make_speaker,
    password_of,
    peer_of,
    put_peer,
    speaker_of,
    status_of,
)


def test_a_peer_has_every_attribute_but_its_password(api):
    made = make_peer(api)

    assert made.pop("id")
    assert made.pop("created_at")
    wanted = samples.peer()
    del wanted["password"]
    assert made == wanted | {
        "peer_port": 179,
        "bfd": None,
        "peering_network": "management",
        "compute_host": None,
        "max_prefixes": None,
        "as_path_prepend": 0,
        "med": None,
        "local_pref": None,
        "speakers": [],
        "updated_at": None,
    }


def test_a_peer_needs_an_address_and_an_as_only(api):
    body = {"peer_ip": "2001:db8::1", "remote_as": 1}

    made = api.create(PEERS, {"bgp_peer": body})

    assert {name: made[name] for name in body} == body
    assert made["hold_time"] == 90


@pytest.mark.parametrize(
    ("changes", "becomes"),
    [
        ({}, {}),
        ({"med": 7, "name": "Blatt 🌿"}, {"med": 7, "name": "Blatt 🌿"}),
        ({"med": None, "hold_time": 9}, {"med": None, "hold_time": 9}),
        (
            {"hold_time": None, "keepalive_interval": None, "name": None},
            {"hold_time": 90, "keepalive_interval": None, "name": ""},
        ),
        ({"communities": None}, {"communities": []}),
        ({"peer_port": 1790}, {"peer_port": 1790}),
        ({"peer_port": None}, {"peer_port": 179}),
        ({"bfd": {"multiplier": 5}}, None),
        ({"password": "another"}, {}),
        ({"auth_type": None}, {"auth_type": None}),
    ],
)
def test_update_of_a_peer_changes_what_is_given_only(api, changes, becomes):
    made = make_peer(api, med=5)

    answer = put_peer(api, made["id"], **changes)

    assert answer.status == 200, answer.text
    updated = answer.body["bgp_peer"]
    assert updated == peer_of(api, made["id"])
    if becomes is None:  # what is left out of an object has its default
        becomes = {
            "bfd": {"min_tx_ms": 100, "min_rx_ms": 100} | {"multiplier": 5}
        }
    for peer in (made, updated):
        del peer["updated_at"]
    assert updated == made | becomes


@pytest.mark.parametrize(
    ("changes", "password"),
    [
        ({"med": 7}, samples.PASSWORD),
        ({"password": "another"}, "another"),
        ({"auth_type": "md5", "password": "another"}, "another"),
        ({"auth_type": None}, None),
        ({"auth_type": None, "password": None}, None),
    ],
)
def test_a_password_changes_only_if_it_is_given(api, changes, password):
    made = make_peer(api)

    assert put_peer(api, made["id"], **changes).status == 200

    assert password_of(api, made["id"]) == password


def test_a_peer_gets_a_password_later(api):
    made = make_peer(api, auth_type=None, password=None)

    put_peer(api, made["id"], auth_type="md5", password="later")

    assert password_of(api, made["id"]) == "later"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ACTIVE"),
        ({"med": None}, "ACTIVE"),  # it has none
        ({"med": 7}, "PENDING_UPDATE"),
        ({"password": samples.PASSWORD}, "PENDING_UPDATE"),
    ],
)
def test_a_changed_peer_reaches_each_distributor_of_it(
    api, fabric, bare, changes, status
):
    (peer,) = fabric["speakers"][0]["peers"]
    make_speaker(api, bare, peers=[peer])
    other = api.create(DISTRIBUTORS, samples.distributor())
    api.settle()

    assert put_peer(api, peer["id"], **changes).status == 200

    assert [status_of(api, d) for d in (fabric, bare, other)] == [
        status,
        status,
        "ACTIVE",
    ]


def test_a_peer_that_is_registered_has_to_fit_its_speaker(api, fabric):
    (peer,) = fabric["speakers"][0]["peers"]

    answer = put_peer(api, peer["id"], peer_ip="2001:db8::1")

    assert answer.status == 400
    assert ": peer_ip: 2001:db8::1 is not an IPv4 address" in answer.fault
    assert peer_of(api, peer["id"])["peer_ip"] == "172.31.0.11"
    assert status_of(api, fabric) == "ACTIVE"


def test_delete_of_a_peer(api, fabric):
    (registered,) = fabric["speakers"][0]["peers"]
    idle = make_peer(api)

    assert api.call("DELETE", f"{PEERS}/{idle['id']}").status == 204
    assert api.call("DELETE", f"{PEERS}/{idle['id']}").status == 404
    answer = api.call("DELETE", f"{PEERS}/{registered['id']}")

    assert answer.status == 409
    assert "registered with 1 BGP speaker(s)" in answer.fault
    assert peer_of(api, registered["id"])["id"] == registered["id"]


# -- speakers ---------------------------------------------------------------


def test_a_speaker_is_made_with_peers_that_are_there(api, bare):
    leaves = [
        make_peer(api, peer_ip=f"172.31.0.{number}") for number in (2, 1)
    ]

    answer = make_speaker(
        api, bare, peers=[{"id": leaf["id"]} for leaf in leaves]
    )

    assert answer.status == 201, answer.text
    made = answer.body["bgp_speaker"]
    assert made == speaker_of(api, made["id"])
    assert made.pop("id")
    assert made.pop("created_at")
    assert made == {
        "distributor_id": bare["id"],
        "ip_version": 4,
        "local_as": 65100,
        "driver": "exabgp",
        "peers": [{"id": leaf["id"]} for leaf in leaves],
        "updated_at": None,
    }
    assert status_of(api, bare) == "PENDING_UPDATE"


def test_a_distributor_has_one_speaker_per_ip_version(api, fabric):
    assert make_speaker(api, fabric, ip_version=6).status == 201
    api.settle()

    answer = make_speaker(api, fabric, ip_version=6)

    assert answer.status == 409
    assert "ip_version" in answer.fault
    assert status_of(api, fabric) == "ACTIVE"


@pytest.mark.parametrize(
    ("local_as", "status"),
    [(65101, "PENDING_UPDATE"), (65100, "ACTIVE")],
)
def test_the_as_of_a_speaker_changes(api, fabric, local_as, status):
    (speaker,) = fabric["speakers"]
    path = f"{SPEAKERS}/{speaker['id']}"

    answer = api.call("PUT", path, {"bgp_speaker": {"local_as": local_as}})

    assert answer.status == 200
    assert answer.body["bgp_speaker"]["local_as"] == local_as
    assert status_of(api, fabric) == status


def test_peers_are_registered_and_unregistered(api, fabric):
    (speaker,) = fabric["speakers"]
    (first,) = speaker["peers"]
    second = make_peer(api, peer_ip="172.31.0.12")
    path = f"{SPEAKERS}/{speaker['id']}/bgp-peers/{second['id']}"

    answer = api.call("PUT", path)
    assert answer.status == 200, answer.text
    registered = answer.body["bgp_speaker"]
    assert [p["id"] for p in registered["peers"]] == [
        first["id"],
        second["id"],
    ]
    assert peer_of(api, second["id"])["speakers"] == [{"id": speaker["id"]}]
    assert status_of(api, fabric) == "PENDING_UPDATE"

    # Twice is once: nothing changes, so nothing has to wait.
    assert api.call("PUT", path).body["bgp_speaker"] == registered
    assert api.call("DELETE", path).status == 409
    api.settle()
    assert api.call("DELETE", path).status == 204
    assert speaker_of(api, speaker["id"])["peers"] == [first]
    assert status_of(api, fabric) == "PENDING_UPDATE"
    api.settle()
    assert api.call("DELETE", path).status == 404
    assert peer_of(api, second["id"])["speakers"] == []


def test_a_peer_that_does_not_fit_is_not_registered(api, fabric):
    (speaker,) = fabric["speakers"]
    for changes, reason in (
        ({"peer_ip": "2001:db8::1"}, "is not an IPv4 address"),
        ({}, "is there twice"),
        ({"peer_ip": "172.31.0.7", "bfd": {}}, "ExaBGP does not speak BFD"),
    ):
        peer = make_peer(api, **changes)

        answer = api.call(
            "PUT", f"{SPEAKERS}/{speaker['id']}/bgp-peers/{peer['id']}"
        )

        assert answer.status == 400, answer.text
        assert reason in answer.fault
    assert speaker_of(api, speaker["id"])["peers"] == speaker["peers"]
    assert status_of(api, fabric) == "ACTIVE"


def test_delete_of_a_speaker_leaves_its_peers(api, fabric):
    (speaker,) = fabric["speakers"]

    assert api.call("DELETE", f"{SPEAKERS}/{speaker['id']}").status == 204

    assert api.call("GET", f"{SPEAKERS}/{speaker['id']}").status == 404
    assert status_of(api, fabric) == "PENDING_UPDATE"
    assert peer_of(api, speaker["peers"][0]["id"])["speakers"] == []
    api.settle()


@pytest.mark.parametrize("what", ["speaker", "peer"])
def test_load_balancers_keep_somebody_to_announce_to(
    api, fabric, load_balancer, what
):
    (speaker,) = fabric["speakers"]
    path = f"{SPEAKERS}/{speaker['id']}"
    if what == "peer":
        path += f"/bgp-peers/{speaker['peers'][0]['id']}"

    answer = api.call("DELETE", path)

    assert answer.status == 409
    assert f"last BGP {what}" in answer.fault
    assert "1 load balancer(s)" in answer.fault
    assert speaker_of(api, speaker["id"])["peers"] == speaker["peers"]

    # With another one it may go.
    six = make_peer(api, peer_ip="2001:db8::1")
    made = make_speaker(api, fabric, ip_version=6, peers=[{"id": six["id"]}])
    assert made.status == 201, made.text
    api.settle()
    assert api.call("DELETE", path).status == 204


@pytest.mark.parametrize("path", [DISTRIBUTORS, PEERS, SPEAKERS])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("one", [NOBODY, "nobody", "%F0%9F%95%B8", "x" * 300])
def test_what_is_not_there_is_a_404(api, path, method, one):
    root = {"GET": None, "DELETE": None}.get(
        method,
        {
            DISTRIBUTORS: {"distributor": {}},
            PEERS: {"bgp_peer": {}},
            SPEAKERS: {"bgp_speaker": {}},
        }[path],
    )

    answer = api.call(method, f"{path}/{one}", root)

    assert answer.status == 404, answer.text
    assert answer.fault.endswith(" not found.")


def test_registering_needs_both(api, fabric):
    (speaker,) = fabric["speakers"]
    (peer,) = speaker["peers"]
    for path in (
        f"{SPEAKERS}/{speaker['id']}/bgp-peers/{NOBODY}",
        f"{SPEAKERS}/{NOBODY}/bgp-peers/{peer['id']}",
    ):
        for method in ("PUT", "DELETE"):
            answer = api.call(method, path)
            assert answer.status == 404, answer.text
            assert NOBODY in answer.fault
    assert status_of(api, fabric) == "ACTIVE"
