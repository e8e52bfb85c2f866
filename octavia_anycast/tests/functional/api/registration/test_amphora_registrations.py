# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/amphorae`` as its users see it."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.db import dedicated, heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.wire import (
    GateState,
)
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.serving_rows import (
    FIRST,
    NEXT_HOPS,
    SECOND,
    announce,
    serve,
)

PATH = "/v2/lbaas/distributors"
BALANCERS = "/v2/lbaas/loadbalancers"
NOBODY = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"


def bird(**attributes):
    return samples.speaker(driver="bird", **attributes)


@pytest.fixture
def made(api):
    """A distributor with an amphora of its own, as soon as it boots."""
    peer = samples.peer(availability_zone=None)
    made = api.create(
        PATH,
        samples.distributor(dedicated_count=1, speakers=[bird(peers=[peer])]),
    )
    api.settle()
    return made


@pytest.fixture
def path(made):
    return f"{PATH}/{made['id']}/amphorae"


@pytest.fixture
def balancer(api, made):
    """A load balancer with two amphorae that serve."""
    api.create(PATH, samples.distributor(is_default=True, name="default"))
    api.settle()
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    balancer = api.create(
        BALANCERS, {"loadbalancer": {"vip_subnet_id": subnet_id}}
    )
    octavia_rows.settle()
    for amphora_id in (FIRST, SECOND):
        serve(api, balancer, amphora_id)
    return balancer


def body(balancer, **attributes):
    return {"amphora": {"load_balancer_id": balancer["id"]} | attributes}


def revision(api, made):
    with api.database.transaction() as session:
        return dedicated.standing(session, made["id"]).vips_revision


def states(shown):
    return {p["amphora_id"]: p["state"] for p in shown["paths"]}


def test_registered_and_shown(api, made, path, balancer):
    peer_id = made["speakers"][0]["peers"][0]["id"]
    created = api.create(path, body(balancer, peer_id=peer_id))
    expected = {
        "distributor_id": made["id"],
        "load_balancer_id": balancer["id"],
        "amphora_id": None,
        "peer_id": peer_id,
        "draining": False,
        "drain_deadline": None,
        "updated_at": None,
    }
    assert {name: created[name] for name in expected} == expected
    assert [
        (p["amphora_id"], p["vip_address"], p["next_hop"], p["state"])
        for p in created["paths"]
    ] == [
        (i, balancer["vip_address"], NEXT_HOPS[i], "pending")
        for i in (FIRST, SECOND)
    ]
    one = api.call("GET", f"{path}/{created['id']}").body["amphora"]
    assert one == created
    assert api.call("GET", path).body["amphorae"] == [created]
    shown = api.call("GET", f"{PATH}/{made['id']}").body["distributor"]
    assert shown["provisioning_status"] == "ACTIVE"


def test_one_amphora_alone(api, path, balancer):
    created = api.create(path, body(balancer, amphora_id=FIRST))
    assert states(created) == {FIRST: "pending"}
    api.create(path, body(balancer, amphora_id=SECOND))


def test_unregistered(api, path, balancer):
    created = api.create(path, body(balancer))
    assert api.call("DELETE", f"{path}/{created['id']}").status == 204
    assert api.call("DELETE", f"{path}/{created['id']}").status == 404
    assert api.call("GET", path).body["amphorae"] == []


def test_lists_are_cut_and_filtered(api, path, balancer):
    made = [
        api.create(path, body(balancer, amphora_id=amphora_id))
        for amphora_id in (FIRST, SECOND)
    ]
    page = api.call("GET", f"{path}?limit=1&sort=amphora_id:desc").body
    assert [a["id"] for a in page["amphorae"]] == [made[1]["id"]]
    assert page["amphorae_links"][0]["rel"] == "next"
    found = api.call("GET", f"{path}?amphora_id={FIRST}").body["amphorae"]
    assert [a["id"] for a in found] == [made[0]["id"]]
    assert api.call("GET", f"{path}?draining=true").body["amphorae"] == []
    found = api.call("GET", f"{path}?draining=false&fields=draining").body
    assert found["amphorae"] == [{"draining": False}] * 2


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"load_balancer_id": "web"}, "load_balancer_id"),
        ({"load_balancer_id": None}, "load_balancer_id"),
        ({"amphora_id": "first"}, "amphora_id"),
        ({"amphora_id": 1}, "amphora_id"),
        ({"peer_id": "leaf"}, "peer_id"),
        ({"peer_id": NOBODY}, "peer_id"),
        ({"weight": 3}, "weight"),
        ({"draining": True}, "draining"),
    ],
)
def test_what_is_refused_is_named(api, path, balancer, changes, name):
    answer = api.call("POST", path, body(balancer, **changes))
    assert answer.status == 400, answer.text
    assert name in answer.text
    assert api.call("GET", path).body["amphorae"] == []


