# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What outsiders, wrong states and full maps must not be able to do."""

import re
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import pytest

from octavia_anycast.agent.flow_rescue import layout
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.agent.flow_rescue.libbpf import PinnedMap
from octavia_anycast.model.wire import Member
from octavia_anycast.tests.contract.flow_rescue import packets
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    CLIENT,
    PORT,
    SECRETS,
    VIPS,
    echoes,
    ethernet,
    eventually,
)
from octavia_anycast.tests.contract.flow_rescue.test_flow_rescue import (
    NO_ACKS,
)

FAMILIES = pytest.mark.parametrize("version", [4, 6])
VLAN_TAG = b"\x81\0\0\x64"
FAR = 1 << 28
# struct budget: lock, tokens, filled.
BUDGET_SIZE = 16


def garbage(version, ports, **changes):
    """Segments of connections that nobody has, one of each port."""
    values = {
        "source": CLIENT[version],
        "destination": str(VIPS[version]),
        "destination_port": PORT,
        "sequence": 1000,
        "acknowledgement": 2000,
    }
    return [
        packets.Segment(**values | {"source_port": port} | changes).packet()
        for port in ports
    ]


@FAMILIES
@pytest.mark.parametrize(
    ("is_learned", "far"), [(True, (FAR, 1)), (False, (0, FAR))]
)
def test_ports_alone_do_not_end_a_connection(bench, version, is_learned, far):
    """Nor one of its two numbers: who has not both, fails."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert not is_learned or echoes(connection)
    two = bench.members[1]
    sequence, acknowledgement = packets.numbers(connection)
    forged = [
        packets.segment_of(
            connection,
            sequence=sequence - far[0],
            acknowledgement=acknowledgement - far[1],
            flags=flags,
            payload=payload,
        ).packet()
        for flags, payload in ((packets.SYN, b""), (packets.ACK, b"forged"))
    ]

    def is_given_up():
        bench.inject("client", *forged)
        return two.own().given_up > 2

    eventually(is_given_up, "nobody owns what is forged")
    assert echoes(connection)
    assert two.of(bench.members[0]).learned > 0


@FAMILIES
def test_a_forged_syn_lets_no_owner_be_forgotten(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    two = bench.members[1]
    forged = packets.segment_of(connection, flags=packets.SYN, sequence=1)
    # The client would answer, and the owner would be learnt anew.
    bench.within("client", "nft", "-f", "-", stdin=NO_ACKS)
    bench.inject("client", forged.packet())
    eventually(
        lambda: "SYN-RECV" in bench.within("m2", "ss", "-Htan"),
        "the stack takes it for a new connection",
    )
    assert two.rescuer.report().learned == 1
    bench.within("client", "nft", "delete table inet block")
    assert echoes(connection)


@FAMILIES
def test_a_frame_of_a_vlan_is_not_the_front_ends(bench, version):
    """The kernel drops it where no interface is of this VLAN."""
    bench.switch_on()
    one = bench.members[0]
    macs = bench.mac("m1", "eth1") + bench.mac("fabric", "m1")
    tagged, plain = (
        [ethernet(macs, each, tag) for each in garbage(version, ports)]
        for ports, tag in ((range(2000, 2010), VLAN_TAG), (range(9, 10), b""))
    )
    bench.send_frames("fabric", "m1", *tagged, *plain)
    eventually(lambda: one.own().floods > 0, "the last one is searched for")
    assert one.own().floods == 1


def test_a_clock_that_another_processor_read_later_fills_no_budget(bench):
    """The time since the last packet is below 0 then: not 600 years."""
    bench.switch_on(probe_rate=1, probe_burst=64)
    bench.route(1)
    one = bench.members[0]
    bench.inject("client", *garbage(4, range(2000, 2200)))
    eventually(lambda: one.own().refused > 0, "the budget is used up")
    floods = one.own().floods
    later = time.monotonic_ns() + 3600 * 10**9
    loader = one.rescuer.loader
    with PinnedMap(
        loader.libbpf,
        f"{loader.paths.pins}/budgets",
        *(layout.KEY.size, BUDGET_SIZE, 1),
    ) as budgets:
        budgets.put(
            layout.KEY.pack(0),
            bytes(8) + later.to_bytes(8, "little"),
        )
    seen = one.own().refused
    bench.inject("client", *garbage(4, range(3000, 3200)))
    eventually(lambda: one.own().refused >= seen + 200, "all are refused")
    assert one.own().floods == floods


def test_only_the_monotonic_clock_is_read():
    """A step of the wall clock changes nothing that the program decides."""
    source = Path(layout.__file__).with_name("flow_rescue.bpf.c").read_text()
    clocks = re.findall(r"bpf_ktime_get\w+|bpf_jiffies64", source)
    assert set(clocks) == {"bpf_ktime_get_ns"}
    for path in Path(layout.__file__).parent.glob("*.py"):
        assert not re.search(r"\b(datetime|time\.time)\b", path.read_text())


def test_a_full_map_of_owners_forgets_the_oldest(bench):
    """Connections that it forgot are searched for anew, and go on."""
    bench.switch_on()
    bench.route(1)
    connections = [bench.connect(version) for version in (4, 6) * 4]
    assert all(map(echoes, connections))
    bench.route(2)
    assert all(map(echoes, connections))
    two = bench.members[1]
    with two.rescuer.loader.map(Map.OWNERS) as owners:
        value = next(iter(owners.entries().values()))
        for number in range(layout.LEARNED_MAX + 1000):
            client = layout.packed_address(ip_address(number + (10 << 24)))
            vip = layout.packed_address(VIPS[4])
            owners.put(layout.FLOW.pack(client, vip, b"11", b"22"), value)
    assert two.rescuer.report().learned <= layout.LEARNED_MAX
    for _ in range(3):
        assert all(map(echoes, connections))
    assert two.own().given_up == 0


def test_a_full_map_of_searches_stops_no_other(bench):
    """16,384 flows of nobody, and more; the budget allows each a flood."""
    bench.switch_on(probe_rate=10_000_000, probe_burst=1_000_000)
    bench.route(1)
    connections = [bench.connect(version) for version in (4, 6) * 4]
    assert all(map(echoes, connections))
    bench.route(2)
    two = bench.members[1]
    for start in range(10_000, 30_000, 1000):
        bench.inject("client", *garbage(4, range(start, start + 1000)))
        assert all(map(echoes, connections))
    eventually(lambda: two.own().floods >= 20_000, "all are searched for")
    assert all(map(echoes, connections))


def ghosts(bench, number):
    """Members that do not exist beside those that do."""
    wanted = bench.wanted()
    made = [
        Member(
            id=str(UUID(int=1000 + ghost)),
            addresses=(ip_address(f"10.9.{1 + ghost % 3}.{100 + ghost}"),),
        )
        for ghost in range(60)
    ]
    return replace(wanted, members=(*wanted.members, *made))


def one_is_missing(bench, number):
    """The owner does not know the one that gets its packets."""
    return bench.wanted(1, 3) if number == 1 else bench.wanted()


def all_are_missing(bench, number):
    """Each knows itself alone."""
    return bench.wanted(number)


def swapped(bench, number):
    """Members have each other's addresses, in the view of one."""
    wanted = bench.wanted()
    one, two, three = wanted.members
    if number != 2:
        return wanted
    return replace(
        wanted,
        members=(
            replace(one, addresses=three.addresses),
            two,
            replace(three, addresses=one.addresses),
        ),
    )


