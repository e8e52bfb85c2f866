# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which paths of registered amphorae are announced; see its invariants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.bgp import SpeakerDriver
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterPolicy,
)
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    ServingAmphora,
)
from octavia_anycast.model.wire import DesiredState, GateState, Intent
from octavia_anycast.planning.dedicated import DesiredDistributor
from octavia_anycast.planning.registration import (
    SILENT,
    only_announcer_of,
    paths_of,
    peers_of,
    vip_states,
)
from octavia_anycast.tests.unit.planning.clusters import distributor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SILENT_AFTER = 25.0
VIP4, VIP6 = ip_address("198.51.100.1"), ip_address("2001:db8::1")
OPEN = {GateState.UP, GateState.FALLING, GateState.DISABLED}


def serving(number, *, gate=GateState.UP, silent=0.0, zone=None, **record):
    return ServingAmphora(
        record=AmphoraRecord(
            id=f"a{number}",
            load_balancer_id="lb",
            status=record.pop("status", AmphoraStatus.ALLOCATED),
            status_since=NOW,
            availability_zone=zone,
            **record,
        ),
        vips=(
            (VIP4, ip_address(f"10.1.0.{number}")),
            (VIP6, ip_address(f"fd00::{number}")),
        ),
        gate=gate,
        gate_reason="because",
        silent_seconds=silent,
    )


def registration(**attributes):
    return AmphoraRegistration(id="r", load_balancer_id="lb", **attributes)


def intents(amphorae, wanted=None, now=NOW):
    """amphora_id -> the intents of its paths."""
    found = {}
    for path in paths_of(
        wanted or registration(), amphorae, now, SILENT_AFTER
    ):
        found.setdefault(path.amphora_id, set()).add(path.intent)
    return found


@pytest.mark.parametrize(
    ("changes", "intent"),
    [
        ({}, Intent.ADVERTISE),
        ({"gate": GateState.FALLING}, Intent.ADVERTISE),
        ({"gate": GateState.DISABLED}, Intent.ADVERTISE),
        ({"gate": GateState.DOWN}, Intent.WITHDRAW),
        ({"gate": GateState.RISING}, Intent.WITHDRAW),
        ({"gate": None}, Intent.WITHDRAW),
        ({"status": AmphoraStatus.ERROR}, Intent.WITHDRAW),
        ({"status": AmphoraStatus.PENDING_DELETE}, Intent.WITHDRAW),
        ({"spare_since": NOW}, Intent.WITHDRAW),
        ({"leaving_since": NOW}, Intent.WITHDRAW),
        ({"leaving_since": NOW, "draining_since": NOW}, Intent.DRAIN),
        ({"draining_since": NOW}, Intent.DRAIN),
        ({"draining_since": NOW, "drained_at": NOW}, Intent.WITHDRAW),
        ({"drain_wanted_since": NOW}, Intent.ADVERTISE),
    ],
)
def test_what_is_known_of_an_amphora_decides(changes, intent):
    found = intents([serving(1, **changes), serving(2)])
    assert found == {"a1": {intent}, "a2": {Intent.ADVERTISE}}


def test_each_reason_is_said():
    amphora = serving(1, gate=GateState.DOWN)
    for path in paths_of(registration(), [amphora], NOW, SILENT_AFTER):
        assert path.reason == "its health gate is DOWN: because"


def test_a_silent_one_is_given_up_while_another_is_heard():
    found = intents([serving(1, silent=26), serving(2, silent=24)])
    assert found == {"a1": {Intent.WITHDRAW}, "a2": {Intent.ADVERTISE}}
    (first, *_) = paths_of(
        registration(),
        [serving(1, silent=None), serving(2)],
        NOW,
        SILENT_AFTER,
    )
    assert first.reason == SILENT


def test_nobody_is_silent_where_nobody_is_heard():
    found = intents([serving(1, silent=99), serving(2, silent=None)])
    assert found == {"a1": {Intent.ADVERTISE}, "a2": {Intent.ADVERTISE}}


def test_one_that_drains_is_no_reason_to_give_the_silent_one_up():
    found = intents([serving(1, silent=99), serving(2, draining_since=NOW)])
    assert found == {"a1": {Intent.ADVERTISE}, "a2": {Intent.DRAIN}}


def test_only_the_one_that_is_named():
    found = intents([serving(1), serving(2)], registration(amphora_id="a2"))
    assert found == {"a2": {Intent.ADVERTISE}}


def test_a_drain_ends_with_its_deadline():
    wanted = registration(
        drain_wanted_since=NOW, drain_deadline=NOW + timedelta(seconds=5)
    )
    assert intents([serving(1)], wanted) == {"a1": {Intent.DRAIN}}
    later = NOW + timedelta(seconds=5)
    assert intents([serving(1)], wanted, later) == {"a1": {Intent.WITHDRAW}}
    closed = serving(1, gate=GateState.DOWN)
    assert intents([closed], wanted) == {"a1": {Intent.WITHDRAW}}


def zoned():
    """A distributor of two racks, with a leaf each."""
    base = distributor()
    (speaker,) = base.speakers
    peers = tuple(
        replace(
            speaker.peers[0],
            id=f"leaf{n}",
            peer_ip=ip_address(f"172.31.0.1{n}"),
            availability_zone=f"rack{n}",
        )
        for n in (1, 2)
    )
    bird = replace(speaker, driver=SpeakerDriver.BIRD, peers=peers)
    return replace(base, speakers=(bird,), dedicated_count=1)


