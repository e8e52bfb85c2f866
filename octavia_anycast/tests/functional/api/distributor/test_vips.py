# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/vips`` as its users see it."""

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.distributor import external_vips
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ServiceType,
)
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathCounts,
    Report,
    SessionReport,
)
from octavia_anycast.testing import octavia_rows, samples

PATH = "/v2/lbaas/distributors"
BALANCERS = "/v2/lbaas/loadbalancers"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def made(api):
    """A distributor with two amphorae of its own, as soon as they boot."""
    made = api.create(PATH, samples.distributor(dedicated_count=2))
    api.settle()
    return made


@pytest.fixture
def vips(made):
    return f"{PATH}/{made['id']}/vips"


def body(**changes):
    given = {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}
    return {"vip": given | changes}


def the_peer(made):
    return made["speakers"][0]["peers"][0]["id"]


def shown(api, made):
    return api.call("GET", f"{PATH}/{made['id']}").body["distributor"]


def put(api, made, **changes):
    return api.call("PUT", f"{PATH}/{made['id']}", {"distributor": changes})


def test_a_distributor_has_none_of_its_own_unless_asked(api):
    plain = api.create(PATH, samples.distributor())
    assert plain["dedicated_count"] == 0


@pytest.mark.parametrize("count", [-1, 5, "2", 1.5, True])
def test_how_many_it_may_have(api, count):
    answer = api.call("POST", PATH, samples.distributor(dedicated_count=count))
    assert answer.status == 400
    assert "dedicated_count" in answer.text


def test_they_peer_over_management_only(api):
    frontend = samples.peer(peering_network="frontend")
    speaker = samples.speaker(driver="bird", peers=[frontend])
    answer = api.call(
        "POST",
        PATH,
        samples.distributor(dedicated_count=1, speakers=[speaker]),
    )
    assert answer.status == 400
    assert "over the management network only" in answer.text


def test_a_change_of_their_number_is_the_controllers_to_do(api, made):
    answer = put(api, made, dedicated_count=3)
    assert answer.status == 200, answer.text
    assert shown(api, made)["dedicated_count"] == 3


def test_registered_and_shown(api, made, vips):
    created = api.create(vips, body(peer_id=the_peer(made)))
    assert created["vip_address"] == "203.0.113.7"
    assert created["next_hop"] == "10.1.0.7"
    assert created["peer_id"] == the_peer(made)
    assert created["distributor_id"] == made["id"]
    assert created["announcing_count"] == 0
    one = api.call("GET", f"{vips}/{created['id']}").body["vip"]
    assert one == created
    assert api.call("GET", vips).body["vips"] == [created]
    assert shown(api, made)["vip_count"] == 1
    # Thousands of them may come: the distributor stays open to changes.
    assert shown(api, made)["provisioning_status"] == "ACTIVE"


def test_unregistered(api, vips):
    created = api.create(vips, body())
    assert api.call("DELETE", f"{vips}/{created['id']}").status == 204
    assert api.call("DELETE", f"{vips}/{created['id']}").status == 404
    assert api.call("GET", vips).body["vips"] == []


def test_lists_are_cut_and_filtered(api, vips):
    for number in (3, 1, 2):
        api.create(vips, body(vip_address=f"203.0.113.{number}"))
    page = api.call("GET", f"{vips}?limit=2&sort=vip_address").body
    assert [v["vip_address"] for v in page["vips"]] == [
        "203.0.113.1",
        "203.0.113.2",
    ]
    assert page["vips_links"][0]["rel"] == "next"
    (found,) = api.call("GET", f"{vips}?vip_address=203.0.113.3").body["vips"]
    assert found["vip_address"] == "203.0.113.3"
    (only,) = api.call("GET", f"{vips}?fields=next_hop&limit=1").body["vips"]
    assert only == {"next_hop": "10.1.0.7"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"vip_address": "203.0.113.0/24"}, "vip_address"),
        ({"vip_address": "203.0.113.7/32"}, "vip_address"),
        ({"vip_address": "nowhere"}, "vip_address"),
        ({"vip_address": None}, "vip_address"),
        ({"vip_address": "224.0.0.1"}, "vip_address"),
        ({"next_hop": "fd00::1"}, "next_hop"),
        ({"next_hop": "203.0.113.7"}, "next_hop"),
        ({"next_hop": 7}, "next_hop"),
        ({"peer_id": "leaf1"}, "peer_id"),
        ({"peer_id": "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"}, "peer_id"),
        ({"id": "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"}, "id"),
        ({"weight": 3}, "weight"),
    ],
)
def test_what_is_refused_is_named(api, vips, changes, name):
    answer = api.call("POST", vips, body(**changes))
    assert answer.status == 400, answer.text
    assert name in answer.text
    assert api.call("GET", vips).body["vips"] == []


def test_the_same_one_twice(api, made, vips):
    api.create(vips, body())
    answer = api.call("POST", vips, body(next_hop="10.1.0.8"))
    assert answer.status == 409
    assert made["id"] in answer.text


def test_one_of_another_distributor(api, made, vips):
    other = api.create(PATH, samples.distributor(dedicated_count=1))
    api.create(vips, body())
    answer = api.call("POST", f"{PATH}/{other['id']}/vips", body())
    assert answer.status == 409
    assert made["id"] in answer.text


