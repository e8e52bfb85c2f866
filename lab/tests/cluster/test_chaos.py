# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults alone and in pairs, drawn by a seed, on one load balancer.

``make chaos SEED=.. ROUNDS=..`` is the long form: each fault alone, then
pairs, at full length; ``FIRST=..`` begins with that round and ``FAULTS=a,b+c``
chooses by name. Its amphorae speak with BIRD and BFD, or with ExaBGP
(``DRIVER=exabgp``). ``CONTROLLERS=3``: three, on etcd and Galera, whose faults
take the place of those of one. The short form has fixed rounds, each a few
seconds, with ExaBGP, on the load balancer that the tests share.

During a round the client's leaf keeps a route to every VIP, amphorae announce
nothing foreign, none is booted twice and no load balancer is PENDING for
longer than is stated; after it the cluster converges (an
empty plan) and as much is on the machine, on the fabric, in Neutron and in
our tables as before. Connections that are held meanwhile are kept, but for
those of amphorae that the round's faults may lose (``Fault.lost``). A round
that must lose nothing is made once more, with the front ends cut off
meanwhile: then it must.
"""

import contextlib
import os
import time
from collections.abc import Iterator

import losses
import pytest
import rescuing
import three_nodes
import watching
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.chaos import (
    catalog,
    held,
    leftovers,
    schedule,
    three_controllers,
)
from octavia_anycast_lab.chaos.fault import (
    SPEAKERS,
    Fault,
    Scene,
    Toll,
    lost_owners,
    toll_of,
)
from octavia_anycast_lab.cloud import (
    control_plane,
    controller,
    second_controller,
)
from octavia_anycast_lab.fabric import frr, lifecycle
from octavia_anycast_lab.ha import controllers
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.progress import Progress

pytestmark = pytest.mark.lab

SEED = int(os.environ.get("OA_CHAOS_SEED") or "4")
_ROUNDS = os.environ.get("OA_CHAOS_ROUNDS")
_FIRST = int(os.environ.get("OA_CHAOS_FIRST") or "0")
_FAULTS = os.environ.get("OA_CHAOS_FAULTS")
IS_LONG = bool(_ROUNDS or _FAULTS)
DRIVER = os.environ.get("OA_CHAOS_DRIVER") or "exabgp"
IS_OF_THREE = os.environ.get("OA_CHAOS_CONTROLLERS") == "3"
FAULTS = (
    three_controllers.faults(three_nodes.files())
    if IS_OF_THREE
    else catalog.FAULTS
)
NAME = "chaos"
SIZE = 2
BFD = {
    "min_tx_ms": frr.BFD_INTERVAL_MS,
    "min_rx_ms": frr.BFD_INTERVAL_MS,
    "multiplier": 3,
}
# In the short form: long enough for a hold time of 3 s to pass.
SHORT_SECONDS = 5.0
CONTROL_SECONDS = 1.0
SECONDS = 60.0
SHORT = (
    ("front-end-mute",),
    ("agent-killed", "spine-lost"),
    ("controller-killed", "database-down", "deletion"),
)


def _rounds() -> tuple[schedule.Round, ...]:
    if _FAULTS:
        return schedule.choose(_FAULTS, tuple(FAULTS))
    if _ROUNDS:
        return schedule.draw(SEED, tuple(FAULTS), int(_ROUNDS))[_FIRST:]
    return tuple(
        schedule.Round(number=number, names=names, victim=number)
        for number, names in enumerate(SHORT)
    )


@contextlib.contextmanager
def _faults(scene: Scene, drawn: schedule.Round) -> Iterator[None]:
    """Make the faults one after the other; heal whatever was begun."""
    chosen = [FAULTS[name] for name in drawn.names]
    with contextlib.ExitStack() as healing:
        for fault in chosen:
            if fault.is_last:
                healing.callback(fault.heal, scene)
        for number, fault in enumerate(
            sorted(chosen, key=lambda f: (f.is_last, not f.needs_api))
        ):
            if number:
                time.sleep(drawn.delay_seconds)
            if not fault.is_last:
                healing.callback(fault.heal, scene)
            try:
                fault.inject(scene)
            except (netns.NamespaceError, hypervisor.InstanceNotFound):
                # The first one may leave nothing for the second one to hit.
                if not number or scene.has_victim_power:
                    raise
        yield


def _see_out(scene: Scene, chosen: list[Fault]) -> None:
    """Heal each once it has lasted: a short one does not wait for others."""
    began = time.monotonic()
    for fault in sorted(chosen, key=lambda f: (f.is_last, f.seconds)):
        lasting = fault.seconds
        if not IS_LONG:
            lasting = min(lasting, SHORT_SECONDS)
        time.sleep(max(0.0, began + lasting - time.monotonic()))
        fault.heal(scene)


def _judge(lost: losses.Losses, toll: Toll) -> None:
    if toll is Toll.NOTHING:
        assert lost.is_nothing, lost
    elif toll is Toll.ROUTES:
        assert lost.is_change_of_routes_only, lost
    elif toll is Toll.REFUSED:
        assert lost.is_refused_at_most, lost


@pytest.fixture(scope="module")
def cluster(
    bench: Bench, request: pytest.FixtureRequest
) -> Iterator[Balancer]:
    """Two amphorae that speak with the driver."""
    if DRIVER == "exabgp":
        yield request.getfixturevalue("balancer")
        return
    found = distributors.find(bench.admin, NAME) or _distributor(bench)
    bench.remove_earlier(NAME)
    made = bench.create_on(str(found["id"]), NAME, SIZE)
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.await_settled(made.id)
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)
    distributors.delete(bench.admin, str(found["id"]))


def _distributor(bench: Bench) -> rest.Body:
    """One whose peers have BFD, as the leaves' profile wants it."""
    body = distributors.body(bench.admin, NAME)
    body["distributor"]["is_default"] = False
    distributors.speak_bird(body, BFD)
    made = bench.admin.request(
        "POST", rest.LOAD_BALANCER, distributors.PATH, body
    )
    assert made is not None
    return dict(made["distributor"])