def test_a_path_goes_to_the_peers_of_its_amphora():
    """Others are not on its front-end network."""
    amphorae = [serving(1, zone="rack1"), serving(2, zone="rack2")]
    paths = paths_of(registration(), amphorae, NOW, SILENT_AFTER)
    told = {s.amphora_id: s.peer_ids for s in vip_states(paths, zoned())}
    assert told == {"a1": ("leaf1",), "a2": ("leaf2",)}


def test_a_path_without_a_peer_is_left_out():
    amphorae = [serving(1, zone="rack9")]
    paths = paths_of(registration(), amphorae, NOW, SILENT_AFTER)
    assert {peers_of(path, zoned()) for path in paths} == {()}
    assert vip_states(paths, zoned()) == ()


def test_a_peer_that_is_named_is_told():
    amphorae = [serving(1, zone="rack1")]
    named = registration(peer_id="leaf2")
    paths = paths_of(named, amphorae, NOW, SILENT_AFTER)
    assert {s.peer_ids for s in vip_states(paths, zoned())} == {("leaf2",)}
    gone = registration(peer_id="leaf3")
    paths = paths_of(gone, amphorae, NOW, SILENT_AFTER)
    assert vip_states(paths, zoned()) == ()


def test_exabgp_is_told_no_paths():
    paths = paths_of(registration(), [serving(1)], NOW, SILENT_AFTER)
    desired = DesiredDistributor(
        distributor=replace(distributor(), dedicated_count=1),
        revision="1",
        paths=paths,
        policy=ClusterPolicy(),
    )
    assert desired.distributor.driver is SpeakerDriver.EXABGP
    assert desired.vip_states() == ()
    (speaker,) = desired.distributor.speakers
    bird = replace(
        desired.distributor,
        speakers=(replace(speaker, driver=SpeakerDriver.BIRD),),
    )
    assert len(replace(desired, distributor=bird).vip_states()) == 2


@pytest.mark.parametrize(
    ("announced", "elsewhere", "alone"),
    [
        ([], [], ()),
        ([VIP4], [], (VIP4,)),
        ([VIP4, VIP6], [VIP4], (VIP6,)),
        ([VIP4], [VIP4, VIP6], ()),
    ],
)
def test_the_last_announcer(announced, elsewhere, alone):
    assert only_announcer_of(announced, elsewhere) == alone


NONE_OR_NOW = st.sampled_from([None, NOW])
AMPHORAE = st.lists(
    st.builds(
        serving,
        st.integers(1, 9),
        gate=st.sampled_from([None, *GateState]),
        silent=st.sampled_from([None, 0.0, 24.0, 26.0, 99.0]),
        zone=st.sampled_from([None, "rack1", "rack2", "rack9"]),
        status=st.sampled_from(list(AmphoraStatus)),
        leaving_since=NONE_OR_NOW,
        draining_since=NONE_OR_NOW,
        drained_at=NONE_OR_NOW,
        spare_since=NONE_OR_NOW,
    ),
    max_size=5,
    unique_by=lambda a: a.record.id,
)
# Registrations do not overlap (functional/test_amphora_registrations.py).
NAMED = st.lists(st.integers(1, 9), unique=True).map(
    lambda numbers: [registration(amphora_id=f"a{n}") for n in numbers]
)
WHOLE = st.builds(
    registration,
    peer_id=st.sampled_from([None, "leaf1", "leaf3"]),
    drain_wanted_since=NONE_OR_NOW,
    drain_deadline=st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
).map(lambda one: [one])


@given(amphorae=AMPHORAE, wanted=st.one_of(NAMED, WHOLE))
def test_invariants(amphorae, wanted):
    """1 and 3 of planning/registration.py."""
    by_id = {a.record.id: a for a in amphorae}
    paths = [
        path
        for one in wanted
        for path in paths_of(one, amphorae, NOW, SILENT_AFTER)
    ]
    for path in paths:
        served = by_id[path.amphora_id]
        assert (path.vip_ip, path.nexthop_ip) in served.vips
        assert any(one.covers(path.amphora_id) for one in wanted)
        if path.intent is Intent.ADVERTISE:
            assert served.gate in OPEN
            assert served.record.status is AmphoraStatus.ALLOCATED
            assert served.record.leaving_since is None
        else:
            assert path.reason
    told = vip_states(paths, zoned())
    # An agent takes them: nothing is named twice.
    DesiredState(
        amphora_id="d",
        revision="1",
        router_id="10.0.0.1",
        driver=SpeakerDriver.BIRD,
        vips=told,
        is_distributor=True,
    )
    wanted_paths = {
        (path.vip_ip, path.nexthop_ip)
        for path in paths
        if path.intent is not Intent.WITHDRAW
    }
    assert {(s.vip_ip, s.nexthop_ip) for s in told} <= wanted_paths


@given(amphorae=AMPHORAE)
def test_silence_takes_no_last_path(amphorae):
    """2: with all heard there would be a path; then there is one anyway."""
    heard = [replace(a, silent_seconds=0.0) for a in amphorae]

    def advertised(some):
        return {
            i for i, what in intents(some).items() if Intent.ADVERTISE in what
        }

    assert bool(advertised(amphorae)) == bool(advertised(heard))
