# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the maps hold, from one state to the next."""

from ipaddress import ip_address
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.agent.flow_rescue import contents, layout
from octavia_anycast.agent.flow_rescue.contents import Devices
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import (
    FlowRescue,
    Member,
    MemberState,
)

OWN = str(UUID(int=1000))
SERVICES = frozenset(
    (ip_address(vip), port)
    for vip in ("192.0.2.1", "2001:db8::1")
    for port in (80, 443)
)


def devices(*versions):
    """The amphora's devices."""
    return Devices(
        amphora_id=OWN,
        frontend_index=7,
        frontend_mac="fa:16:3e:00:00:01",
        tunnel_index=9,
        ip_versions=frozenset(versions or (4, 6)),
    )


def state(*numbers, lost=()):
    """A cluster of members with these numbers."""
    return FlowRescue(
        members=tuple(
            Member(
                id=str(UUID(int=number)),
                addresses=(
                    ip_address(f"10.0.0.{number}"),
                    ip_address(f"fd00::{number}"),
                ),
                state=MemberState.LOST
                if number in lost
                else MemberState.PRESENT,
            )
            for number in numbers
        ),
        secrets=("30" * 10,),
    )


EMPTY = {
    name: {} for name in (Map.MEMBERS, Map.SLOTS, Map.SERVICES, Map.CONFIGS)
}


def applied(held, wanted, where=None):
    """What the maps hold after the changes; and the changes."""
    entries = contents.wanted_entries(
        wanted, SERVICES, where or devices(), held[Map.MEMBERS]
    )
    made = tuple(contents.changes(held, entries))
    after = {name: dict(values) for name, values in held.items()}
    for change in made:
        if change.value is None:
            del after[change.map][change.key]
        else:
            after[change.map][change.key] = change.value
    return after, made


def slots(held):
    """Number of the member -> slot."""
    return {
        UUID(layout.member_id(value)).int: layout.KEY.unpack(key)[0]
        for key, value in held[Map.MEMBERS].items()
    }


def config(held):
    """(slots, present) of the configuration."""
    (value,) = held[Map.CONFIGS].values()
    return layout.CONFIG.unpack(value)[5:7]


def test_a_first_state():
    held, _ = applied(EMPTY, state(1, 2))
    assert slots(held) == {1: 1, 2: 2}
    assert config(held) == (2, 2)
    assert len(held[Map.SLOTS]) == 4
    vip = layout.packed_address(ip_address("192.0.2.1"))
    ports = {key[16:18] for key in held[Map.SERVICES] if key[:16] == vip}
    assert ports == {b"\0\0", b"\0\x50", b"\x01\xbb"}


def test_the_amphora_itself_is_no_member():
    own = Member(id=OWN, addresses=(ip_address("10.0.0.99"),))
    wanted = state(1, 2)
    both = FlowRescue(
        members=(own, *wanted.members),
        secrets=wanted.secrets,
    )
    assert applied(EMPTY, both) == applied(EMPTY, wanted)


def test_one_that_left_goes_before_anything_else():
    held, _ = applied(EMPTY, state(1, 2, 3))
    held, made = applied(held, state(1, 3, 4))
    assert slots(held) == {1: 1, 3: 3, 4: 2}
    assert made[0].map is Map.MEMBERS
    held, made = applied(held, state(1, 4))
    assert (made[0].map, made[0].value) == (Map.MEMBERS, None)
    assert slots(held) == {1: 1, 4: 2}


def test_the_successor_in_a_slot_has_another_tag():
    held, _ = applied(EMPTY, state(1))
    before = next(iter(held[Map.MEMBERS].values()))
    held, _ = applied(held, state(2))
    after = next(iter(held[Map.MEMBERS].values()))
    tags = {layout.MEMBER.unpack(value)[2] for value in (before, after)}
    assert len(tags) == 2


def test_a_lost_member_is_not_counted_but_accepted():
    held, _ = applied(EMPTY, state(1, 2, lost=(2,)))
    assert config(held) == (2, 1)
    assert len(held[Map.SLOTS]) == 4


def test_a_member_is_reached_in_a_family_that_both_have():
    held, _ = applied(EMPTY, state(1), devices(6))
    (value,) = held[Map.MEMBERS].values()
    packed = layout.MEMBER.unpack(value)[0]
    assert layout.unpacked_address(packed) == ip_address("fd00::1")
    held, _ = applied(EMPTY, state(1), devices(4))
    (value,) = held[Map.MEMBERS].values()
    packed = layout.MEMBER.unpack(value)[0]
    assert layout.unpacked_address(packed) == ip_address("10.0.0.1")


def test_the_first_secret_is_sent_and_both_are_accepted():
    wanted = FlowRescue(members=(), secrets=("61" * 10, "62" * 10))
    held, _ = applied(EMPTY, wanted)
    (value,) = held[Map.CONFIGS].values()
    first, second = layout.CONFIG.unpack(value)[:2]
    assert first == layout.packed_secret("61" * 10)
    assert second == layout.packed_secret("62" * 10)


def test_too_many_listeners_are_told():
    vip_ip = ip_address("192.0.2.1")
    services = frozenset((vip_ip, port) for port in range(1, 16_385))
    with pytest.raises(Retryable, match="16385 listeners and VIPs"):
        contents.wanted_entries(state(1), services, devices(), {})


@given(
    st.lists(st.sets(st.integers(1, 70), max_size=64), min_size=1, max_size=8)
)
def test_any_history_ends_as_its_last_state(history):
    held, previous = EMPTY, {}
    for numbers in history:
        wanted = state(*sorted(numbers))
        held, _ = applied(held, wanted)
        again, made = applied(held, wanted)
        assert made == ()
        assert again == held
        now = slots(held)
        assert set(now) == numbers
        assert len(set(now.values())) == len(now)
        assert all(1 <= slot <= 64 for slot in now.values())
        # Who stays keeps the slot: what was learnt of it holds.
        assert all(
            now[number] == slot
            for number, slot in previous.items()
            if number in now
        )
        assert config(held) == (max(now.values(), default=0), len(now))
        previous = now
