# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""UDP and SCTP listeners with their health monitors, end to end."""

import collections.abc

import pytest
from conftest import await_served
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic.datagram import members
from octavia_anycast_lab.vm import content, served
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import CHANGE_SECONDS, World

DATAGRAMS = (content.UDP, content.SCTP)
DOWN = "member1"
Amphorae = tuple[Amphora, ...]


@pytest.fixture
def one_down(world: World) -> collections.abc.Iterator[None]:
    """A member answers neither UDP nor SCTP."""
    members.SERVER.stop(world.registry, DOWN)
    yield
    members.SERVER.up(world.lab, world.registry)


def _operating(world: World, pair: Balancer, service: str) -> dict[str, str]:
    """Member -> its operating status."""
    path = f"/v2/lbaas/pools?loadbalancer_id={pair.id}&name={service}"
    (pool,) = world.ask("GET", path)["pools"]
    found = world.ask("GET", f"/v2/lbaas/pools/{pool['id']}/members")
    return {m["name"]: m["operating_status"] for m in found["members"]}


def test_a_member_that_is_down_is_not_asked(
    world: World, pair: Balancer, amphorae: Amphorae, one_down: None
) -> None:
    """Monitors of both amphorae take it out; the API says which it is."""
    others = {"member2", "member3"}
    for service in DATAGRAMS:

        def is_out(service: content.Service = service) -> bool:
            answers = served.ask_all(world.lab, service, pair.vips)
            return all(
                a.answered == a.asked and set(a.members) == others
                for a in answers
            )

        process.wait_until(
            is_out, CHANGE_SECONDS, f"{service.name} without {DOWN}", 1.0
        )

        def is_told(service: content.Service = service) -> bool:
            found = _operating(world, pair, service.name)
            return {n for n, s in found.items() if s == "ERROR"} == {
                f"{DOWN}-v{version}" for version in service.versions
            }

        process.wait_until(
            is_told, CHANGE_SECONDS, f"{service.name}: {DOWN} in ERROR", 1.0
        )


def test_a_member_that_came_back_is_asked_again(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    for service in DATAGRAMS:
        await_served(world, pair, service)
        process.wait_until(
            lambda service=service: (
                set(_operating(world, pair, service.name).values())
                == {"ONLINE"}
            ),
            CHANGE_SECONDS,
            f"all members of {service.name} ONLINE",
            1.0,
        )


def _statistics(
    world: World, pair: Balancer, service: content.Service
) -> rest.Body:
    path = f"/v2/lbaas/listeners?loadbalancer_id={pair.id}&name={service.name}"
    (listener,) = world.ask("GET", path)["listeners"]
    path = f"/v2/lbaas/listeners/{listener['id']}/stats"
    return dict(world.ask("GET", path)["stats"])


@pytest.mark.parametrize("service", DATAGRAMS, ids=lambda s: s.name)
def test_statistics_count_what_was_asked(
    world: World,
    pair: Balancer,
    amphorae: Amphorae,
    service: content.Service,
) -> None:
    """Of all amphorae together: ECMP spreads the questions over them."""
    before = _statistics(world, pair, service)["total_connections"]
    asked = sum(
        answer.answered
        for answer in served.ask_all(world.lab, service, pair.vips)
    )
    assert asked > 0
    process.wait_until(
        lambda: (
            _statistics(world, pair, service)["total_connections"]
            >= before + asked
        ),
        CHANGE_SECONDS,
        f"{asked} connections more",
        1.0,
    )
