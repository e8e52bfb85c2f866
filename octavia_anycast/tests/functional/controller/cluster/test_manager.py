# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster manager, from the API through the controller to the cloud."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from octavia_anycast.controller.cluster.cluster_watch import ChangedClusters
from octavia_anycast.controller.cluster.observe import Observer
from octavia_anycast.controller.cluster.spare_monitor import SpareMonitor
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.errors import NoConnection, Retryable
from octavia_anycast.tests.functional.controller.conftest import LB


@pytest.fixture
def serving(stage):
    """A cluster of two that announces."""
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


def put(stage, **given):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    answer = stage.api.call("PUT", path, {"cluster": given})
    assert answer.status == 202, answer.text
    return answer.body["cluster"]


def show(stage):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    return stage.api.call("GET", path).body["cluster"]


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def look(stage):
    stage.controller.reconcile(stage.load_balancer_id)


def test_a_change_is_noticed_once(serving):
    watch = ChangedClusters()
    world = serving.controller.world

    def news():
        with world.database.transaction() as session:
            changed = show(serving) and world.now()
            found = watch.news(session, changed.replace(year=2000))
        watch.remember()
        return found

    assert news() == set()
    put(serving, desired_size=3)
    assert news() == {serving.load_balancer_id}
    assert news() == set()
    put(serving, desired_size=4)
    assert news() == {serving.load_balancer_id}


def test_scaling_out_and_in(serving):
    put(serving, desired_size=4)
    serving.run(60)
    assert len(announcers(serving)) == 4

    put(serving, desired_size=2)
    serving.run(120)
    assert len(announcers(serving)) == 2
    assert len(serving.cloud.machines) == 2
    assert serving.show()["provisioning_status"] == "ACTIVE"


def test_a_spare_joins_when_an_amphora_leaves_knocks_unanswered(serving):
    put(serving, spare_count=1)
    serving.run(60)
    woken = []
    world = serving.controller.world
    monitor = SpareMonitor(world, serving.cloud, woken.append, lambda _: True)
    victim = announcers(serving)[0]
    with ThreadPoolExecutor(1) as executor:
        monitor.refresh()
        assert monitor.addresses() == {}, "nobody was called yet"
        monitor.look(executor)
        assert len(monitor.addresses()) == 3
        victim.has_power = False
        monitor.did_not_answer(victim.amphora_id)
        monitor.did_not_answer(victim.amphora_id)
        monitor.did_not_answer("one that is not watched any more")
        assert woken == [serving.load_balancer_id], "it calls once"
        assert world.memory.is_gone(victim.amphora_id)
        assert victim.amphora_id not in monitor.addresses()
        look(serving)
        assert len(announcers(serving)) == 2
        assert victim not in announcers(serving)
        victim.has_power = True
        monitor.look(executor)
    assert len(woken) == 3, "it answers, and the spare announces"
    assert not world.memory.is_unreachable(victim.amphora_id)
    assert len(monitor.addresses()) == 3


def test_a_spare_joins_when_the_spare_monitor_calls(serving):
    put(serving, spare_count=1)
    serving.run(60)
    assert len(serving.cloud.machines) == 3
    assert len(announcers(serving)) == 2
    shown = show(serving)
    assert "1 of 1 spares ready" in shown["reason"]
    assert shown["operating_status"] == "ONLINE"
    (spare,) = (m["id"] for m in shown["amphorae"] if m["spare"])

    woken = []
    world = serving.controller.world
    spare_monitor = SpareMonitor(
        world, serving.cloud, woken.append, lambda _: True
    )
    with ThreadPoolExecutor(1) as executor:
        spare_monitor.refresh()
        spare_monitor.look(executor)
        assert woken == [], "all is well"
        victim = announcers(serving)[0]
        victim.has_power = False
        spare_monitor.look(executor)
        spare_monitor.look(executor)
    assert woken == [serving.load_balancer_id], "it calls once"
    assert world.memory.is_unreachable(victim.amphora_id)

    look(serving)
    assert spare in {m.amphora_id for m in announcers(serving)}
    assert len(announcers(serving)) == 2
    serving.run(200)
    assert len(serving.cloud.of(serving.load_balancer_id)) == 3
    assert len(announcers(serving)) == 2


