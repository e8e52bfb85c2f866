# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains: asked for, found by their place, ended."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from octavia_anycast_client.sdk.fleet import calls
from openstack.exceptions import ResourceTimeout

from octavia_anycast.db.fleet import zone_drains

NOBODY = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21"


@pytest.fixture
def racks(show, fabric, settle):
    """The distributor has three zones."""
    made = show(
        "distributor create --name racks",
        *("--speaker", "ip-version=4,local-as=65010,peer=tor-1"),
        *("--zone", "availability-zone=rack1"),
        *("--zone", "availability-zone=rack2"),
        *("--zone", "availability-zone=rack3"),
    )
    settle()
    return made


def lasting(made):
    expires_at = datetime.fromisoformat(made["expires_at"])
    return expires_at.replace(tzinfo=UTC) - datetime.now(UTC)


def test_life_of_a_zone_drain(command, show, racks):
    made = show("zone drain rack1 --for 2h --why", "ToR upgrade")
    expected = {
        "availability_zone": "rack1",
        "compute_host": None,
        "peer_id": None,
        "reason": "ToR upgrade",
        "amphora_count": 0,
        "boot_elsewhere": False,
        "force": False,
        "timeout": None,
        "state": "DRAINING",
        "announcing_count": 0,
    }
    assert {name: made[name] for name in expected} == expected
    assert abs(lasting(made) - timedelta(hours=2)) < timedelta(minutes=2)
    assert show("zone show rack1") == made
    assert show("zone show", made["id"]) == made
    (listed,) = show("zone list --zone rack1")
    assert listed["id"] == made["id"]
    assert show("zone list --zone rack2") == []
    assert show("zone list --host host1") == []
    command("zone end rack1")
    assert show("zone show rack1")["state"] == "ENDING"


def test_all_options_arrive(show, racks):
    until = (datetime.now(UTC) + timedelta(hours=5)).replace(tzinfo=None)
    made = show(
        "zone drain rack2 --timeout 30 --boot-elsewhere --force --until",
        until.isoformat(),
    )
    assert made["timeout"] == 30
    assert made["boot_elsewhere"] is made["force"] is True
    assert abs(lasting(made) - timedelta(hours=5)) < timedelta(minutes=2)


def test_a_peer_by_its_name(show, racks, tor):
    made = show("zone drain --peer tor-1 --for 90m")
    assert made["peer_id"] == tor["id"]
    assert made["availability_zone"] is None
    assert show("zone show", tor["id"])["id"] == made["id"]


def test_waited_for(show, api, racks, monkeypatch):
    def look(seconds):
        """What a controller does meanwhile; nobody is in that zone."""
        now = datetime.now(UTC)
        with api.database.transaction() as session:
            for drain in zone_drains.active(session):
                zone_drains.record_marked(session, drain.id, now)
        looks.append(seconds)

    looks = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=look)
    monkeypatch.setattr(calls, "time", clock)
    assert show("zone drain rack1 --for 2h --wait")["state"] == "DRAINED"
    assert len(looks) == 1, "not before a controller has looked"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("rack9 --for 2h", "there is no availability zone rack9"),
        ("--host host1 --for 2h", "there is no compute host host1"),
        ("--for 2h", "give exactly one of availability_zone"),
        ("rack1 --host host1 --for 2h", "give exactly one of"),
        ("rack1 --for 5s", "duration: 5 is not in 60.."),
        ("rack1 --until 2020-01-01T00:00:00", "is past"),
    ],
)
def test_what_the_api_refuses_is_said(command, racks, words, sentence):
    result = command(f"zone drain {words}", code=1)
    assert sentence in result.err
    assert "(HTTP 400)" in result.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("rack1", "one of the arguments --for --until is required"),
        ("rack1 --for 2h --until 2030-01-01", "not allowed with argument"),
        ("--host a --peer b --for 2h", "not allowed with argument"),
        ("rack1 --for soon", "'soon' is no duration such as 90m"),
        ("rack1 --for -2h", "expected one argument"),
        ("rack1 --until soon", "'soon' is no time such as"),
    ],
)
def test_what_cannot_be_read_is_said(command, racks, words, sentence):
    result = command(f"zone drain {words}", code=2)
    assert sentence in result.err


def test_twice_and_overlapping(command, racks):
    command("zone drain rack1 --for 2h")
    result = command("zone drain rack1 --for 2h --force", code=1)
    assert "is drained already" in result.err
    assert "(HTTP 409)" in result.err


@pytest.mark.parametrize("verb", ["show", "end"])
@pytest.mark.parametrize("named", [NOBODY, "rack7"])
def test_what_is_not_there_is_named(command, racks, verb, named):
    result = command(f"zone {verb} {named}", code=1)
    assert f"No zone drain found for {named}" in result.err


def test_the_sdk_does_the_same(client, racks):
    made = client.create_zone_drain(availability_zone="rack1", duration=600)
    assert client.get_zone_drain(made.id).state == "DRAINING"
    with pytest.raises(ResourceTimeout, match="0 amphorae at the place"):
        client.wait_for_zone_drain(made, wait=0.0)  # no controller runs
    assert [one.id for one in client.zone_drains()] == [made.id]
    client.end_zone_drain(made)
    assert client.find_zone_drain("rack1").state == "ENDING"