@pytest.fixture(scope="module", autouse=True)
def repaired(bench: Bench, cluster: Balancer) -> Iterator[None]:
    """Whatever a test that failed has left: the next ones find all whole."""
    if IS_OF_THREE:
        three_nodes.convert(bench, cluster)
    yield
    if IS_OF_THREE:
        controllers.heal(bench.plane, bench.registry, three_nodes.files())
    else:
        second_controller.stop(bench.registry)
        control_plane.start(bench.plane, bench.registry, Progress())
        controller.start(bench.plane, bench.registry)
    lifecycle.up(bench.lab, bench.registry)
    bench.await_converged(cluster)


@pytest.mark.parametrize("drawn", _rounds(), ids=lambda drawn: drawn.label)
def test_round(bench: Bench, cluster: Balancer, drawn: schedule.Round) -> None:
    """One round; a failure names seed and round by the test's own id."""
    print(f"seed {SEED}, round {drawn}")  # noqa: T201
    second_controller.stop(bench.registry)  # of a round that failed
    bench.await_converged(cluster)
    rescuing.await_state(bench, cluster, "on")
    before = leftovers.count(bench.plane, bench.admin)
    amphorae = bench.amphorae(cluster)
    scene = _scene(bench, cluster, amphorae[drawn.victim % len(amphorae)])
    chosen = [FAULTS[name] for name in drawn.names]
    for fault in chosen:
        fault.prepare(scene)
    with (
        watching.watcher(bench, cluster) as watcher,
        losses.stream(bench, cluster) as stream,
        held.holding(bench.lab, bench.registry, cluster.vips) as holding,
    ):
        holding.begin()
        with _faults(scene, drawn):
            holding.look()
            _see_out(scene, chosen)
        bench.await_converged(cluster)
        lost = stream.end()
        kept = holding.outcome()
    print(f"{drawn.label}: {lost}")  # noqa: T201
    owners = _lost_owners(bench, cluster, scene, chosen, amphorae)
    print(  # noqa: T201
        f"{drawn.label} on {scene.victim.label}: {kept}; may be lost: "
        f"{sorted(owners)}"
    )
    assert watcher.looks
    assert not watcher.violations, sorted(watcher.violations)
    _judge(lost, toll_of(chosen))
    broken = kept.broken_of_others(owners)
    assert not broken, "\n".join(
        f"{drawn.label} broke a connection of an amphora that was not lost: "
        f"{one}"
        for one in broken
    )
    second_controller.stop(bench.registry)
    lifecycle.wait_until_converged(bench.lab)
    _await_nothing_left(bench, before)
    if toll_of(chosen) is Toll.NOTHING:
        _see_it_lose(bench, cluster, scene, drawn)
    for vip in cluster.vips:
        answers = bench.ask(str(vip), count=20)
        assert {answer.status for answer in answers} == {200}


