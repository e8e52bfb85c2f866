# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""An action that is refused ends in ERROR, with its sentence, in time.

And no load balancer is lost by that: it can be deleted at any moment, and
when the cause is gone it becomes ACTIVE, or is deleted, by itself.
"""

import pytest
from oslo_config import cfg

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.controller.looks import (
    cluster,
    fail_over,
    look,
    status,
)

SENTENCE = "Port p1 could not be found (HTTP 404)"
# refused_after, three boots with their back-off, and the look that tells.
STATED_SECONDS = 60


def refuse(stage, call, error=None):
    stage.cloud.raises[call] = error or Permanent(SENTENCE)


def add_member(stage):
    _, (subnet,) = stage.api.neutron.add_network("10.10.0.0/24")
    pool = stage.api.create(
        "/v2/lbaas/pools",
        {
            "pool": {
                "loadbalancer_id": stage.load_balancer_id,
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
            }
        },
    )
    stage.run()
    stage.api.create(
        f"/v2/lbaas/pools/{pool['id']}/members",
        {
            "member": {
                "address": "10.10.0.11",
                "protocol_port": 8080,
                "subnet_id": subnet,
            }
        },
    )
    return subnet


@pytest.fixture
def serving(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


def create(stage):
    """It is being created already."""


def update(stage):
    stage.run()
    stage.add_listener()


def member(stage):
    stage.run()
    add_member(stage)


def failover(stage):
    stage.run()
    fail_over(stage)


def delete(stage):
    stage.run()
    stage.delete()


REFUSALS = [
    # what is asked for, and the call that is refused
    (create, "prepare"),
    (create, "ensure group"),
    (create, "build"),
    (create, "plug frontend"),
    (create, "put state"),
    (update, "prepare"),
    (update, "put state"),
    (member, "plug members"),
    (member, "plug network"),
    (failover, "prepare"),
    (failover, "ensure group"),
    (failover, "build"),
    (failover, "plug frontend"),
    (delete, "delete server"),
    (delete, "release"),
    (delete, "remove"),
    (delete, "remove group"),
]


@pytest.mark.parametrize(
    ("ask", "call"),
    REFUSALS,
    ids=[f"{ask.__name__}-{call}" for ask, call in REFUSALS],
)
def test_what_is_refused_ends_in_error_and_heals(stage, ask, call):
    if ask is create:
        refuse(stage, call)
    else:
        ask(stage)
        refuse(stage, call)

    took = look(stage, STATED_SECONDS, "ERROR")

    assert took < STATED_SECONDS, cluster(stage)
    look(stage, 10)
    assert status(stage) == "ERROR"
    assert SENTENCE in cluster(stage).reason
    stage.cloud.raises.clear()
    look(stage, 400, "DELETED" if ask is delete else "ACTIVE")
    assert status(stage) == ("DELETED" if ask is delete else "ACTIVE")
    if ask is not delete:
        stage.run(400)
        assert SENTENCE not in cluster(stage).reason
        assert cluster(stage).failures == ()
    assert stage.cloud.violations == []


@pytest.mark.parametrize("call", ["prepare", "build", "plug frontend"])
def test_one_in_error_can_be_deleted_while_the_cause_lasts(stage, call):
    refuse(stage, call)
    look(stage, STATED_SECONDS, "ERROR")

    stage.delete()

    assert status(stage) == "PENDING_DELETE"
    look(stage, STATED_SECONDS, "DELETED")
    assert status(stage) == "DELETED"
    assert stage.cloud.machines == {}


@pytest.mark.parametrize("call", ["delete server", "remove"])
def test_a_deletion_that_failed_can_be_asked_for_again(serving, call):
    refuse(serving, call)
    for _ in range(2):
        serving.delete()
        took = look(serving, STATED_SECONDS, "ERROR")
        assert 10 <= took < STATED_SECONDS
        assert SENTENCE in cluster(serving).reason
        # The work on it goes on: nothing is brought up again.
        look(serving, 10)
        assert status(serving) == "ERROR"
    serving.delete()
    serving.cloud.raises.clear()
    look(serving, STATED_SECONDS, "DELETED")
    assert status(serving) == "DELETED"
    assert serving.cloud.machines == {}


def test_a_failover_takes_a_deletion_back_that_failed(serving):
    refuse(serving, "remove")
    serving.delete()
    look(serving, STATED_SECONDS, "ERROR")
    assert serving.cloud.machines == {}
    serving.cloud.stopping = frozenset()

    fail_over(serving)
    look(serving, 120, "ACTIVE")

    assert status(serving) == "ACTIVE"
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2
    assert not cluster(serving).is_deletion_wanted


@pytest.mark.parametrize(
    "error", [Permanent(SENTENCE), Retryable("the agent is busy")], ids=str
)
def test_a_deletion_does_not_wait_for_agents_to_withdraw(serving, error):
    serving.delete()
    refuse(serving, "put state", error)
    look(serving, STATED_SECONDS, "DELETED")
    assert status(serving) == "DELETED"
    assert serving.cloud.machines == {}


def test_a_restart_does_not_begin_the_patience_anew(stage):
    refuse(stage, "prepare", Retryable("the network service is down"))
    limit = int(cfg.CONF.anycast.error_after)
    for _ in range(3):
        assert status(stage) == "PENDING_CREATE"
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(limit / 2)
        stage.restart()
    look(stage, 10, "ERROR")
    assert status(stage) == "ERROR"
    assert "the network service is down" in cluster(stage).reason


def test_what_may_pass_is_not_taken_for_a_refusal(serving):
    refuse(serving, "prepare", Retryable("the network service is down"))
    serving.add_listener(port=81)
    look(serving, STATED_SECONDS)
    assert status(serving) == "PENDING_UPDATE"
    assert "PrepareLoadBalancer: the network" in cluster(serving).reason
    serving.cloud.raises.clear()
    serving.run()
    assert status(serving) == "ACTIVE"
    assert "network" not in cluster(serving).reason


def test_the_wait_of_a_later_change_is_its_own(serving):
    """A change settles; the next one comes before anybody looks again."""
    for port in (81, 82):
        refuse(serving, "prepare", Retryable("the network service is down"))
        serving.add_listener(port=port)
        look(serving, 5)
        serving.cloud.pass_time(cfg.CONF.anycast.error_after - 60)
        look(serving, 10)
        assert status(serving) == "PENDING_UPDATE"
        serving.cloud.raises.clear()
        look(serving, 60, "ACTIVE")


def test_a_server_that_is_not_built_tells_novas_sentence(stage):
    stage.cloud.build_fault = "No valid host was found"
    took = look(stage, STATED_SECONDS, "ERROR")
    assert took < STATED_SECONDS
    assert "No valid host was found" in cluster(stage).reason
    tries = stage.cloud.calls.count("build")
    look(stage, 100)
    assert stage.cloud.calls.count("build") <= tries + 2, "without a limit"
    stage.cloud.build_fault = ""
    look(stage, 300, "ACTIVE")
    assert status(stage) == "ACTIVE"


def test_boots_that_may_work_again_have_time(stage):
    stage.cloud.build_error = "the compute service restarts"
    look(stage, STATED_SECONDS)
    assert status(stage) == "PENDING_CREATE"
    assert "the compute service restarts" in cluster(stage).reason


def test_a_lost_vip_port_is_made_again_by_the_next_change(serving):
    serving.cloud.lost_vip_ports = {serving.load_balancer_id}
    serving.add_listener(port=81)
    serving.run()
    assert status(serving) == "ACTIVE"
    assert serving.cloud.lost_vip_ports == set()


def test_a_lost_vip_port_is_made_again_by_a_failover(serving):
    serving.cloud.lost_vip_ports = {serving.load_balancer_id}
    fail_over(serving)
    serving.run(240)
    assert status(serving) == "ACTIVE"
    assert serving.cloud.lost_vip_ports == set()


def test_an_amphora_whose_front_end_port_is_gone_is_replaced(serving):
    (first, second) = serving.cloud.of(serving.load_balancer_id)
    del serving.cloud.ports[f"fe-{first.amphora_id}"]
    serving.add_listener(port=81)
    look(serving, STATED_SECONDS, "ACTIVE")
    assert status(serving) == "ACTIVE"
    serving.run(240)
    left = {m.amphora_id for m in serving.cloud.of(serving.load_balancer_id)}
    assert first.amphora_id not in left
    assert second.amphora_id in left
    assert len(left) == 2


def test_a_member_subnet_that_is_gone_holds_nothing_up(serving):
    subnet = add_member(serving)
    serving.run()
    serving.cloud.missing.add(subnet)

    serving.add_listener(port=81)
    serving.run()

    assert status(serving) == "ACTIVE"
    assert subnet in cluster(serving).reason
    fail_over(serving)
    serving.run(240)
    assert status(serving) == "ACTIVE"
    serving.cloud.missing.clear()
    serving.run()
    assert subnet not in cluster(serving).reason


def test_while_subnets_cannot_be_looked_up_networks_are_kept(serving):
    subnet = add_member(serving)
    serving.run()
    refuse(serving, "look up subnets", Retryable("no answer"))
    serving.add_listener(port=81)
    look(serving, 30)
    for machine in serving.cloud.of(serving.load_balancer_id):
        assert machine.member_networks == {f"net-{subnet}"}
        assert len(machine.sockets) == 4
    assert status(serving) == "PENDING_UPDATE"
    assert "no answer" in cluster(serving).reason
    serving.cloud.raises.clear()
    serving.run()
    assert status(serving) == "ACTIVE"


def test_a_qos_policy_that_is_gone_is_said_and_holds_nothing_up(serving):
    serving.cloud.is_qos_policy_gone = True
    serving.add_listener(port=81)
    serving.run()
    assert status(serving) == "ACTIVE"
    assert "QoS policy" in cluster(serving).reason
    assert serving.show()["operating_status"] == "DEGRADED"
    serving.cloud.is_qos_policy_gone = False
    serving.add_listener(port=82)
    serving.run()
    serving.run()
    assert "QoS policy" not in cluster(serving).reason
    assert serving.show()["operating_status"] == "ONLINE"


def test_a_distributor_that_cannot_be_read_is_said(serving, monkeypatch):
    def refuse_it(*_):
        raise Permanent("the password of peer leaf1 cannot be decrypted")

    observer = serving.controller._reconciler._observer
    monkeypatch.setattr(type(observer._distributors), "get", refuse_it)
    serving.add_listener(port=81)
    took = look(serving, STATED_SECONDS, "ERROR")
    assert took < STATED_SECONDS
    assert "cannot be decrypted" in cluster(serving).reason
    serving.delete()
    look(serving, STATED_SECONDS, "DELETED")
    assert status(serving) == "DELETED"
    assert serving.cloud.machines == {}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("build", "Flavor small could not be found (HTTP 404)"),
        ("build", "Invalid key_name provided (HTTP 400)"),
        ("build", "Failed to retrieve image with amphora tag"),
        ("build", "The requested availability zone is not there (HTTP 400)"),
        ("plug frontend", "Network n1 could not be found (HTTP 404)"),
    ],
)
def test_what_a_replacement_needs_is_gone(serving, call, sentence):
    """It is served on, and the replacement comes when the thing is back."""
    refuse(serving, call, Permanent(sentence))
    fail_over(serving)
    took = look(serving, STATED_SECONDS, "ERROR")
    assert took < STATED_SECONDS
    assert sentence in cluster(serving).reason
    # Nobody makes room for what room would not help.
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2
    serving.cloud.raises.clear()
    look(serving, 400, "ACTIVE")
    serving.run(400)
    assert status(serving) == "ACTIVE"
    assert sentence not in cluster(serving).reason


def test_a_zone_that_the_distributor_has_no_more_is_left_alone(serving):
    """Its amphorae stay; what boots next is where there are zones."""
    (distributor,) = serving.api.call("GET", "/v2/lbaas/distributors").body[
        "distributors"
    ]
    path = f"/v2/lbaas/distributors/{distributor['id']}"
    for zones in (["rack1"], ["rack2"]):
        serving.controller.distributors.reconcile(distributor["id"])
        body = {"zones": [{"availability_zone": zone} for zone in zones]}
        answer = serving.api.call("PUT", path, {"distributor": body})
        assert answer.status == 200, answer.text
        serving.controller.distributors.reconcile(distributor["id"])
        fail_over(serving)
        serving.run(240)
        found = serving.cloud.of(serving.load_balancer_id)
        assert [machine.zone for machine in found] == zones * 2
        assert status(serving) == "ACTIVE"


def test_without_our_row_a_deletion_that_is_refused_is_no_end(serving):
    with serving.api.database.transaction() as session:
        amphorae.purge_of(session, serving.load_balancer_id)
        clusters.delete(session, serving.load_balancer_id)
    serving.cloud.machines.clear()
    refuse(serving, "remove")
    serving.delete()
    look(serving, 3)
    assert status(serving) == "ERROR"
    serving.cloud.raises.clear()
    serving.delete()
    look(serving, 3)
    row = octavia_rows.load_balancer(serving.load_balancer_id)
    assert row is None or row.provisioning_status == "DELETED"
