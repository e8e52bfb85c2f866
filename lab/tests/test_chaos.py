# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults alone and in pairs, drawn by a seed, on one load balancer.

``make chaos SEED=.. ROUNDS=..`` is the long form: each fault alone, then
pairs, at full length. The short form has fixed rounds, each a few seconds.
During a round the client's leaf keeps a route to every VIP and amphorae
announce nothing foreign; after it the cluster converges (an empty plan) and
as much is on the machine, in Neutron and in our tables as before.
"""

import contextlib
import ipaddress
import os
import time
from collections.abc import Iterator

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import control_plane, controller, process
from octavia_anycast_lab.chaos import schedule, watch
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Scene, Toll, toll_of
from octavia_anycast_lab.demo import survey
from octavia_anycast_lab.fabric import lifecycle
from octavia_anycast_lab.progress import Progress

pytestmark = pytest.mark.lab

SEED = int(os.environ.get("OA_CHAOS_SEED") or "4")
_ROUNDS = os.environ.get("OA_CHAOS_ROUNDS")
# In the short form: long enough for a hold time of 3 s to pass.
SHORT_SECONDS = 5.0
SECONDS = 60.0
SHORT = (
    ("front-end-mute",),
    ("agent-killed", "spine-lost"),
    ("controller-killed", "database-down"),
)


def _rounds() -> tuple[schedule.Round, ...]:
    if _ROUNDS:
        return schedule.draw(SEED, tuple(FAULTS), int(_ROUNDS))
    return tuple(
        schedule.Round(number=number, names=names, victim=number)
        for number, names in enumerate(SHORT)
    )


def _count(bench: Bench) -> dict[str, int]:
    """Kind of thing -> how many there are.

    Processes in containers come and go by themselves; the containers count.
    """
    things = dict(survey.take(bench.plane, bench.admin).things)
    del things["processes in containers"]
    rows = things.pop("rows in our tables")
    counts = {kind: len(ids) for kind, ids in things.items()}
    # Rows of replaced amphorae say DELETED until housekeeping purges them.
    counts["rows of paths"] = sum("registration" in row for row in rows)
    return counts


def _allowed(bench: Bench) -> list[str]:
    """All VIPs of all load balancers, from the API."""
    found = []
    for each in bench.octavia.load_balancers():
        others = [vip["ip_address"] for vip in each.additional_vips]
        found += [each.vip_address, *others]
    return found


def _watcher(bench: Bench, balancer: Balancer) -> watch.Watcher:
    allowed = map(ipaddress.ip_network, _allowed(bench))
    return watch.Watcher(bench.lab, balancer.vips, allowed)


@contextlib.contextmanager
def _faults(scene: Scene, drawn: schedule.Round) -> Iterator[None]:
    """Make the faults one after the other; heal whatever was begun."""
    with contextlib.ExitStack() as healing:
        for number, name in enumerate(drawn.names):
            if number:
                time.sleep(drawn.delay_seconds)
            fault = FAULTS[name]
            healing.callback(fault.heal, scene)
            fault.inject(scene)
        yield


def _judge(lost: losses.Losses, toll: Toll) -> None:
    if toll is Toll.NOTHING:
        assert lost.is_nothing, lost
    elif toll is Toll.ROUTES:
        assert lost.is_change_of_routes_only, lost


@pytest.fixture(scope="module", autouse=True)
def repaired(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """Whatever a test that failed has left: the next ones find all whole."""
    yield
    control_plane.start(bench.plane, bench.registry, Progress())
    controller.start(bench.plane, bench.registry)
    lifecycle.up(bench.lab, bench.registry)
    bench.await_converged(balancer)


@pytest.mark.parametrize("drawn", _rounds(), ids=lambda drawn: drawn.label)
def test_round(
    bench: Bench, balancer: Balancer, drawn: schedule.Round
) -> None:
    """One round; a failure names seed and round by the test's own id."""
    print(f"seed {SEED}, round {drawn}")  # noqa: T201
    bench.await_converged(balancer)
    before = _count(bench)
    amphorae = bench.amphorae(balancer)
    scene = _scene(bench, balancer, amphorae[drawn.victim % len(amphorae)])
    chosen = [FAULTS[name] for name in drawn.names]
    lasting = max(fault.seconds for fault in chosen)
    with (
        _watcher(bench, balancer) as watcher,
        losses.stream(bench, balancer) as stream,
    ):
        with _faults(scene, drawn):
            time.sleep(lasting if _ROUNDS else min(lasting, SHORT_SECONDS))
        bench.await_converged(balancer)
        lost = stream.end()
    assert watcher.looks
    assert not watcher.violations, sorted(watcher.violations)
    _judge(lost, toll_of(chosen))
    lifecycle.wait_until_converged(bench.lab)
    process.wait_until(
        lambda: _count(bench) == before,
        SECONDS,
        f"as much as before ({before}), not more",
        0.5,
    )
    for vip in balancer.vips:
        answers = bench.ask(str(vip), count=20)
        assert {answer.status for answer in answers} == {200}


def _scene(bench: Bench, balancer: Balancer, victim: Amphora) -> Scene:
    return Scene(
        plane=bench.plane,
        load_balancer_id=balancer.id,
        victim=victim.seen.instance,
    )


def test_what_hits_everybody_is_seen_to_lose(
    bench: Bench, balancer: Balancer
) -> None:
    """The control: the same fault on all at once breaks what must hold."""
    bench.await_converged(balancer)
    fault = FAULTS["front-end-mute"]
    scenes = [_scene(bench, balancer, a) for a in bench.amphorae(balancer)]
    with (
        _watcher(bench, balancer) as watcher,
        losses.stream(bench, balancer) as stream,
        contextlib.ExitStack() as healing,
    ):
        for scene in scenes:
            healing.callback(fault.heal, scene)
            fault.inject(scene)
        process.wait_until(
            lambda: any("no route" in found for found in watcher.violations),
            SECONDS,
            "a watcher that sees that nobody is announced",
        )
        lost = stream.end()
    assert not lost.is_nothing
    assert not lost.is_change_of_routes_only
    bench.await_converged(balancer)
