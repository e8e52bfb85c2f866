# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae whose servers are said to be stopped, and that say nothing."""

from dataclasses import replace

import pytest

from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import ComputeState
from octavia_anycast.planning.amphora.assessment import (
    STOPPED_SHARE,
    Phase,
    assess,
)
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

DESIRED = desired_cluster(size=2)
DEAD = DESIRED.policy.dead_after
SHARE = DEAD / STOPPED_SHARE


def seen(**changes):
    """Observe a cluster that is whole, but for its first amphora."""
    world = World(desired=DESIRED)
    world.run(60)
    assert len(world.announcers()) == 2
    observed = world.observe()
    first, *others = observed.amphorae
    first = replace(first, **{"report": None, **changes})
    return world, replace(observed, amphorae=(first, *others))


@pytest.mark.parametrize(
    ("state", "seconds", "phase"),
    [
        (ComputeState.STOPPED, SHARE, Phase.SERVING),
        (ComputeState.STOPPED, SHARE + 0.1, Phase.SILENT),
        (ComputeState.ACTIVE, DEAD, Phase.SERVING),
        (ComputeState.UNKNOWN, DEAD, Phase.SERVING),
        (ComputeState.BUILDING, DEAD, Phase.SERVING),
        (ComputeState.ACTIVE, DEAD + 0.1, Phase.SILENT),
    ],
)
def test_only_a_stopped_server_shortens_the_wait(state, seconds, phase):
    world, observed = seen(compute_state=state, silent_seconds=seconds)
    found = assess(DESIRED, observed.amphorae[0], world.now)
    assert found.phase is phase


def test_one_that_answers_is_not_silent_whatever_is_said_of_its_server():
    world, _ = seen()
    whole = world.observe().amphorae[0]
    stopped = replace(whole, compute_state=ComputeState.STOPPED)
    assert assess(DESIRED, stopped, world.now).phase is Phase.SERVING


def kinds(observed, now):
    actions = plan(DESIRED, observed, now)
    assert any(
        isinstance(a, BootAmphora) and a.is_replacement for a in actions
    )
    return [(type(a), a.amphora_id) for a in actions]


def test_what_is_done_is_what_is_done_of_one_that_is_silent():
    """Sooner; by the same rules, with the same limit of replacements."""
    world, stopped = seen(
        compute_state=ComputeState.STOPPED, silent_seconds=SHARE + 1
    )
    first, *others = stopped.amphorae
    dead = replace(
        first, compute_state=ComputeState.ACTIVE, silent_seconds=DEAD + 1
    )
    silent = replace(stopped, amphorae=(dead, *others))
    assert kinds(stopped, world.now) == kinds(silent, world.now)


def test_all_stopped_together_boot_one_only():
    world, observed = seen()
    observed = replace(
        observed,
        amphorae=tuple(
            replace(
                amphora,
                report=None,
                compute_state=ComputeState.STOPPED,
                silent_seconds=SHARE + 1,
            )
            for amphora in observed.amphorae
        ),
    )
    actions = plan(DESIRED, observed, world.now)
    assert sum(isinstance(action, BootAmphora) for action in actions) == 1


def test_the_reason_names_the_server():
    world, observed = seen(
        compute_state=ComputeState.STOPPED, silent_seconds=SHARE + 1
    )
    found = assess(DESIRED, observed.amphorae[0], world.now)
    words = f"not heard of for {SHARE + 1:.0f} s"
    assert found.reason == f"its server is stopped, and {words}"
