# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors come out of PENDING_*, changes reach amphorae one by one."""

import pytest

from octavia_anycast.controller.distributor.distributor_lifecycle import (
    ERROR_SECONDS,
    DistributorLifecycle,
)
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.errors import Retryable
from octavia_anycast.testing import samples

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
WRONG = "wrong-password"


def the_distributor(stage):
    (found,) = stage.api.call("GET", DISTRIBUTORS).body["distributors"]
    return found


def the_peer(stage):
    (found,) = stage.api.call("GET", PEERS).body["bgp_peers"]
    return found


def look(stage):
    """One look of the controller at the distributor."""
    return stage.controller.distributors.reconcile(
        the_distributor(stage)["id"]
    )


def settle(stage, seconds=90):
    """Let the controller work on both until the distributor is settled."""
    for _ in range(seconds):
        stage.controller.reconcile(stage.load_balancer_id)
        look(stage)
        assert stage.cloud.violations == []
        if not the_distributor(stage)["provisioning_status"].startswith("PEN"):
            break
        stage.cloud.pass_time(1)
    return the_distributor(stage)


def change_peer(stage, **changes):
    answer = stage.api.call(
        "PUT", f"{PEERS}/{the_peer(stage)['id']}", {"bgp_peer": changes}
    )
    assert answer.status == 200, answer.text
    assert the_distributor(stage)["provisioning_status"] == "PENDING_UPDATE"


@pytest.fixture
def running(stage):
    """A load balancer that announces, its distributor ACTIVE."""
    stage.run()
    stage.add_listener()
    stage.run()
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert settle(stage)["provisioning_status"] == "ACTIVE"
    change_peer(stage, availability_zone=None)  # for every amphora
    assert settle(stage)["provisioning_status"] == "ACTIVE"
    stage.run()
    stage.cloud.speaker_changes.clear()
    return stage


def test_creation_ends_active(stage):
    assert the_distributor(stage)["provisioning_status"] == "PENDING_CREATE"
    look(stage)
    shown = the_distributor(stage)
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["status_reason"] == ""


def test_creation_with_a_zone_that_is_not_there_ends_in_error(api, stage):
    network, (subnet,) = api.neutron.add_network("10.9.0.0/24")
    created = api.create(
        DISTRIBUTORS,
        samples.distributor(
            name="lost",
            zones=[
                {
                    "availability_zone": "rack9",
                    "frontend_network_id": network,
                    "frontend_subnet_ids": [subnet],
                }
            ],
        ),
    )
    distributor_id = created["id"]

    def status():
        return api.call("GET", f"{DISTRIBUTORS}/{distributor_id}").body[
            "distributor"
        ]

    for missing in ("rack9", network, subnet):
        stage.cloud.missing = {missing}
        stage.controller.distributors.reconcile(distributor_id)
        shown = status()
        assert shown["provisioning_status"] == "ERROR"
        assert missing in shown["status_reason"]
    stage.cloud.missing = set()
    stage.controller.distributors.reconcile(distributor_id)
    assert status()["provisioning_status"] == "ACTIVE"
    assert status()["status_reason"] == ""


def test_a_service_that_is_out_keeps_it_pending(api, stage):
    created = api.create(
        DISTRIBUTORS,
        samples.distributor(
            name="patient", zones=[{"availability_zone": "rack1"}]
        ),
    )
    stage.cloud.refuse["check zone"] = 1
    with pytest.raises(Retryable):
        stage.controller.distributors.reconcile(created["id"])
    shown = api.call("GET", f"{DISTRIBUTORS}/{created['id']}").body
    assert shown["distributor"]["provisioning_status"] == "PENDING_CREATE"
    stage.controller.distributors.reconcile(created["id"])
    shown = api.call("GET", f"{DISTRIBUTORS}/{created['id']}").body
    assert shown["distributor"]["provisioning_status"] == "ACTIVE"


def test_deletion_takes_the_rows_and_peers_as_asked(api, stage):
    created = api.create(
        DISTRIBUTORS,
        samples.distributor(
            name="short",
            speakers=[
                samples.speaker(peers=[samples.peer(peer_ip="172.31.0.99")])
            ],
        ),
    )
    stage.controller.distributors.reconcile(created["id"])
    path = f"{DISTRIBUTORS}/{created['id']}"
    assert api.call("DELETE", f"{path}?cascade=true").status == 204
    stage.controller.distributors.reconcile(created["id"])
    assert api.call("GET", path).status == 404
    assert the_peer(stage)["peer_ip"] != "172.31.0.99"
    result = stage.controller.distributors.reconcile(created["id"])
    assert result.is_gone


