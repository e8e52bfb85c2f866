# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fixtures of the tests on virtual machines (``make test-vm``).

    world     the lab with Nova, and its users
    pair      one load balancer of two virtual machines, which all tests share
    amphorae  these two, for one test; afterwards the pair is whole again

A boot is dear where processors are emulated, so what can be asked of one that
runs is asked of the pair. ``OA_VM_LAB`` names the lab (default ``oavmt``),
which is removed at the end. ``OA_LAB_KEEP=1`` leaves it up, with the pair, and
the next run goes on with both; ``OA_LAB_REUSE=1`` takes the lab as it is.
``OA_LAB_PATIENCE=3`` stretches all deadlines.
"""

import collections.abc
import contextlib
import os
import signal
import typing

import pytest
from octavia_anycast_lab import deployment, lock, settings
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.traffic.datagram import members
from octavia_anycast_lab.vm import (
    balancers,
    content,
    down,
    guests,
    served,
    up,
)
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import BOOT_SECONDS, CHANGE_SECONDS, World

TEST_LAB = "oavmt"
PAIR = "pair"
SIZE = 2
FLAVOR = "cluster-2"
_KEEP = "OA_LAB_KEEP"
_REUSE = "OA_LAB_REUSE"


def pytest_configure() -> None:
    """Have SIGTERM end a run as Ctrl-C does: the lab is removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root there is no lab: say so, and do not skip in silence."""
    if items and os.geteuid() != 0:
        raise pytest.UsageError("the VM lab needs root (network namespaces)")


@pytest.fixture(scope="session")
def world() -> collections.abc.Iterator[World]:
    """The lab with Nova, with members that answer over UDP and SCTP."""
    lab = vm_settings.lab(
        os.environ.get(vm_settings.LAB_ENVIRONMENT, TEST_LAB)
    )
    with _lab_up(lab) as plane:
        made = World(plane)
        members.SERVER.up(lab, made.registry)
        yield made


@contextlib.contextmanager
def _lab_up(
    lab: settings.Lab,
) -> collections.abc.Iterator[deployment.Deployment]:
    """Bring the lab up, and remove it, also what came up of it."""
    if os.environ.get(_REUSE):
        yield deployment.Deployment.of(lab)
        return
    up.require_machine()
    is_ours = True
    try:
        yield up.up(lab, Progress())
    except lock.BusyError:
        is_ours = False
        raise
    finally:
        if is_ours and not os.environ.get(_KEEP):
            down.down(lab, Progress())


def listeners(world: World) -> list[dict[str, typing.Any]]:
    """HTTP, UDP and SCTP, for a create in one call."""
    subnets = {v: world.subnet_id(f"backend-v{v}") for v in (4, 6)}
    return [content.listener(s, subnets) for s in content.SERVICES]


@pytest.fixture(scope="session")
def pair(world: World) -> collections.abc.Iterator[Balancer]:
    """A load balancer that serves HTTP, UDP and SCTP by two servers."""
    made = _earlier(world)
    if made is None:
        world.remove_earlier(PAIR)
        made = world.create(PAIR, flavor=FLAVOR, listeners=listeners(world))
        world.await_status(made.id, seconds=BOOT_SECONDS)
    world.await_whole(made, SIZE)
    yield made
    if not os.environ.get(_KEEP):
        world.delete(made.id)
        world.await_nothing_left(made)


def _earlier(world: World) -> Balancer | None:
    """The pair of an earlier run, if it is sound.

    What was there before it is not known any more: all that is there now
    counts as its own.
    """
    found = world.ask("GET", f"/v2/lbaas/loadbalancers?name={PAIR}")
    for shown in found["loadbalancers"]:
        if shown["provisioning_status"] != "ERROR":
            before = vm_survey.take(world.plane, world.admin)
            return balancers.balancer(shown, before)
    return None


@pytest.fixture
def amphorae(
    world: World, pair: Balancer
) -> collections.abc.Iterator[tuple[Amphora, ...]]:
    """The two of the pair; sound before and after the test."""
    await_sound(world, pair)
    yield world.amphorae(pair.id)
    await_sound(world, pair)
    await_served(world, pair, content.HTTP)


def await_sound(world: World, pair: Balancer) -> None:
    """Both announce, one in each rack; nothing is left or under way.

    Where a rack was full both may be in the other one. What replaces one of
    them boots where the fewest are.
    """
    _await_settled(world, pair)
    found = world.amphorae(pair.id)
    if len({one.rack for one in found}) < SIZE:
        world.fail_over(found[0])
        world.await_replaced(pair, found[0], SIZE)
        _await_settled(world, pair)
    assert len({one.rack for one in world.amphorae(pair.id)}) == SIZE


def _await_settled(world: World, pair: Balancer) -> None:
    """Both announce, nothing else is there, nothing is under way."""
    world.await_whole(pair, SIZE)
    world.await_status(pair.id)
    process.wait_until(
        lambda: all(g.amphora_id for g in guests.guests(world.plane)),
        CHANGE_SECONDS,
        "no server in Nova that is nobody's amphora",
        1.0,
    )


def await_served(
    world: World, pair: Balancer, service: content.Service
) -> None:
    """Wait until all members answer on each VIP that it can serve."""
    answers: list[served.Served] = []

    def is_served() -> bool:
        answers[:] = served.ask_all(world.lab, service, pair.vips)
        return all(answer.is_whole for answer in answers)

    try:
        process.wait_until(is_served, CHANGE_SECONDS, "answers", 1.0)
    except TimeoutError as error:
        raise AssertionError("; ".join(map(str, answers))) from error


@pytest.fixture
def growing(
    world: World, pair: Balancer, amphorae: tuple[Amphora, ...]
) -> collections.abc.Callable[[], contextlib.AbstractContextManager[None]]:
    """The pair is to have a third amphora for the length of a block."""

    @contextlib.contextmanager
    def grow() -> collections.abc.Iterator[None]:
        world.resize(pair.id, SIZE + 1)
        try:
            yield
        finally:
            world.resize(pair.id, SIZE)

    return grow
