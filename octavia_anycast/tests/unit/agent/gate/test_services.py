# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which services of ip_vs are missed: files as keepalived and the kernel have.

The configurations are Octavia's own template's, the tables have the form of
the kernel's; some were recorded in an amphora.
"""

import os
from ipaddress import ip_address

import pytest
from octavia.amphorae.backends.utils import keepalivedlvs_query

from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.processes import ProbePaths
from octavia_anycast.agent.gate.services import (
    KernelTable,
    Service,
    ServiceWatch,
    configured,
    programmed,
)
from octavia_anycast.tests.unit.agent.gate import recorded_ip_vs as recorded
from octavia_anycast.tests.unit.agent.gate.lvs_configurations import (
    LISTENER,
    MEMBERS4,
    MEMBERS6,
    MORE4,
    MORE6,
    VIP4,
    VIP6,
    configuration,
    member,
)

HOLD = 5.0
LATE = 100.0
HEAD = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
BOTH = configuration(vips=(VIP4, VIP6), members=MEMBERS4 + MEMBERS6)


def service(address, port=53, protocol="UDP"):
    return Service(
        protocol=protocol, ip_address=ip_address(address), port=port
    )


def table(*services):
    """The kernel's text with these services and a member in each."""
    lines = []
    for one in services:
        address = (
            f"{int(one.ip_address):08X}"
            if one.ip_address.version == 4
            else f"[{one.ip_address.exploded}]"
        )
        lines.append(f"{one.protocol:<4} {address}:{one.port:04X} wrr \n")
        lines.append("  -> 0A0A000C:1F91      Masq    1      0          0\n")
    return HEAD + "".join(lines)


S4, S6 = service(VIP4), service(VIP6)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, {S4}),
        ({"vips": (VIP6,), "members": MEMBERS6}, {S6}),
        ({"vips": (VIP4, VIP6), "members": MEMBERS4 + MEMBERS6}, {S4, S6}),
        # keepalived ignores a group without a member.
        ({"vips": (VIP4, VIP6)}, {S4}),
        ({"vips": (VIP4, VIP6), "members": MEMBERS6}, {S6}),
        (
            {
                "vips": (VIP4, MORE4, VIP6, MORE6),
                "members": MEMBERS4 + MEMBERS6,
            },
            {S4, service(MORE4), S6, service(MORE6)},
        ),
        ({"members": ()}, set()),
        ({"members": (member(1, "10.0.0.1", is_enabled=False),)}, set()),
        ({"members": (member(1, "10.0.0.1", weight=0),)}, {S4}),
        ({"has_pool": False}, set()),
        ({"is_pool_enabled": False}, set()),
        ({"is_listener_enabled": False}, set()),
        ({"is_balancer_enabled": False}, set()),
        ({"monitor": "UDP-CONNECT"}, {S4}),
        ({"monitor": "TCP"}, {S4}),
        ({"is_persistent": True}, {S4}),
        (
            {"protocol": "SCTP", "port": 2905, "monitor": "SCTP"},
            {service(VIP4, 2905, "SCTP")},
        ),
    ],
)
def test_what_a_configuration_asks_for(choices, expected):
    assert configured(configuration(**choices)) == expected


def test_octavias_own_query_finds_the_same_addresses(tmp_path, monkeypatch):
    """It finds the first one of each family."""
    path = tmp_path / "listener.conf"
    path.write_text(BOTH)
    monkeypatch.setattr(
        keepalivedlvs_query.util, "keepalived_lvs_cfg_path", lambda _: path
    )
    found, namespace = (
        keepalivedlvs_query.get_lvs_listener_resource_ipports_nsname(LISTENER)
    )
    assert namespace == "amphora-haproxy"
    assert sorted(found["Listener"]["ipports"]) == sorted(
        (f"{VIP4}:53", f"[{VIP6}]:53")
    )
    assert configured(BOTH) == {S4, S6}


