# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is asked of a single amphora through the API, and its front end."""

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.controller.conftest import LB

PATH = "/v2/octavia/amphorae"


def ids(stage):
    answer = stage.api.call(
        "GET", f"{PATH}?loadbalancer_id={stage.load_balancer_id}"
    )
    return [one["id"] for one in answer.body["amphorae"]]


def ask(stage, method, below):
    answer = stage.api.call(method, f"{PATH}/{below}")
    assert answer.status in (202, 204), answer.text


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


@pytest.fixture
def serving(stage):
    """A cluster of two that announces."""
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


def test_a_failover_replaces_this_one_only(serving):
    first, second = ids(serving)
    zones = {r.id: r.availability_zone for r in records(serving)}

    ask(serving, "PUT", f"{first}/failover")
    assert serving.show()["provisioning_status"] == "PENDING_UPDATE"
    serving.run(120)

    assert second in ids(serving)
    assert first not in ids(serving)
    (new,) = set(ids(serving)) - {second}
    assert {r.id: r.availability_zone for r in records(serving)}[new] == (
        zones[first]
    )
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2
    assert not any(r.failover_wanted for r in records(serving))
    assert serving.show()["provisioning_status"] == "ACTIVE"


def test_the_new_one_announces_before_the_old_one_leaves(serving):
    """At every moment as many announce as the cluster is large."""
    (first, _) = ids(serving)
    ask(serving, "PUT", f"{first}/failover")
    counts = []
    for _ in range(60):
        serving.controller.reconcile(serving.load_balancer_id)
        announcers = serving.cloud.announcers(serving.load_balancer_id)
        counts.append(len(announcers))
        serving.cloud.pass_time(1)
        if first not in ids(serving):
            break
    assert first not in ids(serving)
    assert min(counts) == 2
    assert max(counts) == 3


def test_failover_of_all_of_them_one_after_the_other(serving):
    """As in Octavia, the next one may be asked for when this one is done."""
    before = ids(serving)
    for amphora_id in before:
        ask(serving, "PUT", f"{amphora_id}/failover")
        again = serving.api.call("PUT", f"{PATH}/{before[-1]}/failover")
        assert again.status == 409
        serving.run(240)

    assert not set(before) & set(ids(serving))
    assert len(ids(serving)) == 2


def failover_of_one(stage):
    (first, _) = ids(stage)
    ask(stage, "PUT", f"{first}/failover")
    return {first}


def failover_of_all(stage):
    path = f"{LB}/{stage.load_balancer_id}/failover"
    assert stage.api.call("PUT", path).status == 202
    return set(ids(stage))


@pytest.mark.parametrize("failover", [failover_of_one, failover_of_all])
def test_it_is_pending_until_the_old_ones_are_not_listed(serving, failover):
    """The client waits for ACTIVE; then it is done."""
    old = failover(serving)
    seen = []
    for _ in range(240):
        # Listed first: what is ACTIVE afterwards was so without them.
        is_listed = bool(old & set(ids(serving)))
        seen.append((is_listed, serving.show()["provisioning_status"]))
        if seen[-1] == (False, "ACTIVE"):
            break
        serving.controller.reconcile(serving.load_balancer_id)
        serving.cloud.pass_time(1)
    assert seen[-1] == (False, "ACTIVE")
    assert (True, "PENDING_UPDATE") in seen
    assert (True, "ACTIVE") not in seen


def test_a_refused_failover_leaves_no_mark(serving):
    (first, _) = ids(serving)
    serving.add_listener(port=81)

    answer = serving.api.call("PUT", f"{PATH}/{first}/failover")

    assert answer.status == 409
    assert not any(r.failover_wanted for r in records(serving))
    serving.run()
    assert first in ids(serving)


def test_the_agents_configuration_is_pushed_once(serving):
    first, _ = ids(serving)
    machines = {m.amphora_id: m for m in serving.cloud.machines.values()}
    pushes = {i: m.pushes for i, m in machines.items()}

    ask(serving, "PUT", f"{first}/config")
    serving.run()
    serving.run()

    assert {i: len(m.configurations) for i, m in machines.items()} == {
        i: int(i == first) for i in machines
    }
    assert {i: m.pushes for i, m in machines.items()} == pushes
    assert not any(r.agent_update_wanted for r in records(serving))
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2


