# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration on virtual machines, act by act.

Whatever it states it has checked; a step that does not end in time, or a
statement that does not hold, ends it.
"""

import contextlib
import dataclasses
import typing

from octavia_anycast_lab.api import distributors
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic.datagram import members
from octavia_anycast_lab.vm import content, guests, served
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora, prefix
from octavia_anycast_lab.vm.demo import judge
from octavia_anycast_lab.vm.world import BOOT_SECONDS, World

NAME = "demo"
FLAVOR = "cluster-1"
_SERVED_SECONDS = 300.0
_NOTICED_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_GROUPS = "/v2.1/os-server-groups?all_projects=1"


class _Spent(typing.NamedTuple):
    """Seconds of a processor."""

    controller: float
    guest: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The lab and the screen."""

    world: World
    screen: Screen

    def step(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Time one step."""
        return self.screen.progress.step(name)


def tell(stage: Stage) -> None:
    """All acts, in order; nothing is left of the load balancer.

    :raises octavia_anycast_lab.demo.screen.NotTrueError: something stated
        does not hold.
    :raises TimeoutError: a step did not end in time; names what.
    """
    world = stage.world
    with stage.step("members that answer over UDP and SCTP"):
        members.SERVER.up(world.lab, world.registry)
    world.remove_earlier(NAME)
    made = _create(stage)
    _serve(stage, made)
    _scale_out(stage, made)
    _kill_one(stage, made)
    _delete(stage, made)


def _create(stage: Stage) -> Balancer:
    """The tenant's part: one request."""
    screen, world = stage.screen, stage.world
    screen.act("a load balancer of one virtual machine")
    subnets = {v: world.subnet_id(f"backend-v{v}") for v in (4, 6)}
    listeners = [content.listener(s, subnets) for s in content.SERVICES]
    with stage.step("the load balancer is created"):
        made = world.create(NAME, flavor=FLAVOR, listeners=listeners)
    screen.say(f"VIPs: {', '.join(map(str, made.vips))}")
    with stage.step("Nova's server runs"):
        _await_servers(world, made, 1)
    with stage.step("its agent answered: it is given a front end"):
        process.wait_until(
            lambda: all(one.addresses for one in world.amphorae(made.id)),
            BOOT_SECONDS,
            "a front end of the server",
            _LOOK_SECONDS,
        )
    (one,) = world.amphorae(made.id)
    before = _spent(world, one)
    with stage.step("it is configured: the load balancer is ACTIVE"):
        world.await_status(made.id, seconds=BOOT_SECONDS)
    after = _spent(world, one)
    screen.say(
        "(from the agent's answer to ACTIVE: "
        f"{after.controller - before.controller:.1f} s of a processor in the "
        f"controller, {after.guest - before.guest:.1f} s in the guest, which "
        "is emulated unless there is KVM)"
    )
    with stage.step("the leaves have its paths"):
        world.await_whole(made, 1)
    judge.show_amphorae(screen, world.amphorae(made.id))
    return made


def _spent(world: World, one: Amphora) -> _Spent:
    pid = controller.pid_of(world.registry)
    if pid is None:
        raise ProcessLookupError("the controller does not run")
    return _Spent(
        process.cpu_seconds(pid), guests.cpu_seconds(world.plane, one.guest)
    )


def _await_servers(world: World, made: Balancer, count: int) -> None:
    def is_running() -> bool:
        found = world.amphorae(made.id)
        return len(found) == count and {a.guest.status for a in found} == {
            "ACTIVE"
        }

    process.wait_until(
        is_running, BOOT_SECONDS, f"{count} servers ACTIVE in Nova", 3.0
    )


def _serve(stage: Stage, made: Balancer) -> None:
    """Over HTTP, UDP and SCTP."""
    stage.screen.act("it serves HTTP, UDP and SCTP")
    with stage.step("all members answer by all listeners"):
        process.wait_until(
            lambda: all(answer.is_whole for answer in _ask(stage, made)),
            _SERVED_SECONDS,
            "an answer by each member to each listener",
            2.0,
        )
    judge.claim_served(stage.screen, _ask(stage, made))


def _ask(stage: Stage, made: Balancer) -> list[served.Served]:
    return [
        answer
        for service in content.SERVICES
        for answer in served.ask_all(stage.world.lab, service, made.vips)
    ]


def _scale_out(stage: Stage, made: Balancer) -> None:
    world, screen = stage.world, stage.screen
    screen.act("a second one, by scale-out")
    with stage.step("a second server announces both VIPs"):
        world.resize(made.id, 2)
        world.await_whole(made, 2)
    found = world.amphorae(made.id)
    judge.show_amphorae(screen, found)
    judge.claim_racks(screen, found)
    groups = world.admin.get(guests.NOVA, _GROUPS)["server_groups"]
    judge.claim_server_group(screen, groups, found)
    judge.claim_served(screen, _ask(stage, made))


def _kill_one(stage: Stage, made: Balancer) -> None:
    """One loses its power, and what follows."""
    world, screen = stage.world, stage.screen
    victim, other = world.amphorae(made.id)
    screen.act(f"{victim.name} is killed")
    guests.cut_power(world.plane, victim.guest)
    with stage.step("the leaves use no path to it"):
        world.await_withdrawn(made, victim, _NOTICED_SECONDS)
    answers = _ask(stage, made)
    judge.claim_served(screen, answers)
    screen.say(f"(by {other.name} alone)")
    with stage.step("its replacement announces both VIPs"):
        world.await_replaced(made, victim, 2)
    judge.show_amphorae(screen, world.amphorae(made.id))
    screen.claim(
        victim.server_id not in world.server_ids(),
        f"the server of {victim.name} is deleted",
    )
    judge.claim_served(screen, _ask(stage, made))


def _delete(stage: Stage, made: Balancer) -> None:
    world, screen = stage.world, stage.screen
    screen.act("all is deleted")
    alive = vm_survey.take(world.plane, world.admin)
    with stage.step("the load balancer is deleted"):
        world.delete(made.id)
    with stage.step("nothing of it is left"):
        world.await_nothing_left(made)
    held = {
        str(vip): dict(observe.leftovers(world.lab, prefix(vip)))
        for vip in made.vips
    }
    screen.claim(
        not any(held.values()),
        f"routers hold {held}"
        if any(held.values())
        else f"no router holds a path or a route for {' or '.join(held)}",
    )
    after = vm_survey.take(world.plane, world.admin)
    judge.claim_nothing_left(screen, made.before, alive, after)
    distributor = distributors.find(world.admin)
    if distributor is not None:
        try:
            distributors.delete(world.admin, distributor["id"])
        except distributors.InUseError:
            screen.say("(the distributor stays: your load balancers use it)")
