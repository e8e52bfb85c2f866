# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Locks on a real etcd: who holds one is alone, whatever happens to etcd.

Each contender uses the member on its own node. What they do is recorded, and
the history is checked for mutual exclusion.
"""

import signal
import time

import pytest
from contending import LEASE_SECONDS, Contenders
from octavia_anycast_lab.ha import etcd, history, nodes
from octavia_anycast_lab.host import process
from three_nodes import SECONDS, files, long_only

pytestmark = pytest.mark.lab

ENOUGH = 30  # tenures
NO_QUORUM_SECONDS = 60.0


def tenures(contenders: Contenders, since: float = 0.0) -> set[str]:
    """Who acted since then."""
    acts = history.read(contenders.history)
    return {act.tenure for act in acts if act.at > since}


def pids(found: set[str]) -> set[str]:
    return {tenure.partition(".")[0] for tenure in found}


def await_work(contenders: Contenders, since: float = 0.0) -> None:
    """Wait until much was done since then."""
    process.wait_until(
        lambda: len(tenures(contenders, since)) >= ENOUGH,
        SECONDS,
        f"{ENOUGH} tenures",
    )


def assert_sound(contenders: Contenders) -> None:
    found = history.violations(history.read(contenders.history))
    assert not found, found[:5]


def test_each_of_three_is_alone_when_it_acts(coordinated, contenders):
    for node in coordinated:
        contenders.start(node)
    process.wait_until(
        lambda: len(pids(tenures(contenders))) == len(coordinated),
        SECONDS,
        "each of them acts",
    )
    await_work(contenders, time.monotonic())
    assert_sound(contenders)


def test_without_locks_the_check_finds_it(coordinated, contenders):
    """The control."""
    for node in coordinated:
        contenders.start(node, "--careless")
    process.wait_until(
        lambda: bool(history.violations(history.read(contenders.history))),
        SECONDS,
        "acts of several at the same time",
    )


def pause_one(coordinated, contenders, *options: str) -> None:
    """Pause one under its lock until another one has acted; let it go on."""
    paused = contenders.start(coordinated[0], "--pause", *options)
    process.wait_until(
        lambda: contenders.is_stopped(paused), SECONDS, "a pause"
    )
    since = time.monotonic()
    for node in coordinated[1:]:
        contenders.start(node)
    (held,) = tenures(contenders)
    (lock,) = {act.lock for act in history.read(contenders.history)}
    process.wait_until(
        lambda: any(
            act.lock == lock
            for act in history.read(contenders.history)
            if act.tenure != held
        ),
        SECONDS,
        "its lock is another one's",
    )
    assert time.monotonic() - since > LEASE_SECONDS / 2
    contenders.send(paused, signal.SIGCONT)
    process.wait_until(
        lambda: len(tenures(contenders, since) - {held}) >= ENOUGH,
        SECONDS,
        "all go on",
    )


def test_who_was_paused_acts_no_more_under_its_old_lock(
    coordinated, contenders
):
    pause_one(coordinated, contenders)
    assert_sound(contenders)


def test_who_does_not_look_again_acts_after_others(coordinated, contenders):
    """The control: etcd alone does not keep it from that."""
    pause_one(coordinated, contenders, "--ask", "nothing")
    found = history.violations(history.read(contenders.history))
    assert found


def test_the_leader_is_killed(lab, coordinated, contenders):
    for node in coordinated:
        contenders.start(node)
    await_work(contenders)
    killed = etcd.leader(coordinated)
    assert killed is not None
    etcd.kill(killed, lab.registry)
    at = time.monotonic()
    try:
        rest = [node for node in coordinated if node != killed]
        etcd.await_leader(rest)
        await_work(contenders, at)
        assert_sound(contenders)
    finally:
        etcd.start(coordinated, lab.registry, files().etcd)


def test_a_node_that_is_split_off_does_nothing(lab, coordinated, contenders):
    for node in coordinated:
        contenders.start(node)
    await_work(contenders)
    cut = coordinated[2]
    pid = str(process.pid_of(lab.registry, contenders.labels[2]))
    nodes.split_off(cut)
    try:
        process.wait_until(
            lambda: pid not in pids(tenures(contenders, time.monotonic() - 5)),
            SECONDS,
            "nothing is done there",
        )
        at = time.monotonic()
        await_work(contenders, at)
        assert pid not in pids(tenures(contenders, at))
    finally:
        nodes.rejoin(cut)
    process.wait_until(
        lambda: pid in pids(tenures(contenders, time.monotonic() - 5)),
        SECONDS,
        "it takes part again",
    )
    assert_sound(contenders)


@long_only
def test_no_quorum_for_a_minute(lab, coordinated, contenders):
    """Nothing is done meanwhile, and all go on when there is one again."""
    for node in coordinated:
        contenders.start(node)
    await_work(contenders)
    for node in coordinated[1:]:
        etcd.kill(node, lab.registry)
    began = time.monotonic()
    try:
        process.wait_until(
            lambda: time.monotonic() - began > NO_QUORUM_SECONDS,
            2 * NO_QUORUM_SECONDS,
            "a minute",
        )
        assert not tenures(contenders, began + 2 * LEASE_SECONDS)
    finally:
        etcd.start(coordinated, lab.registry, files().etcd)
    await_work(contenders, time.monotonic())
    assert_sound(contenders)


@long_only
def test_all_members_are_restarted_at_once(lab, coordinated, contenders):
    for node in coordinated:
        contenders.start(node)
    await_work(contenders)
    for node in coordinated:
        etcd.kill(node, lab.registry)
    etcd.start(coordinated, lab.registry, files().etcd)
    await_work(contenders, time.monotonic())
    assert_sound(contenders)
