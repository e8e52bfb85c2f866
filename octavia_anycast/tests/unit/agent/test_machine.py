# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an agent tells of its machine, and how it asks gateways."""

import os
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.frontend import machine, ping
from octavia_anycast.agent.frontend.machine import (
    MachinePaths,
    MachineWatch,
    Periods,
    counter_of,
)
from octavia_anycast.model import codec
from octavia_anycast.model.wire import (
    ACCEPTED_PERIODS,
    Frontend,
    FrontendAddress,
    GatewayReport,
    MachineReport,
)

SNMP = """\
Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 1000
Tcp: RtoAlgorithm ActiveOpens PassiveOpens
Tcp: 1 17 42
"""
NETSTAT = """\
TcpExt: SyncookiesSent TCPMinTTLDrop
TcpExt: 0 5
"""
OWN_NAMESPACE = "/proc/self/ns/net"


# -- counters ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("Tcp:", "PassiveOpens", 42),
        ("TcpExt:", "TCPMinTTLDrop", 5),
        ("Tcp:", "Unheard", None),
        ("Udp:", "InDatagrams", None),
    ],
)
def test_counters_of_the_kernel(part, name, value):
    assert counter_of(f"{SNMP}\n{NETSTAT}", part, name) == value


def test_this_kernel_has_both_counters():
    text = machine._text_of(MachinePaths(namespace_path="").counters)
    assert counter_of(text, "Tcp:", "PassiveOpens") is not None
    assert counter_of(text, "TcpExt:", "TCPMinTTLDrop") is not None


def test_a_period_counts_from_its_beginning_to_its_end():
    periods = Periods()
    periods.note(103, 7)  # in the middle of one, which does not count
    periods.note(110.01, 10)
    assert periods.counts() == {"100": 3}
    periods.note(120.01, 25)
    assert periods.counts() == {"100": 3, "110": 15}


def test_a_missed_beginning_makes_no_count():
    periods = Periods()
    for now, counter in ((100, 0), (110, 5), (130, 90), (140, 91)):
        periods.note(now, counter)
    assert periods.counts() == {"100": 5, "130": 1}


@pytest.mark.parametrize("counter", [None, 1], ids=["unknown", "anew"])
def test_a_counter_that_is_gone_or_begins_anew(counter):
    periods = Periods()
    for now, value in ((100, 50), (110, counter), (120, 4), (130, 6)):
        periods.note(now, value)
    assert periods.counts()["120"] == 2
    assert "100" not in periods.counts()


def test_the_middle_of_a_period_is_not_its_beginning():
    periods = Periods()
    for now, counter in ((100, 0), (105, 3), (110, 8)):
        periods.note(now, counter)
    assert periods.counts() == {"100": 8}


def test_old_periods_are_forgotten():
    periods = Periods()
    for number in range(ACCEPTED_PERIODS + 4):
        periods.note(100 + 10 * number, number)
    assert len(periods.counts()) == ACCEPTED_PERIODS


# -- echo requests -----------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "length", "octets"),
    [(4, 64, 44), (4, 1500, 1480), (6, 1500, 1460), (4, 10, 8)],
)
def test_a_request_makes_a_packet_of_its_length(version, length, octets):
    assert len(ping.echo_request(version, (1, 2), length)) == octets


def test_the_checksum_of_a_request_is_right():
    request = ping.echo_request(4, (0x1234, 7), 65)
    assert ping.checksum(request) == 0


def test_replies_are_told_from_others():
    header = bytes((0x45, *range(19)))
    reply = header + bytes((0, 0, 0, 0, 0, 1, 0, 2))
    assert ping.is_reply(4, reply, (1, 2))
    assert not ping.is_reply(4, reply, (1, 3))
    assert not ping.is_reply(4, header + bytes(4), (1, 2))
    assert not ping.is_reply(4, b"", (1, 2))
    request = header + bytes((8, 0, 0, 0, 0, 1, 0, 2))
    assert not ping.is_reply(4, request, (1, 2))
    assert ping.is_reply(6, bytes((129, 0, 0, 0, 0, 1, 0, 2)), (1, 2))


# -- what is reported --------------------------------------------------------


class Gateway:
    """Answers packets up to a length."""

    def __init__(self, length):
        self.length, self.asked = length, []

    def __call__(self, address, interface, length):
        self.asked.append((str(address), interface, length))
        return length <= self.length


