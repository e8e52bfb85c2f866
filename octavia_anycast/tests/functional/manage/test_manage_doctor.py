# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""octavia-anycast-manage doctor, run as a process, on real tables.

The agents are addresses of the loopback on which nobody listens.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.distributor import distributors
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.tests.functional.manage.test_manage_housekeeping import (
    add_amphora,
    add_cluster,
    place,  # noqa: F401
)
from octavia_anycast.tests.unit.planning.doctor import healthy

PEERS = ("peer-1-2", "peer-1-1")


@pytest.fixture
def patient(place):  # noqa: F811
    """What was said counts for an hour, however slow the machine is."""
    path = place.directory / "octavia.conf"
    path.write_text(
        path.read_text().replace(
            "[anycast]\n",
            "[anycast]\nreport_interval = 3600\nheartbeat_interval = 600\n",
        )
    )
    return place


def add(patient, **of_session):
    """An amphora without a fault but that of its sessions."""
    now = datetime.now(UTC)
    amphora_id = add_amphora(
        patient,
        distributor_id=None,
        speakers_changed_at=None,
        cert_expiration=now + timedelta(days=29),
    )
    said = replace(
        healthy.report(),
        amphora_id=amphora_id,
        sessions=tuple(
            healthy.session(peer_id=peer_id, **of_session) for peer_id in PEERS
        ),
        paths=(),
        machine=healthy.machine(clock=now, frontend_mtu=1450),
    )
    with patient.database.transaction() as session:
        reports.save(session, amphora_id, said, now)
        heartbeat.touch(session, amphora_id, now, is_beat=True)
    return amphora_id


def test_what_is_stored_is_well(patient):
    add_cluster(patient, "alive", timedelta(days=1))
    add(patient)
    done = patient.call("doctor", "--stored")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.endswith("things were checked: 0 are wrong, 0 are not known.")

    told = patient.call("doctor", "fabric", "--stored", "--all").stdout
    assert "ok: bgp-sessions, 2 checked\n" in told


def test_an_error_is_told_with_what_to_type(patient):
    add_cluster(patient, "alive", timedelta(days=1))
    amphora_id = add(
        patient, state=SessionState.CONNECT, error="Received: Bad peer AS"
    )
    done = patient.call("doctor", "--stored")
    assert done.returncode == 4, done.stderr
    first, *_ = done.stdout.splitlines()
    assert first.startswith("error: bgp-sessions: The session of amphora")
    assert amphora_id in first
    assert "    on the router Blatt 🌿 (FRR): vtysh -c" in done.stdout
    assert "    see doctor.html#bgp-sessions\n" in done.stdout

    document = json.loads(
        patient.call("doctor", "--stored", "-f", "json").stdout
    )
    assert {one["peer_id"] for one in document} == set(PEERS)
    assert document[0]["severity"] == "error"
    assert document[0]["amphora_id"] == amphora_id
    assert document[0]["steps"][0]["place"] == "router Blatt 🌿 (FRR)"


def test_agents_are_asked(patient):
    add_cluster(patient, "alive", timedelta(days=1))
    amphora_id = add(patient)
    done = patient.call("doctor")
    assert done.returncode == 4, done.stderr
    (line,) = (
        line for line in done.stdout.splitlines() if "error: agents" in line
    )
    assert amphora_id in line
    assert "does not answer (amphora" in line
    assert "Connection refused" in line


def test_a_distributor_that_is_not_there(patient):
    done = patient.call("doctor", "nowhere")
    assert done.returncode == 1
    assert "none has the name or id 'nowhere'" in done.stderr


def test_without_a_default(patient):
    with patient.database.transaction() as session:
        distributors.set_default(session, "distributor-1", False)
    done = patient.call("doctor")
    assert done.returncode == 0, done.stderr
    assert "warning: default-distributor: No distributor is the" in done.stdout
    assert (
        "    on the cloud: openstack loadbalancer distributor set fabric "
        "--default --wait\n" in done.stdout
    )