def test_a_change_reaches_every_amphora_and_ends_active(running):
    change_peer(running, med=42)
    shown = settle(running)
    assert shown["provisioning_status"] == "ACTIVE"
    assert len(set(running.cloud.speaker_changes)) == 2
    for machine in running.cloud.of(running.load_balancer_id):
        assert {p.med for _, p in machine.state.peers()} == {42}


def test_a_change_wakes_the_load_balancers_once(running):
    woken = []
    pending = running.controller.distributors.pending
    pending(woken.append)
    change_peer(running, password="another")
    for _ in range(2):
        (version,) = pending(woken.append).values()
        assert version.startswith("PENDING_UPDATE")
    assert woken == [running.load_balancer_id]
    # Settled in between: the next change is another one.
    settle(running)
    pending(woken.append)
    change_peer(running, password="third")
    pending(woken.append)
    assert woken == [running.load_balancer_id] * 2


def test_a_change_right_after_another_one_wakes_them_again(running):
    """Its user waits for ACTIVE, which no notice has seen."""
    woken = []
    pending = running.controller.distributors.pending
    pending(woken.append)
    change_peer(running, password="another")
    first = pending(woken.append)
    assert settle(running)["provisioning_status"] == "ACTIVE"
    change_peer(running, password="third")
    assert pending(woken.append) != first  # it is news of the distributor
    assert woken == [running.load_balancer_id] * 2


def test_a_change_in_error_before_the_first_notice_wakes_them(running):
    woken = []
    pending = running.controller.distributors.pending
    pending(woken.append)
    running.cloud.refused_passwords = {WRONG}
    change_peer(running, password=WRONG)
    assert settle(running, 200)["provisioning_status"] == "ERROR"
    for _ in range(2):
        assert set(pending(woken.append).values()) == {"ERROR"}
    assert woken == [running.load_balancer_id]


def test_the_second_amphora_waits_for_the_first(running):
    change_peer(running, password="another")
    running.controller.reconcile(running.load_balancer_id)
    assert len(running.cloud.speaker_changes) == 1
    look(running)
    shown = the_distributor(running)
    assert shown["provisioning_status"] == "PENDING_UPDATE"
    running.cloud.pass_time(3)
    running.controller.reconcile(running.load_balancer_id)
    assert len(set(running.cloud.speaker_changes)) == 2


def test_a_peer_that_cannot_work_ends_in_error_and_costs_one(running):
    running.cloud.refused_passwords = {WRONG}
    change_peer(running, password=WRONG)
    shown = settle(running, 200)
    assert shown["provisioning_status"] == "ERROR"
    assert look(running).retry_after_seconds == ERROR_SECONDS
    assert "(172.31.0.11) is Idle since" in shown["status_reason"]
    assert WRONG not in shown["status_reason"]
    assert len(running.cloud.announcers(running.load_balancer_id)) == 1

    change_peer(running, password="better")
    shown = settle(running)
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["status_reason"] == ""
    assert len(running.cloud.announcers(running.load_balancer_id)) == 2


def test_error_ends_when_the_fabric_comes_round(running):
    running.cloud.refused_passwords = {WRONG}
    change_peer(running, password=WRONG)
    assert settle(running, 200)["provisioning_status"] == "ERROR"
    running.cloud.refused_passwords = set()
    running.run()
    look(running)
    assert the_distributor(running)["provisioning_status"] == "ACTIVE"


def test_an_amphora_out_of_reach_blocks_nobody_for_ever(running):
    machine = running.cloud.of(running.load_balancer_id)[0]
    machine.is_reachable = False
    change_peer(running, med=42)
    running.controller.reconcile(running.load_balancer_id)
    look(running)
    shown = the_distributor(running)
    assert shown["provisioning_status"] == "PENDING_UPDATE"
    assert settle(running, 120)["provisioning_status"] == "ACTIVE"


