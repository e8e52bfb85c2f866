# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The C source and its mirror in Python say the same.

The sizes of structs are checked by the kernel: a map with another size cannot
be written (the contract suite does).
"""

import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from octavia_anycast.agent.flow_rescue import layout
from octavia_anycast.agent.flow_rescue.layout import Map, Message, Program
from octavia_anycast.model import wire
from octavia_anycast.model.wire import MemberState

SOURCE = Path(layout.__file__).with_name("flow_rescue.bpf.c").read_text()


def enum(name):
    """The names of a C enum, in order, and the number of the first."""
    body = re.search(rf"^enum {name} {{\n(.*?)^}};", SOURCE, re.M | re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    words = [word.strip() for word in body.split(",") if word.strip()]
    first = re.fullmatch(r"\w+ = (\d+)", words[0])
    names = [word.partition(" ")[0] for word in words]
    return names, int(first[1]) if first else 0


def defined(name):
    """The number of a macro."""
    return int(re.search(rf"^#define {name} (\d+)$", SOURCE, re.M)[1])


def test_messages():
    names, first = enum("message")
    assert [(m.name, m.value) for m in Message] == [
        (name, number) for number, name in enumerate(names, first)
    ]


def test_counters():
    names, first = enum("counter")
    assert first == 0
    expected = [*layout.COUNTER_NAMES, "counters"]
    assert [name.lower() for name in names] == expected


def test_states():
    names, first = enum("member_state")
    assert {
        MemberState[name]: number for number, name in enumerate(names, first)
    } == layout.STATES


def test_limits():
    assert defined("MEMBERS_MAX") == wire.MEMBERS_MAX
    assert defined("ADDRESSES_MAX") == wire.ADDRESSES_MAX
    assert defined("SERVICES_MAX") == layout.SERVICES_MAX
    assert defined("LEARNED_MAX") == layout.LEARNED_MAX


def test_names_of_maps_and_programs():
    maps = re.findall(r"^} (\w+) SEC\(\"\.maps\"\);$", SOURCE, re.M)
    assert set(Map) <= set(maps)
    programs = re.findall(r"^SEC\(\"tc\"\)\nint (\w+)\(", SOURCE, re.M)
    assert set(Program) == set(programs)


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1"])
def test_addresses(text):
    address = ip_address(text)
    packed = layout.packed_address(address)
    assert len(packed) == 16
    assert layout.unpacked_address(packed) == address


def test_a_secret_is_two_unicast_addresses():
    packed = layout.packed_secret("f0f1f2f3f4f5f6f7f8f9")
    assert packed.hex(":") == "02:f0:f1:f2:f3:f4:02:f5:f6:f7:f8:f9"


def test_counts_of_all_processors_are_summed():
    size = len(layout.COUNTER_NAMES)
    values = [
        layout.COUNTERS.pack(*range(size)),
        layout.COUNTERS.pack(*[1] * size),
    ]
    counts = layout.summed_counts(values)
    assert counts.carried == 1
    assert counts.malformed == size
