# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Connections go on when the fabric hashes them to another member."""

import socket
import time

import pytest

from octavia_anycast.model.wire import RescueState
from octavia_anycast.tests.contract.flow_rescue import packets
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    CLIENT,
    DEADLINE_SECONDS,
    PORT,
    VIPS,
    echoes,
    eventually,
    ip,
)

FAMILIES = pytest.mark.parametrize("version", [4, 6])
MEGABYTE = 1 << 20
VLAN_TAG = b"\x81\0\0\x64"
NO_ACKS = f"""
add table inet block
add chain inet block out {{ type filter hook output priority 0; }}
add rule inet block out tcp dport {PORT} tcp flags & (syn|ack) == ack drop
"""
NO_RESETS = """
add table inet block
add chain inet block out { type filter hook output priority 0; }
add rule inet block out tcp flags & rst == rst drop
"""


@FAMILIES
def test_without_it_a_connection_is_reset(bench, version):
    """The control: this is what it is for."""
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert not echoes(connection)


@FAMILIES
def test_a_connection_goes_on_at_another_member(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    assert echoes(connection)
    one, two, three = bench.members
    assert two.own().floods == 1
    assert two.of(one).probes == two.of(three).probes == 1
    assert two.of(one).learned == 1
    assert two.of(one).carried > 0
    assert one.of(two).delivered > 0
    bench.route(3)
    assert echoes(connection)
    bench.route(1)
    assert echoes(connection)


@FAMILIES
def test_a_segment_of_many_frames_is_asked_for(bench, version):
    """A flood carries none of it: the client sends it again."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection, b"y" * 100_000)
    one, two, _ = bench.members
    assert two.of(one).learned == 1
    assert two.own().given_up == 0


@FAMILIES
def test_many_connections_outlive_every_change_of_the_set(make_bench, version):
    bench = make_bench(4)
    bench.switch_on()
    bench.route(1, 2, 3)
    connections = [bench.connect(version) for _ in range(40)]
    assert all(map(echoes, connections))
    for numbers in ((1, 2), (2, 1), (4, 1, 2), (4, 3), (1, 2, 3, 4)):
        bench.route(*numbers)
        assert all(map(echoes, connections))
    assert sum(m.total("carried") for m in bench.members) > 0
    assert sum(m.own().given_up for m in bench.members) == 0


@pytest.mark.parametrize("underlay", [(4,), (6,)])
@FAMILIES
def test_full_frames_need_no_smaller_mtu(make_bench, version, underlay):
    bench = make_bench(underlay=underlay)
    if underlay == (6,):
        # IPv6 fragments at the source only (RFC 8200, section 4.5), and the
        # source of the outer packet does not.
        bench.announce_mss()
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    for _ in range(4):
        assert transfers(connection, MEGABYTE)
    one, two, _ = bench.members
    assert two.of(one).carried > 0


def transfers(connection, size):
    """Whether so many bytes come back, sent and received side by side."""
    connection.setblocking(False)
    data, sent, received = bytes(size), 0, 0
    deadline = time.monotonic() + 20
    while received < size:
        assert time.monotonic() < deadline, f"{received} of {size} bytes"
        try:
            if sent < size:
                sent += connection.send(data[sent : sent + 65_536])
        except BlockingIOError:
            pass
        try:
            received += len(connection.recv(MEGABYTE))
        except BlockingIOError:
            time.sleep(0.0005)
        except ConnectionResetError:
            return False
    connection.settimeout(10)
    return True


@FAMILIES
@pytest.mark.parametrize("cookies", ["1", "2"])
def test_the_handshake_ends_at_another_member(bench, version, cookies):
    """A request socket (1), or a cookie that only its sender knows (2)."""
    for member in bench.members:
        bench.within(
            f"m{member.number}",
            *("sysctl", "-qw", f"net.ipv4.tcp_syncookies={cookies}"),
        )
    bench.switch_on()
    bench.route(1)
    bench.within("client", "nft", "-f", "-", stdin=NO_ACKS)
    connection = bench.connect(version)
    bench.route(2)
    bench.within("client", "nft", "delete table inet block")
    assert echoes(connection)
    one, two, _ = bench.members
    assert two.of(one).learned == 1
    assert one.server.received == 100


@FAMILIES
def test_what_is_late_for_a_closed_connection_reaches_its_owner(
    bench, version
):
    """TIME_WAIT acknowledges the client's last FIN."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    one, two, _ = bench.members
    close_at_server(one, connection)
    assert connection.recv(10) == b""
    bench.route(2)
    connection.close()
    eventually(lambda: one.of(two).delivered > 0, "it is delivered")
    eventually(lambda: sockets(bench, "client") == "", "the client is done")
    assert two.own().given_up == 0


def close_at_server(member, connection, *, is_abrupt=False):
    """The server closes first, with a FIN or with a reset."""
    local = connection.getsockname()[:2]
    server = member.server
    accepted = server.connections[local]
    server.selector.unregister(accepted)
    if is_abrupt:
        abort(accepted)
    accepted.close()


def abort(connection):
    """Close with a reset."""
    option = (1).to_bytes(4, "little") + bytes(4)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    connection.close()


def sockets(bench, role):
    """All TCP sockets that are not listeners."""
    return bench.within(role, "ss", "-Htan", "exclude", "listening")


@FAMILIES
def test_an_old_time_wait_does_not_take_a_new_connection(bench, version):
    """The same addresses and ports again, at another member."""
    bench.switch_on()
    bench.route(1)
    first = bench.connect(version)
    assert echoes(first)
    port = first.getsockname()[1]
    close_at_server(bench.members[0], first)
    assert first.recv(10) == b""
    first.close()
    eventually(lambda: "TIME-WAIT" in sockets(bench, "m1"), "it waits")
    eventually(lambda: sockets(bench, "client") == "", "the client is done")
    bench.route(2)
    second = bench.connect(version, port)
    assert echoes(second)
    bench.route(1)
    assert echoes(second)
    assert echoes(second)
    one, two, _ = bench.members
    assert one.of(two).learned == 1


@FAMILIES
def test_a_member_that_left_is_no_owner_any_more(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    one, two, three = bench.members
    assert echoes(connection)
    floods = two.own().floods
    assert floods == 1
    assert two.of(one).carried > 0
    two.apply(bench.wanted(2, 3))
    assert not echoes(connection)  # at once a search, which finds nobody
    assert two.own().floods == floods + 2
    assert two.own().given_up > 0
    assert two.of(three).learned == 0
    assert one.server.received == 300


def test_the_slot_of_one_that_left_is_not_taken_for_it(bench):
    """Its successor says at once that it knows nothing of the connection."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(4)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    _, two, three = bench.members
    two.apply(bench.wanted(2))
    two.apply(bench.wanted(2, 3))
    before = two.of(three)
    assert not echoes(connection)
    assert two.of(three).carried == before.carried
    assert two.of(three).probes == before.probes + 2


@FAMILIES
def test_two_floods_at_most(bench, version):
    bench.switch_on()
    bench.route(1)
    one, two, three = bench.members
    nobody = packets.Segment(
        source=CLIENT[version],
        source_port=5555,
        destination=str(VIPS[version]),
        destination_port=PORT,
        sequence=1000,
        acknowledgement=2000,
    )

    def is_given_up():
        bench.inject("client", nobody.packet())
        return one.own().given_up >= 3

    eventually(is_given_up, "the stack gets it")
    own = one.own()
    assert own.floods == 2
    assert one.of(two).probes == one.of(three).probes == 2
    assert own.waiting > 0


def test_garbage_costs_no_more_than_the_budget(bench):
    bench.switch_on(probe_rate=1, probe_burst=64)
    bench.route(1)
    one = bench.members[0]
    started = time.monotonic()
    garbage = [
        packets.Segment(
            source=CLIENT[4],
            source_port=port,
            destination=str(VIPS[4]),
            destination_port=PORT,
            sequence=port,
            acknowledgement=port,
        ).packet()
        for port in range(10_000, 10_500)
    ]
    bench.inject("client", *garbage)
    eventually(
        lambda: one.own().floods + one.own().refused == 500, "all are seen"
    )
    seconds = time.monotonic() - started
    own = one.own()
    # Two copies each: 64 at once, and one a second.
    assert 32 <= own.floods <= 32 + seconds
    assert one.total("probes") == 2 * own.floods
    assert sum(m.total("probed") for m in bench.members) == 2 * own.floods
    # A connection at its owner needs no budget.
    assert echoes(bench.connect(4))


def test_connections_that_end_leave_half_of_the_budget_to_others(bench):
    bench.switch_on(probe_rate=1, probe_burst=64)
    bench.route(2)
    connection = bench.connect(4)
    assert echoes(connection)
    bench.route(1)
    one, two, _ = bench.members
    started = time.monotonic()
    ends = [
        packets.Segment(
            source=CLIENT[4],
            source_port=port,
            destination=str(VIPS[4]),
            destination_port=PORT,
            sequence=port,
            acknowledgement=port,
            flags=packets.FIN | packets.ACK,
        ).packet()
        for port in range(10_000, 10_200)
    ]
    bench.inject("client", *ends)
    eventually(
        lambda: one.own().floods + one.own().refused == 200, "all are seen"
    )
    seconds = time.monotonic() - started
    assert 16 <= one.own().floods <= 16 + seconds
    # The stack got the others, and answered.
    assert echoes(connection)
    assert one.of(two).learned == 1

    def is_given_up():
        bench.inject("client", ends[0])
        return one.own().given_up > 0

    eventually(is_given_up, "one flood is all that an end gets")
    assert one.of(two).probes == one.own().floods


def test_a_connection_waits_for_a_budget_and_goes_on(bench):
    """It is never reset for want of one."""
    bench.switch_on(probe_rate=64, probe_burst=64)
    bench.route(1)
    connections = [bench.connect(4) for _ in range(60)]
    assert all(map(echoes, connections))
    bench.route(2)
    for connection in connections:
        connection.sendall(b"x" * 100)
    for connection in connections:
        assert connection.recv(100) == b"x" * 100
    two = bench.members[1]
    assert two.own().refused > 0
    assert two.own().given_up == 0


@FAMILIES
def test_what_no_member_sent_is_dropped(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    one, two, _ = bench.members
    forged = packets.segment_of(
        connection, flags=packets.ACK | packets.PSH, payload=b"forged"
    ).packet()
    secret = bench.wanted().secrets[0]
    carry = packets.vxlan(1, secret, forged)
    bench.datagram("client", version, one, carry)
    eventually(lambda: one.own().foreign == 1, "from outside")
    wrong = packets.vxlan(1, "39383736353433323130", forged)
    bench.datagram("m2", version, one, wrong)
    eventually(lambda: one.of(two).forged == 1, "with a wrong secret")
    assert one.server.received == 100
    bench.datagram("m2", version, one, carry)
    eventually(lambda: one.server.received == 106, "the same, from a member")


def malformed(secret, version):
    """What a member never sends, by name."""
    values = {
        "source": CLIENT[version],
        "source_port": 5555,
        "destination": str(VIPS[version]),
        "destination_port": PORT,
    }
    good = packets.Segment(**values)
    body = good.packet()
    elsewhere = values | {"destination": CLIENT[version]}
    other_port = values | {"destination_port": 81}
    zero = packets.Segment(**values | {"destination_port": 0})
    answer = packets.Segment(
        source=str(VIPS[version]),
        source_port=PORT,
        destination=CLIENT[version],
        destination_port=5555,
    )
    yield "unknown kind", packets.vxlan(99, secret, body)
    yield "kind 0", packets.vxlan(0, secret, body)
    yield (
        "no VIP",
        packets.vxlan(1, secret, packets.Segment(**elsewhere).packet()),
    )
    yield (
        "no listener",
        packets.vxlan(3, secret, packets.Segment(**other_port).packet()),
    )
    error = packets.too_big(answer, CLIENT[version], 1300)
    large = packets.Segment(**values, payload=bytes(1461)).packet()
    yield "port 0", packets.vxlan(1, secret, zero.packet())
    yield "truncated header", packets.vxlan(1, secret, body[:-8])
    for kind in (1, 2, 3):
        yield "truncated", packets.vxlan(kind, secret, large[:-500])
        yield "oversize", packets.vxlan(kind, secret, large)
    yield "tag of a VLAN", packets.vxlan(1, secret, body, tag=VLAN_TAG)
    for kind in (0, 4, 6, 99):
        yield f"{kind} of an error", packets.vxlan(kind, secret, error)
    yield "no IP", packets.vxlan(1, secret, b"", ethertype=0x0806)
    yield (
        "SYN",
        packets.vxlan(
            1, secret, packets.Segment(**values, flags=packets.SYN).packet()
        ),
    )
    inside = packets.vxlan(1, secret, body)
    datagram = b"\x12\x34\x39\xc5" + len(inside).to_bytes(2, "big") + b"\0\0"
    yield (
        "VXLAN",
        packets.vxlan(
            1, secret, packets.ip_packet(good, packets.UDP, datagram + inside)
        ),
    )
    yield (
        "MINE of an error",
        packets.vxlan(5, secret, error),
    )


@FAMILIES
def test_what_no_program_sends_is_dropped(bench, version):
    bench.switch_on()
    one, two, _ = bench.members
    secret = bench.wanted().secrets[0]
    for count, (name, payload) in enumerate(malformed(secret, version), 1):
        bench.datagram("m2", version, one, payload)
        eventually(lambda c=count: one.of(two).malformed == c, name)
    assert one.total("delivered") == 0
    assert one.total("answered") == 0


@FAMILIES
def test_an_answer_that_nobody_asked_for_teaches_nothing(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    one, two, _ = bench.members
    secret = bench.wanted().secrets[0]
    body = packets.segment_of(connection).packet()
    bench.datagram("m2", version, one, packets.vxlan(5, secret, body))
    bench.datagram("m2", version, one, packets.vxlan(99, secret, body))
    eventually(lambda: one.of(two).malformed == 1, "both have arrived")
    assert one.rescuer.report().learned == 0


@FAMILIES
def test_fragments_reach_the_owner(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)  # it is learnt
    segment = packets.segment_of(
        connection, flags=packets.ACK | packets.PSH, payload=b"y" * 1000
    )
    fragments = segment.fragments(400)
    assert len(fragments) == 3
    bench.inject("client", *fragments)
    one, two, _ = bench.members
    eventually(lambda: one.server.received == 1200, "the owner has it all")
    assert one.of(two).delivered >= 3


@FAMILIES
def test_too_big_reaches_the_owner(bench, version):
    """RFC 7690; of a flow that is learnt, and of one that is not."""
    bench.switch_on()
    bench.route(1)
    known, unknown = bench.connect(version), bench.connect(version)
    assert echoes(known)
    assert echoes(unknown)
    bench.route(2)
    assert echoes(known)
    one = bench.members[0]
    for connection, mtu in ((known, 1400), (unknown, 1300)):
        sent = packets.answer_of(connection, payload=b"z" * 100)
        bench.inject("client", packets.too_big(sent, CLIENT[version], mtu))
        eventually(
            lambda mtu=mtu: f"mtu {mtu}" in routes_to_client(bench, version),
            f"the owner's path to the client has an MTU of {mtu}",
        )
    forged = packets.answer_of(known, sequence=1, payload=b"z" * 100)
    before = one.total("delivered")
    bench.inject("client", packets.too_big(forged, CLIENT[version], 1290))
    assert echoes(known)
    assert f"mtu {1290}" not in routes_to_client(bench, version)
    assert one.total("delivered") > before


def routes_to_client(bench, version):
    """What member 1 knows of its way to the client."""
    vip = str(VIPS[version])
    target = CLIENT[version]
    words = ("route", "get", target, "from", vip)
    return ip("-n", bench.name("m1"), f"-{version}", *words)


@FAMILIES
def test_answers_through_a_narrow_link_arrive(bench, version):
    """The fabric's own "too big" goes to the wrong member, too."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    ip("-n", bench.name("fabric"), "link", "set", "dev", "c0", "mtu", "1300")
    server = bench.members[0].server
    server.connections[connection.getsockname()[:2]].sendall(b"z" * 20_000)
    received = 0
    while received < 20_000:
        received += len(connection.recv(MEGABYTE))
    assert "mtu 1300" in routes_to_client(bench, version)


def test_a_cluster_of_one_does_nothing(make_bench):
    bench = make_bench(1)
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(4)
    assert echoes(connection)
    bench.inject("client", packets.segment_of(connection, sequence=1).packet())
    assert echoes(connection)
    assert bench.members[0].own().floods == 0


@FAMILIES
def test_a_member_that_cannot_is_left_out(bench, version):
    """An old image beside new ones: rescue among those that can."""
    one, two, three = bench.members
    for member in (one, two):
        member.apply(bench.wanted(1, 2))
    bench.route(1)
    connection = bench.connect(version)
    bench.route(2)
    assert echoes(connection)
    bench.route(3)
    assert not echoes(connection)
    assert two.of(one).learned == 1
    assert three.rescuer.report().state is RescueState.OFF


def test_a_reset_of_the_client_ends_the_connection_of_the_owner(bench):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(4)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    abort(connection)
    eventually(lambda: sockets(bench, "m1") == "", "the owner has none left")


def test_a_change_costs_what_is_published(make_bench):
    """The formula of ADR 0121: (members - 1) copies and an answer a flow."""
    count, flows = 8, 100
    bench = make_bench(count)
    bench.switch_on()
    bench.route(1)
    connections = [bench.connect(4) for _ in range(flows)]
    assert all(map(echoes, connections))
    bench.route(2)
    for _ in range(3):
        assert all(map(echoes, connections))
    one, two = bench.members[:2]
    own = two.own()
    # A second flood only where the first one's answer was late.
    assert flows <= own.floods <= 2 * flows
    assert two.total("probes") == own.floods * (count - 1)
    assert flows <= one.of(two).answered <= own.floods
    assert two.of(one).learned == flows
    assert two.rescuer.report().learned == flows
    others = [m for m in bench.members if m is not two]
    assert sum(m.own().floods for m in others) == 0
    received = [m.of(two).probed for m in others]
    assert received == [own.floods] * (count - 1)


@FAMILIES
def test_an_owner_that_closed_says_so(bench, version):
    """Its reset was lost; the next packet gets one from the stack here."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    assert echoes(connection)
    one, two, _ = bench.members
    bench.within("m1", "nft", "-f", "-", stdin=NO_RESETS)
    close_at_server(one, connection, is_abrupt=True)
    assert not echoes(connection)
    assert two.of(one).unlearned == 1
    assert two.own().floods == 3  # the first one, and two in vain
    assert two.own().given_up > 0


@FAMILIES
def test_an_owner_that_is_lost_in_silence_holds_nobody_long(bench, version):
    """Not for the 27 s that a learnt entry once took to be given up."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    assert echoes(connection)
    ip("-n", bench.name("m1"), "link", "set", "dev", "eth1", "down")
    started = time.monotonic()
    assert not echoes(connection)
    assert time.monotonic() - started < DEADLINE_SECONDS
    one, two, _ = bench.members
    assert two.of(one).unanswered == 1
    assert two.own().floods == 3


@FAMILIES
def test_a_lost_member_is_not_asked_but_heard(bench, version):
    """The controller thinks that it is dead; it has its connections yet."""
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    one, two, _ = bench.members
    two.apply(bench.wanted(lost=(1,)))
    bench.route(2)
    assert not echoes(connection)
    assert two.of(one).probes == 0
    other = bench.connect(version)
    assert echoes(other)
    bench.route(1)
    assert echoes(other)
    assert two.of(one).probed == 1
