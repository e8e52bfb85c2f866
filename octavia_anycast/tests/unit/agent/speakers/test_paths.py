# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which paths are wanted, and what is told of them."""

from datetime import UTC, datetime

import pytest

from octavia_anycast.agent.frontend.frontend import vip_addresses
from octavia_anycast.agent.gate.gate import Gate
from octavia_anycast.agent.paths.wanted import (
    path_reports,
    wanted_paths,
)
from octavia_anycast.agent.speakers.base import SpeakerStatus
from octavia_anycast.model.wire import GateState, Intent, PathState
from octavia_anycast.tests.unit.agent.states import (
    PEER4,
    PEER6,
    VIP4,
    VIP6,
    speaker,
    state,
    vip,
)


def gate(kind=GateState.UP):
    return Gate(state=kind, since=datetime.now(UTC), reason=f"it is {kind}")


def wanted(desired, kind=GateState.UP, bound=None):
    bound = vip_addresses(desired) if bound is None else bound
    paths = wanted_paths(desired, gate(kind), bound)
    return {(str(p.vip_ip), p.peer_id) for p in paths}


@pytest.mark.parametrize("kind", GateState)
def test_only_a_passing_gate_lets_paths_out(kind):
    is_passing = kind in (GateState.UP, GateState.FALLING)
    assert bool(wanted(state(), kind)) is is_passing


def test_both_families_over_the_only_session():
    assert wanted(state()) == {
        ("198.51.100.1", "p4"),
        ("2001:db8:100::1", "p4"),
    }


def test_each_family_over_its_own_session():
    desired = state(speakers=(speaker(PEER4), speaker(PEER6)))
    assert wanted(desired) == {
        ("198.51.100.1", "p4"),
        ("2001:db8:100::1", "p6"),
    }


def test_named_peers_only():
    desired = state(
        speakers=(speaker(PEER4), speaker(PEER6)),
        vips=(vip("198.51.100.1", peer_ids=("p6", "other")),),
    )
    assert wanted(desired) == {("198.51.100.1", "p6")}


def test_a_vip_that_is_not_on_the_loopback_stays_in():
    bound = frozenset({VIP6.vip_ip})
    assert wanted(state(), bound=bound) == {("2001:db8:100::1", "p4")}


def test_withdraw_and_drain():
    desired = state(
        vips=(
            vip("198.51.100.1", intent=Intent.WITHDRAW),
            vip("198.51.100.2", intent=Intent.DRAIN),
        )
    )
    (path,) = wanted_paths(desired, gate(), vip_addresses(desired))
    assert str(path.vip_ip) == "198.51.100.2"
    assert path.is_draining


def reports(desired, kind=GateState.UP, bound=None, out=frozenset()):
    bound = vip_addresses(desired) if bound is None else bound
    status = SpeakerStatus(is_running=True, paths=out)
    return {
        str(report.vip_ip): (report.state, report.reason)
        for report in path_reports(desired, gate(kind), bound, status)
    }


def test_reports_say_why():
    desired = state(vips=(VIP4,))
    everything = vip_addresses(desired)
    out = wanted_paths(desired, gate(), everything)
    assert reports(desired, out=out)["198.51.100.1"] == (
        PathState.ADVERTISED,
        "",
    )
    assert reports(desired)["198.51.100.1"][0] is PathState.PENDING
    assert reports(desired, GateState.DOWN)["198.51.100.1"] == (
        PathState.WITHDRAWN,
        "it is DOWN",
    )
    kind, reason = reports(desired, bound=frozenset())["198.51.100.1"]
    assert kind is PathState.WITHDRAWN
    assert "loopback" in reason


def test_report_of_a_draining_path():
    desired = state(vips=(vip("198.51.100.1", intent=Intent.DRAIN),))
    out = wanted_paths(desired, gate(), vip_addresses(desired))
    assert reports(desired, out=out)["198.51.100.1"][0] is PathState.DRAINING
