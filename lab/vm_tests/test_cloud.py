# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults of the cloud while an amphora is wanted, or serves.

Boots that fail need no guest: a load balancer of its own is made under the
fault. The cluster's reason has the cloud's own words, few servers are made,
the status becomes ERROR, so that the load balancer can be deleted, and nothing
of the attempts is left.
"""

import collections.abc
import contextlib
import time

import looks
import pytest
from conftest import SIZE, await_served
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import content, faults, guests
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.cloud import nova, rabbitmq
from octavia_anycast_lab.vm.compute import nova_compute
from octavia_anycast_lab.vm.world import CHANGE_SECONDS, World

Amphorae = tuple[Amphora, ...]
Growing = collections.abc.Callable[[], contextlib.AbstractContextManager[None]]
# Of these seconds a loop without a pause would fill the cloud with servers.
WATCHED_SECONDS = 60.0
SERVERS_AT_ONCE = 1
SERVERS_IN_ALL = 4
CLOSED_SECONDS = 10.0
NAME = "unlucky"

FAULTS = {
    "quota": (faults.quota_used_up, ("uota",)),
    "hosts disabled": (faults.no_host, ("availability zone",)),
    "no image": (faults.no_image, ("image",)),
    "no management address": (faults.no_management_address, ("ddress",)),
    **{
        f"{api} says {status}": (
            lambda world, api=api, status=status: faults.api_fault(
                world, api, "--status", status
            ),
            (status,),
        )
        for api, status in (
            (guests.NOVA, "500"),
            (guests.NOVA, "503"),
            (vm_survey.IMAGE, "503"),
        )
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_boot_that_fails_is_told_and_burns_no_servers(
    world: World, name: str
) -> None:
    """A load balancer made under the fault; its owner can delete it."""
    fault, words = FAULTS[name]
    world.remove_earlier(NAME)
    seen: set[str] = set()
    with fault(world):
        made = world.create(NAME, flavor="cluster-1")
        reason = world.await_reason(made.id, words)
        assert reason.count(" ") > 3, "it is a sentence"
        before = made.before.things["Nova servers"]
        deadline = time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < deadline:
            found = looks.servers_made(world, before)
            assert len(found) <= SERVERS_AT_ONCE
            seen |= found
            time.sleep(1.0)
        assert len(seen) <= SERVERS_IN_ALL, "one after the other is too many"
        world.await_status(made.id, ("ERROR",))
    world.delete(made.id)
    world.await_nothing_left(made)


def test_a_slow_nova_is_waited_for(
    world: World, pair: Balancer, amphorae: Amphorae, growing: Growing
) -> None:
    """Answers after a minute: nothing is replaced, and all goes on."""
    with faults.api_fault(world, guests.NOVA, "--delay", "60"), growing():
        time.sleep(WATCHED_SECONDS)
        for service in content.SERVICES:
            await_served(world, pair, service)
        cluster = world.cluster(pair.id)
        assert cluster["announcing_count"] == SIZE
    found = {a.server_id for a in amphorae}
    assert found <= world.server_ids(), "none was replaced"


def test_one_rack_is_full(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """The replacement waits for its rack, or comes up in the other one.

    Afterwards the fixture sees to it that each rack has one again.
    """
    old = amphorae[0]

    def reason() -> str:
        return str(world.cluster(pair.id)["reason"])

    with faults.no_host(world, old.rack):
        guests.delete(world.plane, old.guest)
        world.await_withdrawn(pair, old)
        process.wait_until(
            lambda: (
                world.is_whole(pair, SIZE)
                or "zone is not available" in reason()
                or "No valid host" in reason()
            ),
            CHANGE_SECONDS,
            "another one, or the reason why there is none",
            1.0,
        )
        for service in content.SERVICES:
            await_served(world, pair, service)


def test_a_server_that_is_deleted_behind_our_back(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    guests.delete(world.plane, amphorae[1].guest)
    world.await_replaced(pair, amphorae[1], SIZE)


def test_a_server_that_is_shelved(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """It is replaced; server and the image that shelving made are deleted."""
    before = vm_survey.take(world.plane, world.admin)
    guests.shelve(world.plane, amphorae[0].guest)
    world.await_replaced(pair, amphorae[0], SIZE)
    process.wait_until(
        lambda: (
            vm_survey.take(world.plane, world.admin).things["Glance images"]
            == before.things["Glance images"]
        ),
        CHANGE_SECONDS,
        "no image more than before",
        1.0,
    )


def test_rabbitmq_is_killed(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """Nova does nothing meanwhile; the failover ends when it is back."""
    old = amphorae[0]
    with faults.killed(
        world, rabbitmq.LABEL, lambda: _restart_messages(world)
    ):
        process.wait_until(
            lambda: not rabbitmq.is_listening(world.plane),
            CLOSED_SECONDS,
            "nobody listens to RabbitMQ's port",
        )
        world.fail_over(old)
        time.sleep(WATCHED_SECONDS)
        for service in content.SERVICES:
            await_served(world, pair, service)
    world.await_replaced(pair, old, SIZE)


def _restart_messages(world: World) -> None:
    rabbitmq.start(world.plane, world.registry)
    rabbitmq.await_listening(world.plane, world.registry)
    nova.start_daemons(world.plane, world.registry)


def test_nova_compute_is_killed_while_it_builds(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    """The server of that moment stays BUILD or fails; another one serves."""
    old = amphorae[1]
    known = world.server_ids()
    world.fail_over(old)
    process.wait_until(
        lambda: bool(looks.servers_made(world, known)),
        CHANGE_SECONDS,
        "another server",
        0.1,
    )
    hypervisor = vm_settings.hypervisor(old.rack)
    with faults.killed(
        world,
        nova_compute.label(hypervisor),
        lambda: nova_compute.start(world.plane, world.registry, hypervisor),
    ):
        time.sleep(WATCHED_SECONDS)
        for service in content.SERVICES:
            await_served(world, pair, service)
    world.await_replaced(pair, old, SIZE)