def test_what_is_not_there_is_not_found(api, path, balancer):
    nowhere = f"{PATH}/{NOBODY}/amphorae"
    for method, where, given in (
        ("GET", nowhere, None),
        ("GET", f"{nowhere}?colour=red", None),
        ("POST", nowhere, body(balancer)),
        ("DELETE", f"{path}/{NOBODY}", None),
        ("GET", f"{path}/{NOBODY}", None),
        ("PUT", f"{path}/{NOBODY}/drain", {}),
        ("DELETE", f"{path}/{NOBODY}/drain", None),
        ("POST", path, body({"id": NOBODY})),
        ("POST", path, body(balancer, amphora_id=NOBODY)),
    ):
        answer = api.call(method, where, given)
        assert answer.status == 404, (method, where, answer.text)


def test_of_another_distributor_is_not_found(api, path, balancer):
    other = api.create(
        PATH, samples.distributor(dedicated_count=1, speakers=[])
    )
    created = api.create(path, body(balancer))
    where = f"{PATH}/{other['id']}/amphorae/{created['id']}"
    assert api.call("GET", where).status == 404
    assert api.call("DELETE", where).status == 404
    assert api.call("PUT", f"{where}/drain", {}).status == 404


@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {}), ({}, {"amphora_id": FIRST}), ({"amphora_id": FIRST}, {})],
)
def test_what_is_registered_already(api, path, balancer, first, second):
    created = api.create(path, body(balancer, **first))
    answer = api.call("POST", path, body(balancer, **second))
    assert answer.status == 409
    assert created["id"] in answer.text


def test_an_amphora_of_another_load_balancer(api, path, balancer):
    other = api.create(
        BALANCERS,
        {"loadbalancer": {"vip_subnet_id": balancer["vip_subnet_id"]}},
    )
    octavia_rows.settle()
    answer = api.call("POST", path, body(other, amphora_id=FIRST))
    assert answer.status == 400
    assert "amphora_id" in answer.text


def test_a_load_balancer_of_another_provider(api, path, balancer):
    with api.database.transaction() as session:
        clusters.delete(session, balancer["id"])
    answer = api.call("POST", path, body(balancer))
    assert answer.status == 409
    assert "provider" in answer.text


def test_a_load_balancer_that_goes(api, path, balancer):
    assert api.call("DELETE", f"{BALANCERS}/{balancer['id']}").status == 204
    assert api.call("POST", path, body(balancer)).status == 409


def test_nobody_to_announce_it(api, balancer):
    plain = api.create(PATH, samples.distributor(speakers=[bird()]))
    answer = api.call("POST", f"{PATH}/{plain['id']}/amphorae", body(balancer))
    assert answer.status == 409
    assert "dedicated_count" in answer.text


def test_exabgp_announces_one_next_hop_only(api, balancer):
    made = api.create(PATH, samples.distributor(dedicated_count=1))
    answer = api.call("POST", f"{PATH}/{made['id']}/amphorae", body(balancer))
    assert answer.status == 409
    assert "exabgp" in answer.text


def test_the_driver_stays_bird_while_something_is_registered(
    api, made, path, balancer
):
    speaker = f"/v2/lbaas/bgp-speakers/{made['speakers'][0]['id']}"
    created = api.create(path, body(balancer))
    change = {"bgp_speaker": {"driver": "exabgp"}}
    answer = api.call("PUT", speaker, change)
    assert answer.status == 409
    assert "bird" in answer.text
    api.call("DELETE", f"{path}/{created['id']}")
    assert api.call("PUT", speaker, change).status == 200


def test_more_than_a_peer_accepts(api, balancer):
    few = bird(peers=[samples.peer(max_prefixes=1)])
    made = api.create(
        PATH, samples.distributor(dedicated_count=1, speakers=[few])
    )
    path = f"{PATH}/{made['id']}/amphorae"
    answer = api.call("POST", path, body(balancer))
    assert answer.status == 409
    assert "max_prefixes" in answer.text
    api.create(path, body(balancer, amphora_id=FIRST))
    answer = api.call(
        "POST",
        f"{PATH}/{made['id']}/vips",
        {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}},
    )
    assert answer.status == 409


def test_its_last_amphora_cannot_go_before(api, made, path, balancer):
    created = api.create(path, body(balancer))
    where, none = (
        f"{PATH}/{made['id']}",
        {"distributor": {"dedicated_count": 0}},
    )
    answer = api.call("PUT", where, none)
    assert answer.status == 409
    assert "dedicated_count" in answer.text
    api.call("DELETE", f"{path}/{created['id']}")
    assert api.call("PUT", where, none).status == 200


def test_deletion_takes_them_along_only_if_asked(api, made, path, balancer):
    api.create(path, body(balancer))
    where = f"{PATH}/{made['id']}"
    answer = api.call("DELETE", where)
    assert answer.status == 409
    assert "cascade" in answer.text
    assert api.call("DELETE", f"{where}?cascade=true").status == 204


def test_paths_are_counted_as_confirmed(api, made, path, balancer):
    created = api.create(path, body(balancer))
    announce(api, made, balancer, FIRST)
    shown = api.call("GET", f"{path}/{created['id']}").body["amphora"]
    assert states(shown) == {FIRST: "advertised", SECOND: "pending"}
    assert [p["announcing_count"] for p in shown["paths"]] == [1, 0]


