# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The paths of a distributor: for others, none of them its own."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.frontend.frontend import vip_addresses
from octavia_anycast.agent.gate.gate import Gate
from octavia_anycast.agent.paths.wanted import (
    check_next_hops,
    path_counts,
    path_reports,
    wanted_paths,
    wish,
)
from octavia_anycast.agent.speakers.base import Path, SpeakerStatus
from octavia_anycast.model.bgp import SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import GateState, Intent
from octavia_anycast.tests.unit.agent.states import (
    PEER4,
    PEER6,
    speaker,
    state,
    vip,
)

UP = Gate(state=GateState.UP, since=datetime.now(UTC), reason="")
OTHER = replace(PEER4, id="other", peer_ip=ip_address("172.31.0.12"))
NOTHING_BOUND = frozenset()


def external(address, **attributes):
    return vip(address, load_balancer_id=None, **attributes)


def distributor(*vips):
    return state(
        is_distributor=True,
        frontend=None,
        listeners=(),
        load_balancer_id=None,
        vips=vips,
        speakers=(speaker(PEER4, OTHER), speaker(PEER6)),
    )


def test_nothing_need_be_on_the_loopback():
    desired = distributor(external("198.51.100.7"))
    paths = wanted_paths(desired, UP, NOTHING_BOUND)
    assert {p.peer_id for p in paths} == {PEER4.id, OTHER.id}
    assert vip_addresses(desired) == frozenset()


def test_a_vip_may_be_for_one_peer():
    desired = distributor(external("198.51.100.7", peer_ids=(OTHER.id,)))
    (path,) = wanted_paths(desired, UP, NOTHING_BOUND)
    assert path.peer_id == OTHER.id


def test_its_paths_are_counted_by_peer():
    desired = distributor(
        external("198.51.100.7"),
        external("198.51.100.8", peer_ids=(OTHER.id,)),
        external("198.51.100.9", intent=Intent.WITHDRAW),
        external("2001:db8:100::7"),
    )
    sent = Path(
        vip_ip=ip_address("198.51.100.7"),
        nexthop_ip=ip_address("10.1.0.5"),
        peer_id=OTHER.id,
    )
    counts = path_counts(desired, SpeakerStatus(paths=frozenset({sent})))
    assert {c.peer_id: (c.wanted, c.advertised) for c in counts} == {
        PEER4.id: (1, 0),
        OTHER.id: (2, 1),
        PEER6.id: (1, 0),
    }
    assert not path_reports(desired, UP, NOTHING_BOUND, SpeakerStatus())


def test_other_amphorae_count_nothing():
    assert path_counts(state(), SpeakerStatus()) == ()


def test_nothing_is_said_of_paths_before_the_first_verdict():
    desired = distributor(external("198.51.100.7"))
    assert wish(desired, UP, NOTHING_BOUND).paths is None
    decided = replace(UP, has_decided=True)
    paths = wanted_paths(desired, decided, NOTHING_BOUND)
    assert wish(desired, decided, NOTHING_BOUND).paths == paths != frozenset()
    down = replace(decided, state=GateState.DOWN)
    assert wish(desired, down, NOTHING_BOUND).paths == frozenset()


def test_a_distributor_has_no_front_end():
    with pytest.raises(InvalidRequest) as caught:
        state(is_distributor=True)
    assert caught.value.field == "is_distributor"


def several(*hops, **attributes):
    return tuple(
        external(
            "198.51.100.7", nexthop_ip=ip_address(f"10.1.0.{n}"), **attributes
        )
        for n in hops
    )


def test_each_next_hop_of_a_vip_is_a_path():
    desired = distributor(
        *several(5), *several(6, intent=Intent.DRAIN, amphora_id="a6")
    )
    paths = wanted_paths(desired, UP, NOTHING_BOUND)
    assert {(str(p.nexthop_ip), p.peer_id, p.is_draining) for p in paths} == {
        ("10.1.0.5", PEER4.id, False),
        ("10.1.0.5", OTHER.id, False),
        ("10.1.0.6", PEER4.id, True),
        ("10.1.0.6", OTHER.id, True),
    }
    counts = path_counts(desired, SpeakerStatus(paths=paths))
    assert {c.peer_id: (c.wanted, c.advertised) for c in counts} == {
        PEER4.id: (2, 2),
        OTHER.id: (2, 2),
        PEER6.id: (0, 0),
    }


def test_a_path_that_is_asked_for_twice_is_one():
    """Of all peers, and of one, which drains: it does not."""
    desired = distributor(
        *several(5), *several(5, peer_ids=(OTHER.id,), intent=Intent.DRAIN)
    )
    paths = wanted_paths(desired, UP, NOTHING_BOUND)
    assert {(p.peer_id, p.is_draining) for p in paths} == {
        (PEER4.id, False),
        (OTHER.id, False),
    }
    counts = path_counts(desired, SpeakerStatus(paths=paths))
    assert [c.wanted for c in counts] == [1, 1, 0]


def test_a_vip_has_a_bounded_number_of_next_hops():
    distributor(*several(*range(1, 65)))
    with pytest.raises(InvalidRequest) as caught:
        distributor(*several(*range(1, 66)))
    assert caught.value.field == "nexthop_ip"


def test_the_same_next_hop_twice_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        distributor(*several(5, 5))
    assert caught.value.field == "nexthop_ip"


def test_others_have_one_next_hop_of_a_vip():
    with pytest.raises(InvalidRequest) as caught:
        state(vips=several(5, 6))
    assert caught.value.field == "vip_ip"


def test_exabgp_announces_one_next_hop():
    desired = distributor(*several(5, 6))
    with pytest.raises(InvalidRequest) as caught:
        check_next_hops(desired)
    assert caught.value.field == "vips[1].nexthop_ip"
    # One for each peer is one; so is any number by BIRD.
    apart = (*several(5, peer_ids=(OTHER.id,)), *several(6, peer_ids=("p4",)))
    check_next_hops(distributor(*apart))
    bird = tuple(
        replace(s, driver=SpeakerDriver.BIRD) for s in desired.speakers
    )
    check_next_hops(replace(desired, speakers=bird))