def test_the_agents_configuration_is_pushed_when_it_can_be(serving):
    first, _ = ids(serving)
    serving.cloud.refuse["update agent"] = 2

    ask(serving, "PUT", f"{first}/config")
    serving.run()

    machines = {m.amphora_id: m for m in serving.cloud.machines.values()}
    assert len(machines[first].configurations) == 1


def test_one_in_error_goes_when_it_is_deleted(serving):
    first, _ = ids(serving)
    with serving.api.database.transaction() as session:
        amphorae.update(
            session,
            first,
            now=serving.cloud.now,
            status=AmphoraStatus.ERROR,
        )

    ask(serving, "DELETE", first)
    serving.run(600)

    assert first not in ids(serving)
    assert len(ids(serving)) == 2


# The front end that was chosen is the one that is plugged


def plugged(stage):
    return set(stage.cloud.frontends.values())


@pytest.fixture
def front(api):
    """Two racks' front-end networks, and a third of no rack."""
    return [
        (network_id, *subnets)
        for network_id, subnets in (
            api.neutron.add_network(f"10.{n}.0.0/24", f"fd00:{n}::/64")
            for n in (1, 2, 3)
        )
    ]


@pytest.fixture
def racks(api, front):
    """A distributor with a zone for each of the first two."""
    made = api.create(
        "/v2/lbaas/distributors",
        samples.distributor(
            zones=[
                {
                    "availability_zone": f"rack{n}",
                    "frontend_network_id": network_id,
                    "frontend_subnet_ids": [v4, v6],
                }
                for n, (network_id, v4, v6) in enumerate(front[:2], 1)
            ]
        ),
    )
    return made["id"]


def make(stage, distributor_id, **choice):
    """Another load balancer, with one IPv4 VIP, brought up."""
    _, (subnet,) = stage.api.neutron.add_network("203.0.113.0/24")
    created = stage.api.create(
        LB,
        {
            "loadbalancer": {
                "vip_subnet_id": subnet,
                "distributor_id": distributor_id,
            }
            | choice
        },
    )
    stage.load_balancer_id = created["id"]
    stage.run()
    return created


def test_without_a_choice_the_racks_are_shared(stage, front, racks):
    make(stage, racks)

    assert {r.availability_zone for r in records(stage)} == {"rack1", "rack2"}
    assert plugged(stage) == {
        (front[0][0], (front[0][1], front[0][2])),
        (front[1][0], (front[1][1], front[1][2])),
    }


def test_a_subnet_of_a_rack_puts_all_of_them_there(stage, front, racks):
    make(stage, racks, frontend_subnet_id=front[1][1])

    assert [r.availability_zone for r in records(stage)] == ["rack2"] * 2
    assert plugged(stage) == {(front[1][0], (front[1][1],))}


def test_a_network_of_a_rack_puts_all_of_them_there(stage, front, racks):
    make(stage, racks, frontend_network_id=front[0][0])

    assert [r.availability_zone for r in records(stage)] == ["rack1"] * 2
    assert plugged(stage) == {(front[0][0], (front[0][1], front[0][2]))}


def test_a_subnet_of_no_rack_is_used_without_one(stage, front, racks):
    make(stage, racks, frontend_subnet_id=front[2][1])

    assert [r.availability_zone for r in records(stage)] == [None] * 2
    assert plugged(stage) == {(front[2][0], (front[2][1],))}


def test_a_replacement_stays_in_the_rack(stage, front, racks):
    make(stage, racks, frontend_subnet_id=front[1][1])
    (first, _) = ids(stage)

    ask(stage, "PUT", f"{first}/failover")
    stage.run(120)

    assert [r.availability_zone for r in records(stage)] == ["rack2"] * 2
    assert octavia_rows.load_balancer(stage.load_balancer_id) is not None
