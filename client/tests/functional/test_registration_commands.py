# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae that are registered with a dedicated distributor."""

from datetime import UTC, datetime

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.testing import octavia_rows

AMPHORA = "7d3c9a52-0000-4000-8000-000000000001"
NOBODY = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"


@pytest.fixture
def dedicated(show, tor, settle):
    """A distributor that speaks with bird, with an amphora of its own."""
    made = show(
        "distributor create --name announcer --dedicated-count 1",
        *("--speaker", "ip-version=4,local-as=65010,driver=bird,peer=tor-1"),
    )
    settle()
    return made


@pytest.fixture
def web(show, api, fabric):
    """A load balancer with an amphora, on another distributor."""
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    made = api.create(
        "/v2/lbaas/loadbalancers",
        {
            "loadbalancer": {
                "name": "web",
                "vip_subnet_id": subnet_id,
                "distributor_id": fabric.id,
            }
        },
    )
    octavia_rows.settle()
    with api.database.transaction() as session:
        amphorae.create(
            session,
            AmphoraRecord(
                id=AMPHORA,
                load_balancer_id=made["id"],
                status=AmphoraStatus.ALLOCATED,
                status_since=datetime.now(UTC),
            ),
        )
    return made


def test_life_of_a_registration(command, show, dedicated, web, tor):
    made = show("distributor amphora register announcer web --peer tor-1")
    expected = {
        "load_balancer_id": web["id"],
        "amphora_id": None,
        "peer_id": tor["id"],
        "distributor_id": dedicated["id"],
        "draining": False,
        "paths": [],
    }
    assert {name: made[name] for name in expected} == expected
    assert show("distributor amphora show announcer", made["id"]) == made
    (listed,) = show("distributor amphora list announcer")
    assert listed["id"] == made["id"]
    for option, count in (
        ("--load-balancer web", 1),
        ("--peer tor-1", 1),
        (f"--amphora {AMPHORA}", 0),
    ):
        found = show(f"distributor amphora list announcer {option}")
        assert len(found) == count
    command("distributor amphora unregister announcer", made["id"])
    assert show("distributor amphora list announcer") == []


def test_one_amphora_is_found_by_its_id(command, show, dedicated, web):
    made = show(
        f"distributor amphora register announcer web --amphora {AMPHORA}"
    )
    assert made["amphora_id"] == AMPHORA
    assert show("distributor amphora show announcer", AMPHORA) == made
    command("distributor amphora unregister announcer", AMPHORA)


def test_drained_and_back(command, show, dedicated, web):
    made = show("distributor amphora register announcer web")
    words = "distributor amphora drain announcer", made["id"]
    drained = show(*words, "--timeout", "60")
    assert drained["draining"]
    assert drained["drain_deadline"]
    assert show(*words)["drain_deadline"] == drained["drain_deadline"]
    command("distributor amphora undrain announcer", made["id"])
    shown = show("distributor amphora show announcer", made["id"])
    assert not shown["draining"]


@pytest.mark.parametrize("named", [NOBODY, "nothing"])
@pytest.mark.parametrize("verb", ["show", "drain", "undrain", "unregister"])
def test_what_is_not_there_is_named(command, dedicated, verb, named):
    words = f"distributor amphora {verb} announcer", named
    result = command(*words, code=1)
    assert f"No amphora registration found for {named}" in result.err


def test_what_the_api_refuses_is_said(command, fabric, web):
    words = "distributor amphora register fabric web"
    result = command(words, code=1)
    assert "(HTTP 409)" in result.err
    assert "dedicated_count" in result.err


def test_the_sdk_does_the_same(client, dedicated, web):
    made = client.register_amphora(
        dedicated["id"], load_balancer_id=web["id"], amphora_id=AMPHORA
    )
    (found,) = client.amphora_registrations(dedicated["id"], is_draining=False)
    assert found.id == made.id
    drained = client.drain_amphora_registration(dedicated["id"], made, 5)
    assert drained.is_draining
    client.undrain_amphora_registration(dedicated["id"], made)
    found = client.find_amphora_registration(dedicated["id"], AMPHORA)
    assert not found.is_draining
    client.unregister_amphora(dedicated["id"], made)
    assert list(client.amphora_registrations(dedicated["id"])) == []