@pytest.mark.parametrize("length", range(0, len(BOTH), 7))
def test_a_text_that_is_cut_asks_for_no_more(length):
    found = configured(BOTH[:length])
    assert found is None or found <= {S4, S6}


def test_an_empty_text_is_one_that_is_being_written():
    assert configured("") is None
    assert configured(BOTH[: BOTH.index("real_server")]) is None
    assert configured(BOTH + "}\n") is None


def test_what_is_no_address_is_passed_over():
    text = BOTH.replace(f"{VIP4} 53", "fwmark 7")
    assert configured(text) == {S6}


def test_octavias_own_query_reads_the_kernels_table_alike(monkeypatch):
    text = table(S4, S6)
    monkeypatch.setattr(
        keepalivedlvs_query, "read_kernel_file", lambda *_: text
    )
    for address in (f"{VIP4}:53", f"[{VIP6}]:53"):
        found = keepalivedlvs_query.get_listener_realserver_mapping(
            "amphora-haproxy", [address], False
        )
        assert list(found) == ["10.10.0.12:8081"]
    assert programmed(text) == {S4, S6}


class Amphora:
    """keepalived's files, the kernel's table, and who looks at them."""

    def __init__(self, directory):
        self.paths = ProbePaths(base=str(directory))
        (directory / "lvs").mkdir()
        self.table_path = directory / "ip_vs"
        self.table = KernelTable(None, str(self.table_path))
        self.watch = ServiceWatch(self.paths)
        self.processes = {}
        self.writings = 0

    def configure(self, text, listener_id=LISTENER):
        path = self.paths.lvs_configuration(listener_id)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        # As a later writing; the clock of a file system may be coarse.
        self.writings += 1
        os.utime(path, ns=(self.writings, self.writings))
        self.processes.setdefault(listener_id, 0)

    def restart(self, listener_id=LISTENER):
        self.processes[listener_id] += 1

    def program(self, *services):
        self.table_path.write_text(table(*services))

    def look(self, at, *, has_others=False):
        return self.watch.look(
            self.processes,
            self.table,
            at,
            hold_seconds=HOLD,
            has_others=has_others,
        )

    def verdict(self, at, **others):
        return self.look(at, **others).verdict


@pytest.fixture
def amphora(tmp_path):
    made = Amphora(tmp_path)
    yield made
    made.table.close()


@pytest.fixture
def serving(amphora):
    """One listener, of both families, served for long."""
    amphora.configure(BOTH)
    amphora.restart()
    amphora.program(S4, S6)
    assert amphora.verdict(0.0) is Verdict.GOOD
    assert amphora.verdict(LATE) is Verdict.GOOD
    return amphora


def test_a_keepalived_that_programs_nothing(amphora):
    amphora.configure(BOTH)
    amphora.restart()
    amphora.program()
    assert amphora.verdict(0.0) is Verdict.UNKNOWN
    assert amphora.verdict(HOLD - 0.1) is Verdict.UNKNOWN
    sample = amphora.look(HOLD)
    assert (sample.verdict, sample.is_fatal) == (Verdict.BAD, False)
    assert sample.reason == (
        f"ip_vs has no service for listener {LISTENER}: UDP on {VIP4} port 53"
    )
    amphora.program(S4, S6)
    assert amphora.verdict(HOLD + 1) is Verdict.GOOD


def test_a_kernel_without_a_table_has_no_service(amphora):
    amphora.configure(BOTH)
    amphora.restart()
    assert amphora.verdict(0.0) is Verdict.UNKNOWN
    assert amphora.verdict(HOLD) is Verdict.BAD


@pytest.mark.parametrize(
    ("left", "named"),
    [((S4,), VIP6), ((S6,), VIP4), ((), VIP4)],
)
def test_what_was_served_and_is_gone_is_missed_at_once(serving, left, named):
    serving.program(*left)
    for has_others in (False, True):
        sample = serving.look(LATE + 1, has_others=has_others)
        assert sample.verdict is Verdict.BAD
        assert sample.reason.endswith(f"UDP on {named} port 53")