def _lost_owners(
    bench: Bench,
    cluster: Balancer,
    scene: Scene,
    chosen: list[Fault],
    before: tuple[Amphora, ...],
) -> frozenset[str]:
    """Whose connections may have broken.

    Two faults together may make an amphora silent for so long that it is
    deleted, though each alone is over before.
    """
    instances = [amphora.seen.instance for amphora in before]
    owners = lost_owners(chosen, scene.victim, instances)
    now = {amphora.seen.instance.id for amphora in bench.amphorae(cluster)}
    if len(chosen) > 1 and scene.victim.id not in now:
        owners |= {scene.victim.label}
    return owners


def _see_it_lose(
    bench: Bench, cluster: Balancer, scene: Scene, drawn: schedule.Round
) -> None:
    """The control of "nothing lost": the same faults, and a real loss."""
    cut = FAULTS["front-end-mute"]
    every = [_scene(bench, cluster, a) for a in bench.amphorae(cluster)]
    with losses.stream(bench, cluster) as stream:
        with _faults(scene, drawn), contextlib.ExitStack() as healing:
            for each in every:
                healing.callback(cut.heal, each)
                cut.inject(each)
            # Whoever is asked meanwhile does not answer.
            time.sleep(CONTROL_SECONDS)
        lost = stream.end()
    assert lost.vanished, lost
    assert not lost.is_nothing
    bench.await_converged(cluster)
    lifecycle.wait_until_converged(bench.lab)


def _await_nothing_left(bench: Bench, before: dict[str, int]) -> None:
    """As much of everything as before: not more, and not less."""
    found: dict[str, tuple[int, int]] = {}

    def is_as_before() -> bool:
        now = leftovers.count(bench.plane, bench.admin)
        found.clear()
        found.update(leftovers.changed(before, now))
        return not found

    try:
        process.wait_until(is_as_before, SECONDS, "as much as before", 0.5)
    except TimeoutError as error:
        raise AssertionError(f"before and now: {found}") from error


def _scene(bench: Bench, cluster: Balancer, victim: Amphora) -> Scene:
    return Scene(
        plane=bench.plane,
        load_balancer_id=cluster.id,
        victim=victim.seen.instance,
        speaker=SPEAKERS[DRIVER],
    )


def test_what_hits_everybody_is_seen_to_lose(
    bench: Bench, cluster: Balancer
) -> None:
    """The control: the same fault on all at once breaks what must hold.

    And while it lasts, what it leaves on the fabric is counted.
    """
    bench.await_converged(cluster)
    before = leftovers.on_fabric(bench.lab)
    fault = FAULTS["front-end-mute"]
    scenes = [_scene(bench, cluster, a) for a in bench.amphorae(cluster)]
    with (
        watching.watcher(bench, cluster) as watcher,
        losses.stream(bench, cluster) as stream,
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
        left = leftovers.changed(before, leftovers.on_fabric(bench.lab))
        lost = stream.end()
    assert any(kind.startswith("rules") for kind in left), left
    assert not lost.is_nothing
    assert not lost.is_change_of_routes_only
    bench.await_converged(cluster)


def test_without_flow_rescue_connections_of_others_break(
    bench: Bench, cluster: Balancer
) -> None:
    """The control: a fault that breaks none, with flow rescue switched off.

    While the victim is withdrawn, its connections reach another amphora, which
    answers with a reset. The victim is one that has some, and it stays
    withdrawn until one of them was asked.
    """
    bench.await_converged(cluster)
    rescuing.switch(bench, cluster, is_on=False)
    fault = FAULTS["speaker-hangs"]
    assert fault.lost is None
    with (
        contextlib.ExitStack() as mending,
        held.holding(bench.lab, bench.registry, cluster.vips) as holding,
    ):
        mending.callback(rescuing.switch, bench, cluster, is_on=True)
        holding.begin()
        owned = holding.counts()
        victim = max(
            bench.amphorae(cluster),
            key=lambda amphora: owned[amphora.seen.instance.label],
        )
        assert owned[victim.seen.instance.label], owned
        scene = _scene(bench, cluster, victim)
        mending.callback(fault.heal, scene)
        fault.inject(scene)
        process.wait_until(
            lambda: bench.is_withdrawn(cluster, victim),
            SECONDS,
            "the withdrawal",
        )
        process.wait_until(
            lambda: bool(holding.broken()),
            SECONDS,
            f"a break of one of {dict(owned)}",
        )
        fault.heal(scene)
        bench.await_converged(cluster)
        kept = holding.outcome()
    print(f"without flow rescue: {kept}")  # noqa: T201
    assert kept.broken_of_others(()), kept
