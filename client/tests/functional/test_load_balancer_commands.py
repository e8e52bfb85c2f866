# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers with a front end, their cluster, and what is announced."""

import types
import uuid
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Report,
    SessionReport,
)
from octavia_anycast.testing import octavia_rows

CREATE = "create --provider anycast --vip-subnet-id public-v4"


@pytest.fixture
def networks(api, cloud):
    """A network for VIPs and one for front ends, with names."""
    ids = {}
    for name, cidr in (
        ("public", "198.51.100.0/24"),
        ("front", "10.1.0.0/24"),
    ):
        network_id, (subnet_id,) = api.neutron.add_network(cidr)
        cloud.name_network(network_id, name)
        cloud.name_subnet(subnet_id, f"{name}-v4")
        ids |= {name: network_id, f"{name}-v4": subnet_id}
    return types.SimpleNamespace(
        front=ids["front"], front_v4=ids["front-v4"], public=ids["public"]
    )


@pytest.fixture
def other(show, settle):
    """A second distributor, which is the default."""
    made = show("distributor create --name other --default")
    settle()
    return types.SimpleNamespace(**made)


@pytest.mark.parametrize("are_names", [True, False])
def test_create_with_front_end_and_distributor(
    show, networks, fabric, other, are_names
):
    made = show(
        CREATE,
        "--name",
        "web",
        "--distributor",
        "fabric" if are_names else fabric.id,
        "--frontend-network-id",
        "front" if are_names else networks.front,
        "--frontend-subnet-id",
        "front-v4" if are_names else networks.front_v4,
    )
    expected = {
        "name": "web",
        "provider": "anycast",
        "distributor_id": fabric.id,
        "frontend_network_id": networks.front,
        "frontend_subnet_id": networks.front_v4,
    }
    assert {name: made[name] for name in expected} == expected
    found = show("show web")
    assert {name: found[name] for name in expected} == expected


def test_create_without_ours_is_python_octaviaclients(
    show, networks, other, cloud
):
    made = show(CREATE, "--name", "web", "--tag", "a", "--disable")
    assert made["distributor_id"] == other.id
    assert (made["admin_state_up"], made["tags"]) == (False, ["a"])
    (created,) = [c for c in cloud.changes if "loadbalancers" in c[1]]
    assert not {
        "distributor_id",
        "frontend_network_id",
        "frontend_subnet_id",
    } & set(created[2]["loadbalancer"])


def test_what_octaviaclient_checks_is_still_checked(command, fabric):
    result = command("create --name web --distributor fabric", code=1)
    assert "--vip-subnet-id" in result.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--distributor", "nobody"], "No distributor found for nobody"),
        (["--frontend-network-id", "nowhere"], "No network found"),
        (["--frontend-subnet-id", "nowhere"], "No subnet found"),
        (
            [
                *("--frontend-network-id", "public"),
                *("--frontend-subnet-id", "front-v4"),
            ],
            "(HTTP 400)",
        ),
    ],
)
def test_create_is_refused_with_a_sentence(
    command, show, networks, fabric, arguments, complaint
):
    result = command(CREATE, "--name", "web", *arguments, code=1)
    assert complaint in result.err
    assert show("list") == []


def test_create_and_wait(show, networks, other, cloud):
    cloud.meanwhile = octavia_rows.settle
    made = show(CREATE, "--name", "web", "--wait")
    assert made["provisioning_status"] == "ACTIVE"
    assert made["distributor_id"] == other.id


def test_list_by_front_end_and_distributor(show, networks, fabric, other):
    show(CREATE, *("--name", "a", "--distributor", "fabric"))
    show(CREATE, *("--name", "b", "--frontend-network-id", "front"))

    def names(words):
        return [balancer["name"] for balancer in show(f"list {words}")]

    assert sorted(names("")) == ["a", "b"]
    assert names("--distributor fabric") == ["a"]
    assert names(f"--distributor {other.id}") == ["b"]
    assert names("--frontend-network-id front") == ["b"]
    assert names("--frontend-subnet-id front-v4") == []
    assert names("--name a --distributor other") == []


def test_the_columns_of_a_list_are_python_octaviaclients(
    show, networks, other
):
    show(CREATE, "--name", "a")
    assert list(show("list")[0]) == [
        "id",
        "name",
        "project_id",
        "vip_address",
        "provisioning_status",
        "operating_status",
        "provider",
    ]