def test_nobody_to_announce_it(api):
    plain = api.create(PATH, samples.distributor())
    answer = api.call("POST", f"{PATH}/{plain['id']}/vips", body())
    assert answer.status == 409
    assert "dedicated_count" in answer.text


def test_no_such_distributor(api):
    nobody = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"
    path = f"{PATH}/{nobody}/vips"
    assert api.call("GET", path).status == 404
    assert api.call("POST", path, body()).status == 404
    assert api.call("DELETE", f"{path}/{nobody}").status == 404


def test_of_another_distributor_is_not_found(api, vips):
    other = api.create(PATH, samples.distributor(dedicated_count=1))
    created = api.create(vips, body())
    path = f"{PATH}/{other['id']}/vips/{created['id']}"
    assert api.call("GET", path).status == 404
    assert api.call("DELETE", path).status == 404


def test_a_vip_of_a_load_balancer(api, vips):
    api.create(PATH, samples.distributor(is_default=True, name="default"))
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    balancer = api.create(
        BALANCERS, {"loadbalancer": {"vip_subnet_id": subnet_id}}
    )
    octavia_rows.settle()
    answer = api.call("POST", vips, body(vip_address=balancer["vip_address"]))
    assert answer.status == 409
    assert balancer["id"] in answer.text


def test_a_load_balancer_with_an_external_vip(api, vips):
    api.create(PATH, samples.distributor(is_default=True, name="default"))
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    api.create(vips, body(vip_address="198.51.100.55"))
    answer = api.call(
        "POST",
        BALANCERS,
        {
            "loadbalancer": {
                "vip_subnet_id": subnet_id,
                "vip_address": "198.51.100.55",
            }
        },
    )
    assert answer.status >= 400
    assert "198.51.100.55" in answer.text
    assert api.call("GET", BALANCERS).body["loadbalancers"] == []


def test_more_than_a_peer_accepts(api):
    few = samples.speaker(peers=[samples.peer(max_prefixes=2)])
    made = api.create(
        PATH, samples.distributor(dedicated_count=1, speakers=[few])
    )
    path = f"{PATH}/{made['id']}/vips"
    for number in (1, 2):
        api.create(path, body(vip_address=f"203.0.113.{number}"))
    answer = api.call("POST", path, body())
    assert answer.status == 409
    assert "max_prefixes" in answer.text
    assert len(api.call("GET", path).body["vips"]) == 2


def test_its_last_amphora_cannot_go_before_its_vips(api, made, vips):
    created = api.create(vips, body())
    answer = put(api, made, dedicated_count=0)
    assert answer.status == 409
    assert "dedicated_count" in answer.text
    api.call("DELETE", f"{vips}/{created['id']}")
    assert put(api, made, dedicated_count=0).status == 200


def test_deletion_takes_them_along_only_if_asked(api, made, vips):
    api.create(vips, body())
    answer = api.call("DELETE", f"{PATH}/{made['id']}")
    assert answer.status == 409
    assert "cascade" in answer.text
    path = f"{PATH}/{made['id']}?cascade=true"
    assert api.call("DELETE", path).status == 204
    answer = api.call("POST", vips, body(vip_address="203.0.113.8"))
    assert answer.status == 409


def report(amphora_id, peer_id, revision, wanted, advertised):
    return Report(
        amphora_id=amphora_id,
        digest="",
        revision=str(revision),
        gate=GateReport(state=GateState.UP, reason="", since=NOW),
        speaker_is_running=True,
        frontend_is_up=False,
        sessions=(
            SessionReport(
                peer_id=peer_id,
                peer_ip=ip_address("172.31.0.11"),
                state=SessionState.ESTABLISHED,
                since=NOW,
            ),
        ),
        path_counts=(
            PathCounts(peer_id=peer_id, wanted=wanted, advertised=advertised),
        ),
    )


def test_how_many_announce_it(api, made, vips):
    """As the agents said: those that have it, and have sent all."""
    first = api.create(vips, body())
    second = api.create(vips, body(vip_address="203.0.113.8"))
    peer_id = the_peer(made)
    with api.database.transaction() as session:
        for number, (revision, sent) in enumerate([(2, 2), (1, 1), (2, 0)]):
            amphora_id = f"7d3c9a52-0000-4000-8000-00000000000{number}"
            amphorae.create(
                session,
                AmphoraRecord(
                    id=amphora_id,
                    load_balancer_id=None,
                    distributor_id=made["id"],
                    service_type=ServiceType.DISTRIBUTOR,
                    status=AmphoraStatus.ALLOCATED,
                    status_since=NOW,
                ),
            )
            said = report(amphora_id, peer_id, revision, revision, sent)
            reports.save(session, amphora_id, said, NOW)
    counted = {
        v["id"]: v["announcing_count"]
        for v in api.call("GET", vips).body["vips"]
    }
    assert counted == {first["id"]: 2, second["id"]: 1}


def test_each_change_counts_the_revision_up(api, made, vips):
    created = api.create(vips, body())
    api.create(vips, body(vip_address="203.0.113.8"))
    api.call("DELETE", f"{vips}/{created['id']}")
    with api.database.transaction() as session:
        (left,) = external_vips.of_distributor(session, made["id"])
    assert left.since_revision == 2
