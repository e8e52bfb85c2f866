# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors`` as its users see it.

There is no controller here: what is asked for stays PENDING_* until a test
settles it. What is refused is in test_resource_refusals.py, lists are in
test_resource_lists.py.
"""

import logging
from ipaddress import ip_address

import pytest

from octavia_anycast.api import openapi
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.registration import registrations
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.errors import Retryable
from octavia_anycast.octavia_adapter.secrets import FernetCipher
from octavia_anycast.testing import samples

PATH = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"


def shown(api, distributor_id):
    answer = api.call("GET", f"{PATH}/{distributor_id}")
    assert answer.status == 200, answer.text
    return answer.body["distributor"]


def put(api, distributor, **changes):
    return api.call(
        "PUT", f"{PATH}/{distributor['id']}", {"distributor": changes}
    )


def count(api, path):
    (root,) = (
        value
        for name, value in api.call("GET", path).body.items()
        if not name.endswith("_links")
    )
    return len(root)


@pytest.fixture
def made(api):
    made = api.create(PATH, samples.distributor())
    api.settle()
    return made


def test_create_answers_all_that_was_given_but_the_peers(api):
    network_id, (v4, v6) = api.neutron.add_network(
        "10.1.0.0/24", "fd00:10:1::/64"
    )
    body = samples.distributor(
        description="Zwei Blätter, ein Rückgrat 🕸",
        is_default=True,
        zones=[
            {
                "availability_zone": "rack1",
                "frontend_network_id": network_id,
                "frontend_subnet_ids": [v4, v6],
            },
            {"availability_zone": "rack2"},
        ],
    )

    created = api.create(PATH, body)

    (speaker,) = created.pop("speakers")
    ((peer_id,),) = [peer.values() for peer in speaker.pop("peers")]
    assert created.pop("created_at")[:4].isdigit()
    assert created.pop("id")
    assert speaker.pop("id")
    assert speaker == {"ip_version": 4, "local_as": 65100, "driver": "exabgp"}
    assert created == {
        "name": "fabric",
        "description": "Zwei Blätter, ein Rückgrat 🕸",
        "distributor_type": "L3_BGP",
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "status_reason": "",
        "enabled": True,
        "is_default": True,
        "zones": [
            body["distributor"]["zones"][0],
            {
                "availability_zone": "rack2",
                "frontend_network_id": None,
                "frontend_subnet_ids": [],
            },
        ],
        "dedicated_count": 0,
        "load_balancer_count": 0,
        "amphora_count": 0,
        "vip_count": 0,
        "updated_at": None,
    }
    peer = api.call("GET", f"{PEERS}/{peer_id}").body["bgp_peer"]
    wanted = samples.peer()
    del wanted["password"]
    assert {name: peer[name] for name in wanted} == wanted


def test_show_answers_what_create_did(api):
    created = api.create(PATH, samples.distributor())

    assert shown(api, created["id"]) == created


def test_a_distributor_may_begin_without_speakers(api):
    made = api.create(PATH, {"distributor": {"name": "fabric"}})
    assert made["speakers"] == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "name: it is missing"),
        ({"name": None}, "name: None is not of type str"),
        ({"name": ""}, "name: a distributor needs a name"),
    ],
)
def test_a_distributor_needs_a_name(api, body, sentence):
    answer = api.call("POST", PATH, {"distributor": body})
    assert answer.status == 400
    assert sentence in answer.fault


def test_create_takes_peers_that_are_there(api):
    first = api.create(PATH, samples.distributor())
    (peer,) = first["speakers"][0]["peers"]
    new = samples.peer(name="leaf2", peer_ip="172.31.0.12")

    second = api.create(
        PATH,
        samples.distributor(speakers=[samples.speaker(peers=[new, peer])]),
    )

    assert second["speakers"][0]["peers"][1] == peer
    assert count(api, PEERS) == 2
    users = api.call("GET", f"{PEERS}/{peer['id']}").body["bgp_peer"]
    assert [s["id"] for s in users["speakers"]] == [
        d["speakers"][0]["id"] for d in (first, second)
    ]


def test_the_password_of_a_peer_that_is_there_stays(api):
    first = api.create(PATH, samples.distributor())
    second = api.create(
        PATH,
        samples.distributor(
            speakers=[samples.speaker(peers=first["speakers"][0]["peers"])]
        ),
    )

    with api.database.transaction() as session:
        stored = distributors.get(session, second["id"], FernetCipher())
        assert stored.speakers[0].peers[0].password == samples.PASSWORD


def test_speakers_need_not_share_an_as(api):
    """ExaBGP has a local AS for each session."""
    created = api.create(
        PATH,
        samples.distributor(
            speakers=[
                samples.speaker(),
                samples.speaker(ip_version=6, local_as=65200, peers=[]),
            ]
        ),
    )

    assert [s["local_as"] for s in created["speakers"]] == [65100, 65200]


def test_both_version_paths_serve_it(api):
    created = api.create(PATH, samples.distributor())

    answer = api.call("GET", f"/v2.0/lbaas/distributors/{created['id']}")

    assert answer.body["distributor"] == created


def test_version_discovery_is_octavias(api):
    versions = [v["id"] for v in api.call("GET", "/").body["versions"]]

    assert versions[0] == "v2.0"
    assert versions[-1] == f"v{openapi.API_VERSION}"


def test_the_password_is_nowhere_but_encrypted_in_the_database(api, caplog):
    caplog.set_level(logging.DEBUG)
    created = api.create(PATH, samples.distributor())
    shown = api.call("GET", PATH).text + api.call("GET", PEERS).text
    refused = api.call(
        "POST",
        PATH,
        samples.distributor(
            speakers=[samples.speaker(peers=[samples.peer(hold_time=1)])]
        ),
    ).text

    assert samples.PASSWORD not in shown + refused + caplog.text
    with api.database.transaction() as session:
        stored = distributors.get(session, created["id"], FernetCipher())
        assert stored.speakers[0].peers[0].password == samples.PASSWORD
        raw = session.connection().exec_driver_sql(
            "SELECT password FROM anycast_distributor_l3_bgp_peer"
        )
        assert samples.PASSWORD not in str(raw.scalar())


# -- update -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ACTIVE"),
        ({"name": "other"}, "ACTIVE"),
        ({"description": "Rückgrat 🕸", "name": "x"}, "ACTIVE"),
        ({"is_default": True}, "ACTIVE"),
        ({"enabled": True}, "ACTIVE"),
        ({"enabled": False}, "PENDING_UPDATE"),
        ({"zones": [{"availability_zone": "rack1"}]}, "PENDING_UPDATE"),
        ({"zones": []}, "ACTIVE"),
    ],
)
def test_update_changes_what_is_given_only(api, made, changes, status):
    answer = put(api, made, **changes)

    assert answer.status == 200, answer.text
    updated = answer.body["distributor"]
    assert updated == shown(api, made["id"])
    assert updated.pop("updated_at") is not None
    zones = changes.get("zones")
    if zones:
        changes = changes | {
            "zones": [
                {"frontend_network_id": None, "frontend_subnet_ids": []} | zone
                for zone in zones
            ]
        }
    del made["updated_at"]
    assert updated == made | changes | {
        "provisioning_status": status,
        "operating_status": "ONLINE",
    }


def test_null_resets_an_attribute(api, made):
    put(api, made, name="other", description="text")

    updated = put(api, made, description=None, is_default=None)

    changed = updated.body["distributor"]
    assert (changed["name"], changed["description"]) == ("other", "")


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_name_can_be_changed_but_not_taken_away(api, made, name):
    answer = put(api, made, name=name)
    assert answer.status == 400
    assert shown(api, made["id"])["name"] == made["name"]


def test_the_default_moves(api, made):
    old = api.create(PATH, samples.distributor(is_default=True))
    api.settle()

    assert put(api, made, is_default=True).status == 200

    assert shown(api, made["id"])["is_default"] is True
    assert shown(api, old["id"])["is_default"] is False
    assert put(api, made, is_default=False).status == 200
    assert shown(api, made["id"])["is_default"] is False


@pytest.mark.parametrize("status", lifecycle.PENDING)
def test_a_pending_distributor_is_immutable(api, made, status):
    (speaker,) = made["speakers"]
    (peer,) = speaker["peers"]
    other = api.create(
        PEERS, {"bgp_peer": samples.peer(peer_ip="172.31.0.99")}
    )
    with api.database.transaction() as session:
        lifecycle.settle(session, made["id"], provisioning_status=status)
    of_speaker = f"{SPEAKERS}/{speaker['id']}"
    new = {"distributor_id": made["id"], "ip_version": 6, "local_as": 65100}
    calls = [
        ("PUT", f"{PATH}/{made['id']}", {"distributor": {"name": "x"}}),
        ("DELETE", f"{PATH}/{made['id']}", None),
        ("PUT", of_speaker, {"bgp_speaker": {"local_as": 65101}}),
        ("DELETE", of_speaker, None),
        ("POST", SPEAKERS, {"bgp_speaker": new}),
        ("PUT", f"{of_speaker}/bgp-peers/{other['id']}", None),
        ("DELETE", f"{of_speaker}/bgp-peers/{peer['id']}", None),
        ("PUT", f"{PEERS}/{peer['id']}", {"bgp_peer": {"med": 7}}),
    ]

    before = [api.call("GET", p).body for p in (PATH, PEERS, SPEAKERS)]
    for method, path, body in calls:
        answer = api.call(method, path, body)
        assert answer.status == 409, (method, path, answer.text)
        assert f"it is in {status}" in answer.fault
    assert before == [api.call("GET", p).body for p in (PATH, PEERS, SPEAKERS)]


def test_one_in_error_can_be_changed_and_deleted(api, made):
    with api.database.transaction() as session:
        lifecycle.settle(
            session,
            made["id"],
            provisioning_status="ERROR",
            status_reason="the password does not fit",
        )
    assert shown(api, made["id"])["status_reason"] == (
        "the password does not fit"
    )

    assert put(api, made, zones=[{}]).status == 200
    api.settle()
    assert api.call("DELETE", f"{PATH}/{made['id']}").status == 204


# -- the default ------------------------------------------------------------


def test_there_is_one_default_only(api):
    api.create(PATH, samples.distributor(is_default=True))

    answer = api.call("POST", PATH, samples.distributor(is_default=True))

    assert answer.status == 409
    assert "is_default" in answer.fault
    assert count(api, PATH) == 1
    api.create(PATH, samples.distributor(is_default=False))


def test_the_database_allows_one_default_only(api):
    """Two API processes at once: the unique key decides."""
    first = api.create(PATH, samples.distributor(is_default=True))
    other = api.create(PATH, samples.distributor())
    with (
        pytest.raises(Exception, match="is_default"),
        api.database.transaction() as session,
    ):
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor SET is_default = 1 WHERE id = ?",
            (other["id"],),
        )
    (found,) = api.call("GET", f"{PATH}?is_default=true").body["distributors"]
    assert found["id"] == first["id"]


# -- delete -----------------------------------------------------------------


def test_delete_is_left_to_the_controller(api, made):
    path = f"{PATH}/{made['id']}"

    assert api.call("DELETE", path).status == 204

    assert shown(api, made["id"])["provisioning_status"] == "PENDING_DELETE"
    api.settle()
    assert api.call("GET", path).status == 404
    assert api.call("DELETE", path).status == 404
    assert count(api, SPEAKERS) == 0


@pytest.mark.parametrize(
    ("query", "left"),
    [("", 2), ("?cascade=false", 2), ("?cascade=true", 1)],
)
def test_peers_go_with_it_if_asked_and_nobody_else_uses_them(
    api, made, query, left
):
    (shared,) = made["speakers"][0]["peers"]
    own = samples.peer(name="leaf2", peer_ip="172.31.0.12")
    other = api.create(
        PATH, samples.distributor(speakers=[samples.speaker(peers=[shared])])
    )
    doomed = api.create(
        PATH,
        samples.distributor(speakers=[samples.speaker(peers=[own, shared])]),
    )
    api.settle()

    assert api.call("DELETE", f"{PATH}/{doomed['id']}{query}").status == 204
    assert count(api, PEERS) == 2
    api.settle()

    assert count(api, PEERS) == left
    assert shown(api, other["id"])["speakers"][0]["peers"] == [shared]


def test_cascade_is_true_or_false(api, made):
    answer = api.call("DELETE", f"{PATH}/{made['id']}?cascade=maybe")

    assert answer.status == 400
    assert "cascade: " in answer.fault
    assert shown(api, made["id"])["provisioning_status"] == "ACTIVE"


@pytest.fixture
def used(api):
    """A distributor with two load balancers."""
    made = api.create(PATH, samples.distributor(is_default=True))
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    lb_ids = [
        api.create(
            "/v2/lbaas/loadbalancers",
            {"loadbalancer": {"vip_subnet_id": subnet_id}},
        )["id"]
        for _ in range(2)
    ]
    api.settle()
    return made, lb_ids


def test_delete_is_refused_while_load_balancers_use_it(api, used):
    created, _ = used

    answer = api.call("DELETE", f"{PATH}/{created['id']}?cascade=true")

    assert answer.status == 409
    assert "2 load balancer(s) use it" in answer.fault
    assert shown(api, created["id"])["provisioning_status"] == "ACTIVE"


def test_load_balancers_amphorae_and_vips_are_counted(api, used):
    created, lb_ids = used
    idle = api.create(PATH, samples.distributor(speakers=[]))
    with api.database.transaction() as session:
        for amphora_id, lb_id in (
            ("a1", lb_ids[0]),
            ("a2", lb_ids[0]),
            ("a3", lb_ids[1]),
        ):
            registrations.register(
                session,
                amphora_id,
                load_balancer_id=lb_id,
                distributor_id=created["id"],
                speaker_ids=[],
            )
            registrations.replace_vips(
                session,
                amphora_id,
                [
                    AnnouncedVip(
                        vip_ip=ip_address(vip),
                        nexthop_ip=ip_address("10.1.0.5"),
                        load_balancer_id=lb_id,
                    )
                    for vip in ("198.51.100.9", f"198.51.100.{amphora_id[1]}")
                ],
            )

    for found in (
        shown(api, created["id"]),
        api.call("GET", f"{PATH}?is_default=true").body["distributors"][0],
    ):
        assert found["load_balancer_count"] == 2
        assert found["amphora_count"] == 3
        assert found["vip_count"] == 4
    assert shown(api, idle["id"])["load_balancer_count"] == 0
    assert shown(api, idle["id"])["vip_count"] == 0


def test_the_database_being_away_is_a_503(api, monkeypatch):
    def down(*_):
        raise Retryable("connection refused by db.internal")

    monkeypatch.setattr(distributors, "page", down)

    answer = api.call("GET", PATH)

    assert answer.status == 503
    assert "db.internal" not in answer.text