@pytest.mark.parametrize(
    "other",
    [
        service(VIP4, 54),
        service(MORE4),
        service(VIP4, 53, "SCTP"),
        service(VIP4, 53, "TCP"),
    ],
)
def test_another_service_is_not_this_one(serving, other):
    serving.program(S6, other)
    assert serving.verdict(LATE + 1) is Verdict.BAD


def test_a_restart_for_a_changed_configuration_is_no_verdict(serving):
    """In the order in which Octavia's agent does it."""
    serving.configure(BOTH.replace("weight 1", "weight 2"))
    assert serving.verdict(LATE) is Verdict.GOOD
    serving.program()  # the old one stops
    assert serving.verdict(LATE + 1) is Verdict.UNKNOWN
    serving.restart()
    assert serving.verdict(LATE + 4) is Verdict.UNKNOWN
    assert serving.look(LATE + 4).subject == LISTENER
    assert serving.verdict(LATE + HOLD + 3) is Verdict.UNKNOWN
    serving.program(S4, S6)
    assert serving.verdict(LATE + HOLD + 3.5) is Verdict.GOOD


def test_a_restart_that_programs_less_is_found_out(serving):
    serving.configure(BOTH.replace("weight 1", "weight 2"))
    serving.restart()
    serving.program(S4)
    assert serving.verdict(LATE + 1) is Verdict.UNKNOWN
    sample = serving.look(LATE + 1 + HOLD)
    assert sample.verdict is Verdict.BAD
    assert VIP6 in sample.reason


def test_members_that_are_all_down_leave_the_service(serving):
    """keepalived takes the members out of it, and nothing else."""
    text = table(S4, S6)
    serving.table_path.write_text(
        "".join(x for x in text.splitlines(True) if "Masq" not in x)
    )
    assert serving.verdict(LATE + 1) is Verdict.GOOD


@pytest.mark.parametrize(
    "choices",
    [
        {"members": ()},
        {"has_pool": False},
        {"is_pool_enabled": False},
        {"is_listener_enabled": False},
        {"is_balancer_enabled": False},
    ],
)
def test_what_is_configured_to_serve_nothing_is_not_missed(serving, choices):
    serving.configure(configuration(vips=(VIP4, VIP6), **choices))
    serving.restart()
    serving.program()
    assert serving.verdict(LATE + 1) is Verdict.GOOD
    assert serving.verdict(2 * LATE) is Verdict.GOOD


def test_the_first_member_of_a_family_brings_a_new_service(serving):
    """It is new: what is served beside it is not withdrawn for it."""
    serving.configure(configuration(vips=(VIP4, VIP6)))
    serving.program(S4)
    assert serving.verdict(LATE + 1) is Verdict.GOOD
    serving.configure(BOTH)
    assert serving.verdict(LATE + 2) is Verdict.PARTIAL
    assert serving.verdict(2 * LATE) is Verdict.PARTIAL
    serving.program(S4, S6)
    assert serving.verdict(2 * LATE + 1) is Verdict.GOOD
    serving.program(S4)
    assert serving.verdict(2 * LATE + 2) is Verdict.BAD


def test_a_new_listener_does_not_withdraw_those_that_are_served(amphora):
    amphora.configure(BOTH)
    amphora.restart()
    amphora.program()
    for at in (0.0, LATE):
        sample = amphora.look(at, has_others=True)
        assert sample.verdict is Verdict.PARTIAL
        assert LISTENER in sample.reason