def test_a_path_behind_a_closed_gate_says_so(api, path, balancer):
    serve(api, balancer, SECOND, gate=GateState.DOWN)
    created = api.create(path, body(balancer))
    first, second = created["paths"]
    assert (first["state"], first["reason"]) == ("pending", "")
    assert second["state"] == "withdrawn"
    assert second["reason"] == "its health gate is DOWN: because"


def test_a_path_that_no_peer_is_for_says_so(api, balancer):
    elsewhere = bird(peers=[samples.peer(availability_zone="rack9")])
    made = api.create(
        PATH, samples.distributor(dedicated_count=1, speakers=[elsewhere])
    )
    created = api.create(f"{PATH}/{made['id']}/amphorae", body(balancer))
    for shown in created["paths"]:
        assert shown["state"] == "withdrawn"
        assert "no BGP peer" in shown["reason"]


def test_drained_and_back(api, made, path, balancer):
    created = api.create(path, body(balancer))
    announce(api, made, balancer, FIRST, SECOND)
    drain = f"{path}/{created['id']}/drain"
    answer = api.call("PUT", drain, {"drain": {"timeout": 60}})
    assert answer.status == 202, answer.text
    shown = answer.body["amphora"]
    assert shown["draining"]
    assert shown["drain_deadline"]
    assert states(shown) == {FIRST: "draining", SECOND: "draining"}
    again = api.call("PUT", drain, {}).body["amphora"]
    assert again["drain_deadline"] == shown["drain_deadline"]
    assert api.call("DELETE", drain).status == 204
    back = api.call("GET", f"{path}/{created['id']}").body["amphora"]
    assert not back["draining"]
    assert back["drain_deadline"] is None
    assert states(back) == {FIRST: "advertised", SECOND: "advertised"}


@pytest.mark.parametrize("timeout", [-1, "soon", 10**9])
def test_a_timeout_that_is_none(api, path, balancer, timeout):
    created = api.create(path, body(balancer))
    drain = f"{path}/{created['id']}/drain"
    answer = api.call("PUT", drain, {"drain": {"timeout": timeout}})
    assert answer.status == 400
    assert "timeout" in answer.text


def test_the_last_one_that_announces_is_not_drained(api, made, path, balancer):
    """Its amphorae have no session of their own that is up."""
    for amphora_id in (FIRST, SECOND):
        serve(api, balancer, amphora_id, announces=False)
    one = api.create(path, body(balancer, amphora_id=FIRST))
    announce(api, made, balancer, FIRST)
    drain = f"{path}/{one['id']}/drain"
    answer = api.call("PUT", drain, {})
    assert answer.status == 409
    assert balancer["vip_address"] in answer.text
    assert not api.call("GET", f"{path}/{one['id']}").body["amphora"][
        "draining"
    ]
    two = api.create(path, body(balancer, amphora_id=SECOND))
    announce(api, made, balancer, FIRST, SECOND)
    assert api.call("PUT", drain, {}).status == 202
    # Now the other one is the last.
    answer = api.call("PUT", f"{path}/{two['id']}/drain", {})
    assert answer.status == 409


def test_each_change_counts_the_revision_up(api, made, path, balancer):
    assert revision(api, made) == 0
    created = api.create(path, body(balancer))
    assert revision(api, made) == 1
    drain = f"{path}/{created['id']}/drain"
    api.call("PUT", drain, {"drain": {"timeout": 5}})
    api.call("PUT", drain, {"drain": {"timeout": 5}})  # idempotent
    assert revision(api, made) == 2
    api.call("DELETE", drain)
    api.call("DELETE", drain)
    assert revision(api, made) == 3
    api.call("DELETE", f"{path}/{created['id']}")
    assert revision(api, made) == 4


def test_an_amphora_that_goes_takes_its_registration_along(
    api, made, path, balancer
):
    api.create(path, body(balancer, amphora_id=FIRST))
    kept = api.create(path, body(balancer, amphora_id=SECOND))
    with api.database.transaction() as session:
        amphorae.mark_deleted(session, FIRST, datetime.now(UTC))
    left = api.call("GET", path).body["amphorae"]
    assert [one["id"] for one in left] == [kept["id"]]
    assert revision(api, made) == 3


def test_a_load_balancer_that_is_gone_takes_all_along(
    api, made, path, balancer
):
    api.create(path, body(balancer))
    with api.database.transaction() as session:
        clusters.delete(session, balancer["id"])
        assert amphora_registrations.count(session, made["id"]) == 0
    assert revision(api, made) == 2


def test_a_silent_amphora_is_given_up(api, path, balancer):
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with api.database.transaction() as session:
        heartbeat.touch(session, SECOND, long_ago)
    created = api.create(path, body(balancer))
    assert states(created) == {FIRST: "pending", SECOND: "withdrawn"}
