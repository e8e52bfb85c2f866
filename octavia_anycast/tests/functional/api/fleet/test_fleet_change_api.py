# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/fleet-changes`` and ``/v2/lbaas/fleet``."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.fleet import changes
from octavia_anycast.model.fleet.change import ChangeState
from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.amphora_rows import (
    PATH as AMPHORAE,
)
from octavia_anycast.tests.functional.amphora_rows import (
    UNKNOWN,
    make_lb,
    make_ours,
)

PATH = "/v2/lbaas/fleet-changes"


@pytest.fixture
def lb(api):
    subnet = api.neutron.add_network("198.51.100.0/24")[1][0]
    api.create("/v2/lbaas/distributors", samples.distributor(is_default=True))
    made = make_lb(api, subnet)
    for number, image_id in ((1, "old"), (2, "old"), (3, None)):
        make_ours(
            api,
            made["id"],
            number,
            image_id=image_id,
            compute_host=f"host{number}",
        )
    return made


def ask(api, **changes_):
    body = {"kind": "image"} | changes_
    return api.call("POST", PATH, {"fleet_change": body})


def turn(api, id_, body):
    return api.call("PUT", f"{PATH}/{id_}", body)


def to(state):
    return {"fleet_change": {"state": state}}


def test_it_is_stored_shown_and_listed(api, lb):
    answer = ask(api, canaries=2, parallel=7, soak=60)

    assert answer.status == 201, answer.text
    made = answer.body["fleet_change"]
    shown = api.call("GET", f"{PATH}/{made['id']}").body["fleet_change"]
    assert made == shown
    expected = {
        "kind": "image",
        "compute_host": None,
        "canaries": 2,
        "parallel": 7,
        "soak": 60,
        "state": "RUNNING",
        "reason": "",
        "proven": False,
        "replaced_count": 0,
        "under_way_count": 0,
        "waiting_count": 2,
        "held_count": 1,
        "ended_at": None,
    }
    assert {name: made[name] for name in expected} == expected
    (listed,) = api.call("GET", f"{PATH}?state=RUNNING").body["fleet_changes"]
    assert listed == made
    assert api.call("GET", f"{PATH}?state=DONE").body["fleet_changes"] == []


def test_the_fleet_by_image(api, lb):
    found = api.call("GET", "/v2/lbaas/fleet").body["fleet"]
    assert found == {
        "images": [
            {
                "image_id": None,
                "amphora_count": 1,
                "load_balancer_count": 1,
            },
            {
                "image_id": "old",
                "amphora_count": 2,
                "load_balancer_count": 1,
            },
        ],
        "fleet_change_id": None,
    }
    made = ask(api).body["fleet_change"]
    found = api.call("GET", "/v2/lbaas/fleet").body["fleet"]
    assert found["fleet_change_id"] == made["id"]


def test_one_at_a_time(api, lb):
    made = ask(api).body["fleet_change"]
    answer = ask(api)
    assert answer.status == 409
    assert (
        f"Fleet change {made['id']} is RUNNING: abort it first."
        in answer.fault
    )
    assert turn(api, made["id"], to("ABORTED")).status == 200
    assert ask(api).status == 201


def test_paused_resumed_aborted_each_is_idempotent(api, lb):
    made = ask(api).body["fleet_change"]
    for state in (
        *("PAUSED", "PAUSED", "RUNNING", "RUNNING"),
        *("ABORTED", "ABORTED"),
    ):
        answer = turn(api, made["id"], to(state))
        assert answer.status == 200, answer.text
        assert answer.body["fleet_change"]["state"] == state
    answer = turn(api, made["id"], to("RUNNING"))
    assert answer.status == 409
    assert "it has ended" in answer.fault


def test_one_that_halted_is_not_paused_and_is_resumed(api, lb):
    made = ask(api).body["fleet_change"]
    with api.database.transaction() as session:
        before = changes.get(session, made["id"])
        changes.store(
            session,
            replace(before, state=ChangeState.HALTED, reason="a boot failed"),
        )
        amphora_id = amphorae.list_for(session, lb["id"])[0].id
        amphorae.update(session, amphora_id, fleet_change_id=made["id"])
    shown = turn(api, made["id"], to("PAUSED")).body["fleet_change"]
    assert (shown["state"], shown["reason"]) == ("HALTED", "a boot failed")
    answer = turn(api, made["id"], to("RUNNING"))
    assert answer.status == 409
    assert "takes back what it had begun" in answer.fault
    with api.database.transaction() as session:
        amphorae.update(session, amphora_id, fleet_change_id=None)
    shown = turn(api, made["id"], to("RUNNING")).body["fleet_change"]
    assert (shown["state"], shown["reason"]) == ("RUNNING", "")


def test_what_is_not_there(api, lb):
    assert api.call("GET", f"{PATH}/{UNKNOWN}").status == 404
    assert turn(api, UNKNOWN, to("PAUSED")).status == 404


@pytest.mark.parametrize(
    ("changes_", "sentence"),
    [
        ({"kind": None}, "kind: None is none of image, host, certificate"),
        ({"kind": "kernel"}, "kind: 'kernel' is none of image"),
        ({"kind": "host"}, "compute_host: it is for the kind host"),
        ({"compute_host": "host1"}, "compute_host: it is for the kind host"),
        ({"kind": "host", "compute_host": ""}, "compute_host: it is empty"),
        ({"canaries": -1}, "canaries: -1 is not in 0..32"),
        ({"canaries": 33}, "canaries: 33 is not in"),
        ({"canaries": "1"}, "canaries: '1' is not of type int"),
        ({"parallel": 0}, "parallel: 0 is not in 1..100"),
        ({"parallel": 2.5}, "parallel: 2.5 is not of type int"),
        ({"soak": -1}, "soak: -1 is not in"),
        ({"soak": 604_801}, "soak: 604801 is not in"),
        ({"soak": True}, "soak: True is not of type int"),
        ({"image": "x"}, "image: unknown attribute"),
    ],
)
def test_bad_input(api, lb, changes_, sentence):
    answer = ask(api, **changes_)
    assert answer.status == 400, answer.text
    assert sentence in answer.fault
    with api.database.transaction() as session:
        assert changes.active(session) is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"fleet_change": {}},
        {"fleet_change": {"state": "DONE"}},
        {"fleet_change": {"state": "HALTED"}},
        {"fleet_change": {"state": None}},
        {"fleet_change": {"state": "PAUSED", "parallel": 3}},
        {"fleet_change": []},
    ],
)
def test_a_turn_that_is_none(api, lb, body):
    made = ask(api).body["fleet_change"]
    answer = turn(api, made["id"], body)
    assert answer.status == 400, answer.text


def test_a_host_without_amphorae(api, lb):
    answer = ask(api, kind="host", compute_host="host9")
    assert answer.status == 400
    assert (
        "compute_host: no amphora of a load balancer is on compute host "
        "host9; hosts that have any: host1, host2, host3" in answer.fault
    )
    made = ask(api, kind="host", compute_host="host1").body["fleet_change"]
    assert made["waiting_count"] == 1


def test_a_canary_is_not_undrained_alone(api, lb):
    made = ask(api).body["fleet_change"]
    with api.database.transaction() as session:
        amphora_id = amphorae.list_for(session, lb["id"])[0].id
        amphorae.update(
            session,
            amphora_id,
            fleet_change_id=made["id"],
            stand_in_wanted=True,
            drain_wanted_since=datetime.now(UTC),
        )
    answer = api.call("DELETE", f"{AMPHORAE}/{amphora_id}/drain")
    assert answer.status == 409
    assert f"is drained by fleet change {made['id']}" in answer.fault