def front(*gateways):
    return Frontend(
        mac_address="fa:16:3e:00:00:01",
        mtu=1500,
        addresses=tuple(
            FrontendAddress(
                ip_address=ip_address(gateway) + 100,
                prefix_length=24 if "." in gateway else 64,
                gateway=ip_address(gateway),
            )
            for gateway in gateways
        ),
    )


def watch(tmp_path, gateway, mtu=1500, image="2026-11-20T08:00:00Z"):
    (tmp_path / "image").write_text(f"{image}\n")
    made = MachineWatch(
        MachinePaths(
            namespace_path=OWN_NAMESPACE, image=str(tmp_path / "image")
        ),
        gateway,
    )
    made._read_mtu = lambda frontend: mtu if frontend else None
    made._read_inside = lambda: f"{SNMP}\n{NETSTAT}"
    made._read_outside = lambda: NETSTAT
    made._ask_gateways = lambda frontend, size: tuple(
        made._ask_gateway(address.gateway, size)
        for address in frontend.addresses
    )
    return made


def test_before_the_first_look(tmp_path):
    said = watch(tmp_path, Gateway(1500)).report()
    assert said.image == "2026-11-20T08:00:00Z"
    assert abs((said.clock - datetime.now(UTC)).total_seconds()) < 60
    assert said.frontend_mtu is None
    assert said.gateways == ()
    assert said.ttl_drops is None


@pytest.mark.parametrize(
    ("length", "answers", "answers_full"),
    [(1500, True, True), (1400, True, False), (0, False, False)],
)
def test_gateways_are_asked_with_small_and_large_packets(
    tmp_path, length, answers, answers_full
):
    gateway = Gateway(length)
    made = watch(tmp_path, gateway)
    made.want(front("10.1.0.1"))
    made._ask_at = 0.0  # it has settled
    assert 0 < made.turn() <= 10
    assert made.report().gateways == (
        GatewayReport(
            gateway=ip_address("10.1.0.1"),
            answers=answers,
            answers_full=answers_full,
        ),
    )
    assert gateway.asked[0] == ("10.1.0.1", "eth1", 64)
    made.turn()  # it is too early to ask again
    assert len(gateway.asked) == 1 + answers


def test_a_front_end_is_given_time_to_come_up(tmp_path):
    gateway = Gateway(1500)
    made = watch(tmp_path, gateway)
    made.want(front("10.1.0.1", "fd00:10:1::1"))
    made.turn()
    assert gateway.asked == []


def test_without_a_front_end_nothing_is_asked(tmp_path):
    gateway = Gateway(1500)
    made = watch(tmp_path, gateway)
    made._ask_at = 0.0
    made.turn()
    assert gateway.asked == []
    assert made.report().frontend_mtu is None


def test_no_image_and_no_namespace(tmp_path):
    made = MachineWatch(
        MachinePaths(
            namespace_path=str(tmp_path / "nowhere"),
            image=str(tmp_path / "nowhere"),
        )
    )
    made.want(front("10.1.0.1"))
    made._ask_at = 0.0
    made.turn()
    said = made.report()
    assert (said.image, said.frontend_mtu, said.accepted) == ("", None, {})


def test_it_goes_over_the_wire():
    said = MachineReport(
        clock=datetime(2026, 11, 30, tzinfo=UTC),
        image="i",
        frontend_mtu=1500,
        gateways=(
            GatewayReport(
                gateway=ip_address("fd00::1"),
                answers=True,
                answers_full=False,
            ),
        ),
        accepted={"100": 7},
        ttl_drops=0,
    )
    assert codec.read(MachineReport, codec.to_document(said)) == said


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_loopback_answers(address):
    assert ping.ping(ip_address(address), "lo", 1500, tries=2)
    assert not ping.ping(
        ip_address(address), "lo", 70_000, tries=1, timeout_seconds=0.2
    )


def test_the_wait_is_outside_of_the_namespace(monkeypatch):
    """Else it would hold up the end of speakerd."""
    inside, waited = [], []

    def call_in(path, function):
        inside.append(path)
        try:
            return function()
        finally:
            inside.clear()

    class Link:
        def __init__(self, *_):
            assert inside == ["/run/netns/amphora-haproxy"]

        def setsockopt(self, *_):
            assert inside

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(ping.netns, "call_in", call_in)
    monkeypatch.setattr(ping.socket, "socket", Link)
    monkeypatch.setattr(
        ping, "_is_answered", lambda *_: waited.append(list(inside))
    )
    assert not ping.ping(
        ip_address("10.1.0.1"),
        "eth1",
        64,
        namespace_path="/run/netns/amphora-haproxy",
        tries=2,
    )
    assert waited == [[], []]