def itself(bench, number):
    """The amphora's own address has another one's id: it asks itself."""
    wanted = bench.wanted()
    own = wanted.members[number - 1]
    others = [member for member in wanted.members if member is not own]
    return replace(
        wanted,
        members=(
            replace(others[0], addresses=own.addresses),
            replace(own, addresses=others[0].addresses),
            others[1],
        ),
    )


def without_a_secret_in_common(bench, number):
    """The clock of a controller that made a step of days tells one first."""
    return bench.wanted(secrets=SECRETS[number == 2 :][:1])


WRONG = pytest.mark.parametrize(
    "wrong",
    [
        ghosts,
        one_is_missing,
        all_are_missing,
        swapped,
        itself,
        without_a_secret_in_common,
    ],
)


def sent(bench):
    """How many packets members have sent to each other."""
    return sum(
        member.total(field)
        for member in bench.members
        for field in ("carried", "probes", "answered")
    )


def is_at_rest(bench):
    """Whether no packet is on the way any more."""
    before = sent(bench)
    time.sleep(0.05)
    return sent(bench) == before


@WRONG
@FAMILIES
def test_a_wrong_list_makes_no_storm_and_heals(bench, version, wrong):
    """Packets of living connections and of none, while the list is wrong."""
    bench.switch_on()
    bench.route(1)
    quiet = [bench.connect(version) for _ in range(4)]
    assert all(map(echoes, quiet))
    for member in bench.members:
        member.apply(wrong(bench, member.number))
    loud = bench.connect(version)
    assert echoes(loud)
    bench.route(2)
    before, count, rounds = sent(bench), 10, 6
    late = packets.segment_of(loud).packet()
    nobody = garbage(version, range(2000, 2000 + count - 1))
    for _ in range(rounds):
        bench.inject("client", *nobody, late)
        time.sleep(0.06)  # more than one of them meets the second flood
    eventually(lambda: is_at_rest(bench), "no packet goes round")
    present = len(wrong(bench, 2).members)
    # Two floods of each flow, and what each packet costs of a known owner.
    limit = 2 * count * present + 2 * rounds
    assert sent(bench) - before <= limit
    for member in bench.members:
        member.apply(bench.wanted())
    for number in (2, 3, 1, 2):
        bench.route(number)
        assert all(map(echoes, quiet)), number
