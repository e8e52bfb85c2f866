# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fleet changes: begun, shown, paused, resumed, aborted."""

from datetime import UTC, datetime

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.testing import octavia_rows

AMPHORA = "7d3c9a52-0000-4000-8000-000000000001"
NOBODY = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"


@pytest.fixture
def amphora(api, fabric):
    """One of a load balancer, of some image, on a host."""
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    made = api.create(
        "/v2/lbaas/loadbalancers",
        {
            "loadbalancer": {
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
                image_id="amphora-7",
                compute_host="compute7",
            ),
        )


def test_life_of_an_upgrade(show, amphora):
    image = {
        "image_id": "amphora-7",
        "amphora_count": 1,
        "load_balancer_count": 1,
    }
    assert show("fleet show") == {"images": [image]}
    made = show("fleet upgrade --canaries 2 --soak 10m --parallel 7")
    expected = {
        "kind": "image",
        "canaries": 2,
        "soak": 600,
        "parallel": 7,
        "state": "RUNNING",
        "waiting_count": 1,
    }
    assert {name: made[name] for name in expected} == expected
    assert show("fleet show") == {"images": [image], **made}
    for verb, state in (
        ("pause", "PAUSED"),
        ("resume", "RUNNING"),
        ("abort", "ABORTED"),
    ):
        assert show(f"fleet {verb}")["state"] == state
    assert show("fleet show")["state"] == "ABORTED"


def test_a_host_is_replaced(show, amphora):
    made = show("fleet replace --host compute7")
    assert made["kind"] == "host"
    assert made["compute_host"] == "compute7"
    assert made["canaries"] == 1
    assert show("fleet pause", made["id"])["state"] == "PAUSED"


def test_all_certificates_are_replaced(show, amphora):
    made = show("fleet rotate --parallel 50")
    assert (made["kind"], made["parallel"]) == ("certificate", 50)
    # Its agent has not answered yet.
    assert (made["waiting_count"], made["held_count"]) == (0, 1)


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_what_is_not_there_is_named(command, verb):
    result = command(f"fleet {verb}", code=1)
    assert "No fleet change is under way" in result.err
    result = command(f"fleet {verb}", NOBODY, code=1)
    assert f"Fleet change {NOBODY} not found." in result.err


def test_what_the_api_refuses_is_said(command, amphora):
    result = command("fleet upgrade --parallel 0", code=1)
    assert "parallel: 0 is not in 1..100" in result.err
    result = command("fleet replace --host compute9", code=1)
    assert "(HTTP 400)" in result.err
    command("fleet upgrade")
    result = command("fleet upgrade", code=1)
    assert "is RUNNING: abort it first" in result.err
    result = command("fleet upgrade --soak long", code=2)
    assert "'long' is no duration" in result.err


def test_the_sdk_does_the_same(client, amphora):
    made = client.create_fleet_change(change_kind="image", soak=60)
    assert client.get_fleet_change(made.id).state == "RUNNING"
    assert client.pause_fleet_change(made).state == "PAUSED"
    assert client.resume_fleet_change(made).state == "RUNNING"
    assert client.abort_fleet_change(made).state == "ABORTED"
    assert [one.id for one in client.fleet_changes()] == [made.id]
    assert client.get_fleet().fleet_change_id == made.id
