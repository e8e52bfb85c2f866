# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``distributor check``: what is printed, and how it ends."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.tests.unit.planning.doctor import healthy

CHECK = "distributor check"
IDLE = {"state": SessionState.CONNECT, "ip_versions": None, "bfd": None}


@pytest.fixture
def default(command, fabric, settle):
    """The distributor is the default, and has no amphora."""
    command("distributor set fabric --default")
    settle()
    return fabric


@pytest.fixture
def own(api, default, tor):
    """An amphora of the distributor's own; says what its session is."""

    def make(**of_session):
        # So that it is not old, however long a test takes.
        now = datetime.now(UTC) + timedelta(hours=1)
        amphora_id = str(uuid.uuid4())
        record = replace(
            healthy.amphora().record,
            id=amphora_id,
            load_balancer_id=None,
            distributor_id=default.id,
            frontend=None,
            cert_expiration=now + timedelta(days=30),
        )
        session = healthy.session(peer_id=tor["id"], **of_session)
        said = replace(
            healthy.report(),
            amphora_id=amphora_id,
            sessions=(session,),
            paths=(),
            machine=healthy.machine(clock=now),
        )
        with api.database.transaction() as stored:
            amphorae.create(stored, record)
            reports.save(stored, amphora_id, said, now)
            heartbeat.touch(stored, amphora_id, now)
        return amphora_id

    return make


def test_a_healthy_cloud_is_silent(command, own):
    own()
    result = command(CHECK, "-f", "json")
    assert result.data == []
    # Session, families, agent, certificate, clock, image, and the default.
    assert "7 things were checked: 0 are wrong, 0 are not known." in result.err


def test_all_tells_what_is_well_too(show, own):
    own()
    rows = show(CHECK, "--all", "fabric", "--long")
    by_check = {row["check"]: row for row in rows}
    assert by_check["bgp-sessions"]["severity"] == "ok"
    assert by_check["bgp-sessions"]["count"] == 1
    assert "default-distributor" not in by_check  # it is about all of them


def test_an_error_is_printed_and_is_the_exit_status(command, own, default):
    amphora_id = own(**IDLE)
    result = command(CHECK, "fabric", "-f", "json", code=4)
    (row,) = result.data
    assert row["severity"] == "error"
    assert row["check"] == "bgp-sessions"
    assert amphora_id in row["summary"]
    assert row["steps"][-1]["command"].startswith("tcpdump -ni any host")
    assert row["steps"][0]["place"] == "router tor-1 (FRR)"
    assert "1 are wrong" in result.err


def test_a_person_reads_whole_commands(command, own):
    own(**IDLE)
    text = command(CHECK, code=4).out
    assert "on the router tor-1 (FRR):" in text
    assert (
        "nstat -az TcpExtTCPMD5Failure TcpExtTCPMD5NotFound "
        "TcpExtTCPMD5Unexpected"
    ) in text


def test_a_warning_is_printed_and_is_no_failure(command, fabric):
    result = command(CHECK, "-f", "json")
    (row,) = result.data
    assert (row["severity"], row["check"]) == (
        "warning",
        "default-distributor",
    )
    assert row["steps"] == [
        {
            "place": "cloud",
            "command": "openstack loadbalancer distributor set fabric "
            "--default --wait",
        }
    ]


def test_a_distributor_that_is_not_there(command):
    result = command(CHECK, "nowhere", code=1)
    assert "nowhere" in result.err


def test_the_sdk_filters(client, own):
    own(**IDLE)
    found = list(client.distributor_checks(severity="error"))
    assert [one.check for one in found] == ["bgp-sessions"]
    assert found[0].steps[0]["place"] == "router tor-1 (FRR)"