def test_each_listener_is_looked_at(serving):
    other = "eeeeeeee-0000-4000-8000-000000000000"
    syslog = service(VIP4, 514)
    serving.configure(configuration(port=514), other)
    serving.restart(other)
    serving.program(S4, S6)
    sample = serving.look(LATE + 1)
    assert (sample.verdict, other in sample.reason) == (Verdict.PARTIAL, True)
    serving.program(S4, S6, syslog)
    assert serving.verdict(LATE + 2) is Verdict.GOOD
    serving.program(S4, syslog)
    sample = serving.look(2 * LATE)
    assert (sample.verdict, LISTENER in sample.reason) == (Verdict.BAD, True)
    # Deleted, or disabled: it is not missed, and comes back as a new one.
    del serving.processes[LISTENER]
    assert serving.verdict(2 * LATE) is Verdict.GOOD
    serving.processes[LISTENER] = 1
    assert serving.verdict(3 * LATE) is Verdict.PARTIAL


def test_a_configuration_that_is_being_written_is_no_verdict(serving):
    serving.configure("")
    assert serving.verdict(LATE + 1) is Verdict.UNKNOWN
    serving.configure(BOTH[: BOTH.index("real_server")])
    assert serving.verdict(LATE + 1) is Verdict.UNKNOWN
    serving.configure(BOTH)
    assert serving.verdict(LATE + 1) is Verdict.GOOD
    serving.program(S4)
    assert serving.verdict(2 * LATE) is Verdict.BAD, "nothing is forgotten"


def test_a_deleted_configuration_asks_for_nothing(serving):
    os.remove(serving.paths.lvs_configuration(LISTENER))
    serving.program()
    assert serving.verdict(LATE + 1) is Verdict.GOOD


def test_a_table_that_cannot_be_read_is_no_verdict(serving, tmp_path):
    serving.table.close()
    serving.table = KernelTable(None, str(tmp_path))  # a directory
    sample = serving.look(LATE + 1)
    assert sample.verdict is Verdict.UNKNOWN
    assert "the table of ip_vs" in sample.reason


def test_a_long_table_is_read_whole_each_time(amphora):
    many = [service(f"10.1.{n // 250}.{n % 250}", 53) for n in range(2_000)]
    amphora.program(*many)
    assert len(amphora.table.read()) > 65_536
    assert programmed(amphora.table.read()) == set(many)
    amphora.program(S4)
    assert programmed(amphora.table.read()) == {S4}


def test_listeners_come_up_as_in_a_virtual_machine(amphora):
    """What was recorded; each look is one of the gate's."""
    sctp, udp = recorded.SCTP_LISTENER, recorded.UDP_LISTENER
    amphora.table_path.write_text(recorded.NO_SERVICE)
    amphora.configure(recorded.SCTP_CONFIGURATION, sctp)
    amphora.restart(sctp)
    assert amphora.verdict(0.0) is Verdict.UNKNOWN
    amphora.table_path.write_text(recorded.SCTP_ONLY)
    assert amphora.verdict(1.0) is Verdict.GOOD
    amphora.configure(recorded.UDP_CONFIGURATION, udp)
    amphora.restart(udp)
    assert amphora.verdict(2.0) is Verdict.PARTIAL
    amphora.table_path.write_text(recorded.BOTH)
    assert amphora.verdict(3.0) is Verdict.GOOD
    assert amphora.verdict(LATE) is Verdict.GOOD
    amphora.table_path.write_text(recorded.SCTP_ONLY)
    sample = amphora.look(LATE + 1)
    assert sample.verdict is Verdict.BAD
    assert f"{udp}: UDP on 198.51.100." in sample.reason


def test_the_recorded_tables_are_read_as_octavia_reads_them(monkeypatch):
    monkeypatch.setattr(
        keepalivedlvs_query, "read_kernel_file", lambda *_: recorded.BOTH
    )
    found = programmed(recorded.BOTH)
    assert len(found) == 3
    for one in found:
        ip = one.ip_address
        address = f"[{ip}]" if ip.version == 6 else f"{ip}"
        members = keepalivedlvs_query.get_listener_realserver_mapping(
            "amphora-haproxy", [f"{address}:{one.port}"], True
        )
        assert len(members) == 3