def test_a_disabled_distributor_goes_on_serving(running):
    path = f"{DISTRIBUTORS}/{the_distributor(running)['id']}"
    running.api.call("PUT", path, {"distributor": {"enabled": False}})
    assert settle(running)["provisioning_status"] == "ACTIVE"
    running.controller.distributors.report()
    assert the_distributor(running)["operating_status"] == "OFFLINE"
    assert len(running.cloud.announcers(running.load_balancer_id)) == 2


def test_operating_status_follows_the_sessions(running):
    report = running.controller.distributors.report
    report()
    assert the_distributor(running)["operating_status"] == "ONLINE"
    machines = running.cloud.of(running.load_balancer_id)
    running.cloud.cut_sessions = {machines[0].amphora_id}
    running.controller.reconcile(running.load_balancer_id)
    report()
    shown = the_distributor(running)
    assert shown["operating_status"] == "DEGRADED"
    assert "1 of 2 BGP sessions" in shown["status_reason"]
    running.cloud.cut_sessions = {m.amphora_id for m in machines}
    running.controller.reconcile(running.load_balancer_id)
    report()
    assert the_distributor(running)["operating_status"] == "ERROR"
    running.cloud.cut_sessions = set()
    running.controller.reconcile(running.load_balancer_id)
    report()
    shown = the_distributor(running)
    assert shown["operating_status"] == "ONLINE"
    assert shown["status_reason"] == ""


def test_reports_are_kept_and_written_again_when_they_age(running):
    distributor_id = the_distributor(running)["id"]

    def stored():
        with running.api.database.transaction() as session:
            return reports.list_for_distributor(session, distributor_id)

    first = stored()
    assert len(first) == 2
    assert all(s.report.paths and s.report.sessions for s in first)
    running.cloud.pass_time(1)
    running.controller.reconcile(running.load_balancer_id)
    assert stored() == first
    running.cloud.pass_time(10)
    running.controller.reconcile(running.load_balancer_id)
    assert [s.report for s in stored()] == [s.report for s in first]
    assert {s.reported_at for s in stored()} == {running.cloud.now}


def test_a_password_that_cannot_be_decrypted_is_an_error(api, stage):
    from octavia_anycast.db import models

    with api.database.transaction() as session:
        session.query(models.Peer).one().password = "rubbish"
    look(stage)
    shown = the_distributor(stage)
    assert shown["provisioning_status"] == "ERROR"
    assert "cannot be decrypted" in shown["status_reason"]


def test_a_change_of_status_in_between_is_not_overwritten(running):
    """An operator deletes it while its update is being settled."""
    found = the_distributor(running)
    distributor_id = found["id"]
    with running.api.database.transaction() as session:
        shown = distributors.get(session, distributor_id, WithoutPasswords())
        records = amphorae.list_registered(session, distributor_id)
    assert len(records) == 2
    change_peer(running, med=1)
    # Read as ACTIVE, settled as ACTIVE: but it is PENDING_UPDATE by now.
    running.controller.distributors._settle(shown)
    assert the_distributor(running)["provisioning_status"] == "PENDING_UPDATE"


@pytest.mark.parametrize(("host", "count"), [("host1", 1), ("host2", 0)])
def test_a_peer_of_one_compute_host(stage, host, count):
    """The host is known when the server has booted, not before."""
    assert look(stage)
    change_peer(stage, availability_zone=None, compute_host=host)
    stage.run()
    machines = stage.cloud.of(stage.load_balancer_id)
    assert [len(m.state.peers()) for m in machines] == [count, count]
    with stage.api.database.transaction() as session:
        records = amphorae.list_for(session, stage.load_balancer_id)
    assert {record.compute_host for record in records} == {"host1"}
    told = {m.amphora_id for m in machines} if count else set()
    assert set(stage.cloud.speaker_changes) == told


@pytest.mark.parametrize("is_new", [True, False], ids=["start", "no database"])
def test_whoever_tells_of_silence_was_there_as_long(running, is_new):
    """Nobody has asked the amphorae for minutes: that is no loss of theirs."""
    watching = running.controller.distributors
    watching.report()
    running.cloud.pass_time(300)
    if is_new:
        watching = DistributorLifecycle(running.controller.world)
    seen = []
    for _ in range(20):
        watching.report()
        seen.append(the_distributor(running)["operating_status"])
        running.cloud.pass_time(5)
    assert seen[0] == seen[1] == "ONLINE"
    assert seen[-1] == "ERROR", "nobody answers though there was time"