class FastAgents:
    """The agents with short timeouts; those of some have no network."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.errors = {}  # amphora_id -> what a call of it raises
        self.asked = []

    def get_report(self, amphora_id, address):
        self.asked.append(amphora_id)
        if amphora_id in self.errors:
            raise self.errors[amphora_id]
        return self.cloud.get_report(amphora_id, address)


@pytest.fixture
def watched(serving):
    """A cluster with a spare, and who asks it with little patience."""
    put(serving, spare_count=1)
    serving.run(60)
    fast_agents = FastAgents(serving.cloud)
    controller = serving.controller
    world = dataclasses.replace(controller.world, fast_agents=fast_agents)
    with ThreadPoolExecutor(1) as executor:
        observer = Observer(world, executor)
        spare_monitor = SpareMonitor(
            world, fast_agents, lambda _: None, lambda _: True
        )
        spare_monitor.refresh()
        spare_monitor.look(executor)

        def observe():
            del fast_agents.asked[:]
            serving.cloud.calls.clear()
            tree = world.load_balancers.read(serving.load_balancer_id)
            return {
                a.record.id: a.report
                for a in observer.observe(tree).observed.amphorae
            }

        yield SimpleNamespace(
            fast_agents=fast_agents,
            look=lambda: spare_monitor.look(executor),
            observe=observe,
            lost=announcers(serving)[0].amphora_id,
            world=world,
        )


def test_one_that_is_gone_is_not_waited_for_again(watched):
    watched.fast_agents.errors[watched.lost] = NoConnection("timed out")
    watched.look()
    assert watched.world.memory.is_gone(watched.lost)
    found = watched.observe()
    assert found[watched.lost] is None
    assert watched.lost not in watched.fast_agents.asked
    assert sum(report is not None for report in found.values()) == 2

    watched.fast_agents.errors.clear()
    watched.look()
    assert not watched.world.memory.is_unreachable(watched.lost)
    assert not watched.world.memory.is_gone(watched.lost)
    assert watched.observe()[watched.lost] is not None


def test_one_that_is_lost_before_the_spare_monitor_knows_is_waited_for_briefly(
    watched,
):
    watched.fast_agents.errors[watched.lost] = NoConnection("timed out")
    assert watched.observe()[watched.lost] is None


def test_a_busy_agent_of_a_watched_cluster_gets_its_time(watched):
    watched.fast_agents.errors[watched.lost] = Retryable("read timed out")
    assert watched.observe()[watched.lost] is not None
    watched.look()
    assert watched.world.memory.is_unreachable(watched.lost)
    assert not watched.world.memory.is_gone(watched.lost)
    assert watched.observe()[watched.lost] is None, "the spare joins"
    assert watched.lost in watched.fast_agents.asked


def test_clusters_without_spares_are_not_watched(serving):
    world = serving.controller.world
    spare_monitor = SpareMonitor(
        world, serving.cloud, pytest.fail, lambda _: True
    )
    spare_monitor.refresh()
    calls = len(serving.cloud.calls)
    with ThreadPoolExecutor(1) as executor:
        spare_monitor.look(executor)
    assert len(serving.cloud.calls) == calls


def lose(stage):
    """A server is gone, and the compute service says so."""
    victim = announcers(stage)[0]
    del stage.cloud.machines[victim.server_id]


def use_up_the_replacement_limit(stage, is_replacing):
    """Others' replacements are under way, or are done."""
    world = stage.controller.world
    with stage.api.database.transaction() as session:
        for number in range(world.settings.policy.replacement_limit):
            name = f"other-{number}"
            if is_replacing:
                amphorae.create(
                    session,
                    AmphoraRecord(
                        id=name,
                        load_balancer_id="other",
                        status=AmphoraStatus.BOOTING,
                        status_since=world.now(),
                        is_replacing=True,
                    ),
                )
            else:
                amphorae.update(session, name, is_replacing=False)


def test_the_replacement_limit_is_shared_by_all(serving):
    use_up_the_replacement_limit(serving, is_replacing=True)
    lose(serving)
    builds = serving.cloud.calls.count("build")
    for _ in range(5):
        look(serving)
        serving.cloud.pass_time(1)
    assert serving.cloud.calls.count("build") == builds
    shown = show(serving)
    assert shown["operating_status"] == "DEGRADED"
    assert "held by the replacement limit" in shown["reason"]

    put(serving, desired_size=3)
    use_up_the_replacement_limit(serving, is_replacing=False)
    serving.run(60)
    assert len(announcers(serving)) == 3


def test_a_quota_that_is_used_up_is_told_and_burns_nothing(serving):
    serving.cloud.build_error = "Quota exceeded for instances"
    put(serving, desired_size=4)
    tries = serving.cloud.calls.count("build")
    for _ in range(120):
        look(serving)
        serving.cloud.pass_time(5)

    assert serving.cloud.calls.count("build") - tries <= 10
    assert len(serving.cloud.machines) == 2
    shown = show(serving)
    assert shown["operating_status"] == "DEGRADED"
    assert "Quota exceeded" in shown["reason"]
    assert serving.show()["provisioning_status"] == "ACTIVE"

    serving.cloud.build_error = ""
    serving.run(900)
    assert len(announcers(serving)) == 4