def test_a_load_balancer_of_another_provider(show, networks, other):
    made = show(
        "create --name plain --provider noop_driver --vip-subnet-id public-v4"
    )
    assert made["distributor_id"] is None


def test_the_cluster_by_name_and_id(show, networks, fabric):
    made = show(
        CREATE,
        *("--name", "web", "--distributor", "fabric"),
        *("--frontend-network-id", "front"),
    )
    for named in ("web", made["id"]):
        cluster = show("cluster show", named)
        assert cluster["load_balancer_id"] == made["id"]
        assert cluster["distributor_id"] == fabric.id
        assert cluster["frontend_network_id"] == networks.front
        assert cluster["desired_size"] == 2
        assert cluster["announcing_count"] == 0
        assert cluster["stand_in_count"] == 0
        assert cluster["amphorae"] == []


def test_no_cluster(command):
    result = command("cluster show nothing", code=1)
    assert "No load balancer found for nothing" in result.err


@pytest.fixture
def announced(api, show, networks, fabric, tor):
    """A load balancer of which an amphora announces its VIP to tor-1."""
    balancer = show(CREATE, *("--name", "web", "--distributor", "fabric"))
    amphora_id = str(uuid.uuid4())
    now = datetime.now(UTC)
    report = Report(
        amphora_id=amphora_id,
        digest="",
        revision="1",
        gate=GateReport(state=GateState.UP, reason="", since=now),
        speaker_is_running=True,
        frontend_is_up=True,
        listeners=(),
        sessions=(
            SessionReport(
                peer_id=tor["id"],
                peer_ip=ip_address(tor["peer_ip"]),
                state=SessionState.ESTABLISHED,
                since=now,
            ),
        ),
        paths=(
            PathReport(
                vip_ip=ip_address(balancer["vip_address"]),
                nexthop_ip=ip_address("10.1.0.7"),
                peer_id=tor["id"],
                state=PathState.ADVERTISED,
                reason="",
            ),
        ),
        connections={},
    )
    record = AmphoraRecord(
        id=amphora_id,
        load_balancer_id=balancer["id"],
        status=AmphoraStatus.ALLOCATED,
        status_since=now,
    )
    with api.database.transaction() as session:
        amphorae.create(session, record)
        registrations.register(
            session,
            amphora_id,
            load_balancer_id=balancer["id"],
            distributor_id=fabric.id,
            speaker_ids=[fabric.speakers[0]["id"]],
        )
        reports.save(session, amphora_id, report, now)
    return types.SimpleNamespace(
        amphora_id=amphora_id, vip=balancer["vip_address"], id=balancer["id"]
    )


def test_paths(show, fabric, announced, tor):
    (path,) = show("distributor path list fabric")
    assert path["amphora_id"] == announced.amphora_id
    assert path["prefix"] == f"{announced.vip}/32"
    assert path["next_hop"] == "10.1.0.7"
    assert path["peer_name"] == "tor-1"
    assert path["session_state"] == "Established"
    assert path["state"] == "advertised"
    assert 0 <= path["report_age"] < 60
    (path,) = show("distributor path list --long", fabric.id)
    assert path["load_balancer_id"] == announced.id
    assert path["peer_ip"] == tor["peer_ip"]
    assert path["speaker_id"] == fabric.speakers[0]["id"]
    assert path["session_since"] is not None


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("--load-balancer web", 1),
        ("--peer tor-1", 1),
        ("--speaker fabric/4", 1),
        ("--state advertised", 1),
        ("--state withdrawn", 0),
        ("--session-state Established", 1),
        ("--session-state Idle", 0),
        ("--vip-address 192.0.2.99", 0),
    ],
)
def test_paths_are_filtered(show, announced, words, count):
    assert len(show(f"distributor path list fabric {words}")) == count


def test_paths_of_an_amphora(show, announced):
    words = "distributor path list fabric --amphora"
    assert len(show(words, announced.amphora_id)) == 1
    assert show(words, str(uuid.uuid4())) == []


def test_a_tenant_sees_no_paths(command, announced, api, cloud):
    cloud.roles = "load-balancer_observer,reader"
    with api.authenticated():
        result = command("distributor path list fabric", code=1)
    assert "(HTTP 403)" in result.err
