# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which load balancers may rest; and that time changes nothing for them."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import ActionFailure, AmphoraStatus
from octavia_anycast.model.wire import GateState, SessionReport
from octavia_anycast.planning.amphora.failures import OBSERVE
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.planning.cluster.rest import digests_to_rest_on
from octavia_anycast.planning.cluster.status import is_settled
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

HOUR = timedelta(hours=1)
LOAD = Autoscale(metric=Metric.CPU, target=50)
DOWN = SessionReport(
    peer_id="p",
    peer_ip=ip_address("10.0.0.1"),
    state=SessionState.IDLE,
    since=None,
)


@pytest.fixture
def world():
    """A converged cluster of two."""
    made = World(desired=desired_cluster(size=2))
    made.run(120)
    assert made.step() == ()
    return made


@pytest.fixture
def observed(world):
    """What is seen of it; its agents know digests."""
    found = world.observe()
    return replace(
        found,
        amphorae=tuple(
            replace(
                amphora,
                report=replace(
                    amphora.report, report_digest=f"of {amphora.record.id}"
                ),
            )
            for amphora in found.amphorae
        ),
    )


def first(observed, *, report=None, record=None, **changes):
    """The same with one amphora otherwise."""
    amphora, *others = observed.amphorae
    if report:
        changes["report"] = replace(amphora.report, **report)
    if record:
        changes["record"] = replace(amphora.record, **record)
    return replace(observed, amphorae=(replace(amphora, **changes), *others))


def test_it_rests_on_what_each_says(world, observed):
    assert digests_to_rest_on(world.desired, observed) == {
        amphora.record.id: f"of {amphora.record.id}"
        for amphora in observed.amphorae
    }


def test_while_it_may_rest_time_changes_nothing(world, observed):
    for hours in range(24):
        now = world.now + hours * HOUR
        assert plan(world.desired, observed, now) == ()
        assert is_settled(world.desired, observed, now)


@pytest.mark.parametrize(
    "changes",
    [
        {"report": {"report_digest": ""}},
        {"report": {"refusal": "unknown option"}},
        {"report": {"sessions": (DOWN,)}},
        {"is_agent_mute": True},
        {"heartbeat_trouble": "none has arrived"},
        {"record": {"leaving_since": EPOCH}},
        {"record": {"drain_wanted_since": EPOCH}},
        {"record": {"speakers_changed_at": EPOCH}},
        {"record": {"mute_since": EPOCH}},
        {"record": {"stale_since": EPOCH}},
        {"record": {"failover_wanted": True}},
        {"record": {"agent_update_wanted": True}},
        {"record": {"refused_revision": "r"}},
        {"record": {"unread": "a secret"}},
        {"record": {"status": AmphoraStatus.BOOTING}},
    ],
    ids=str,
)
def test_it_does_not_rest_while_something_is_waited_for(
    world, observed, changes
):
    assert digests_to_rest_on(world.desired, first(observed, **changes)) == {}


@pytest.mark.parametrize("state", GateState)
def test_it_rests_with_open_gates_only(world, observed, state):
    gate = replace(observed.amphorae[0].report.gate, state=state)
    found = first(observed, report={"gate": gate})
    is_open = state in (GateState.UP, GateState.DISABLED)
    assert bool(digests_to_rest_on(world.desired, found)) == is_open


def test_who_does_not_answer_is_asked(world, observed):
    amphora, *others = observed.amphorae
    silent = replace(amphora, report=None)
    found = replace(observed, amphorae=(silent, *others))
    assert digests_to_rest_on(world.desired, found) == {}


def test_what_fails_is_tried_again(world, observed):
    failure = ActionFailure(action=OBSERVE, reason="x", since=EPOCH)
    found = replace(observed, failures=(failure,))
    assert digests_to_rest_on(world.desired, found) == {}


def test_what_is_autoscaled_is_measured(world, observed):
    desired = replace(world.desired, autoscale=LOAD)
    assert digests_to_rest_on(desired, observed) == {}


@pytest.mark.parametrize(
    "status", ["PENDING_UPDATE", "PENDING_DELETE", "ERROR"]
)
def test_while_its_distributor_changes_it_does_not_rest(
    world, observed, status
):
    distributor = replace(
        world.desired.distributor, provisioning_status=status
    )
    desired = replace(world.desired, distributor=distributor)
    assert digests_to_rest_on(desired, observed) == {}


def test_without_amphorae_there_is_nothing_to_rest_on(world, observed):
    found = replace(observed, amphorae=())
    assert digests_to_rest_on(world.desired, found) == {}
