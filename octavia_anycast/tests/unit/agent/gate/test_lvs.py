# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an amphora has for UDP and SCTP, read from files as the kernel has."""

import os

import pytest

from octavia_anycast.agent.gate.lvs import (
    LvsPaths,
    LvsWatch,
    associations_of,
    packets_of,
)
from octavia_anycast.model.wire import LvsReport

STATISTICS = """\
   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
       2  {:>7X}        B             1F40              3E8

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       0        0        0                0                0
"""
TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C633640A:0035 wrr persistent 360 FFFFFFFF
  -> 0A0A000C:0035      Masq    1      7          11
  -> 0A0A000B:0035      Masq    1      0          0
SCTP C633640A:0B59 wrr
  -> 0A0A000C:0B59      Masq    1      2          5
SCTP [2001:0db8:0100:0000:0000:0000:0000:000a]:0B59 wrr
  -> [fd00:000a:0000:0000:0000:0000:0000:000c]:0B59      Masq    1      1    0
"""


NO_IP_VS = f"its kernel {os.uname().release} has no ip_vs that loads"


class Image:
    """The files of an amphora, its kernel and a clock."""

    def __init__(self, directory):
        self.directory = directory
        self.now = 100.0
        self.loads = []
        self.can_load = True
        self.watch = LvsWatch(
            LvsPaths(
                namespace_path=None,
                folders=(str(directory / "sbin"), str(directory)),
                table=str(directory / "ip_vs"),
                statistics=str(directory / "ip_vs_stats"),
            ),
            load=self.load,
            clock=lambda: self.now,
        )

    def install(self, *names):
        for name in names:
            (self.directory / name).touch(mode=0o755)

    def load(self, module):
        self.loads.append(module)
        if self.can_load:
            self.count(0)

    def count(self, packets, table=TABLE):
        (self.directory / "ip_vs").write_text(table)
        (self.directory / "ip_vs_stats").write_text(STATISTICS.format(packets))

    def lack(self):
        return self.watch.report(is_used=False).lack

    def traffic(self, seconds=0.0):
        self.now += seconds
        found = self.watch.report(is_used=True)
        assert found.lack == ""
        return found.quiet_seconds, found.associations


@pytest.fixture
def image(tmp_path):
    made = Image(tmp_path)
    made.install("keepalived", "ipvsadm")
    return made


def test_a_module_that_can_be_loaded_counts(image):
    assert image.watch.report(is_used=False) == LvsReport()
    assert image.loads == ["ip_vs"]
    image.now += 1000
    assert image.lack() == ""
    assert image.loads == ["ip_vs"], "it is not asked for again"


def test_what_is_loaded_already_is_not_loaded(image):
    image.count(0)
    assert image.lack() == ""
    assert image.loads == []


def test_a_kernel_without_it_is_named(image):
    image.can_load = False
    assert image.lack() == NO_IP_VS
    assert len(image.loads) == 1


@pytest.mark.parametrize(
    ("installed", "sentence"),
    [
        ((), "the image has no keepalived and no ipvsadm"),
        (("keepalived",), "the image has no ipvsadm"),
        (("ipvsadm",), "the image has no keepalived"),
    ],
)
def test_a_missing_program_is_named(tmp_path, installed, sentence):
    image = Image(tmp_path)
    image.install(*installed)
    assert image.lack() == sentence


def test_all_that_lacks_is_named_at_once(tmp_path):
    image = Image(tmp_path)
    image.can_load = False
    assert image.lack() == (
        f"the image has no keepalived and no ipvsadm, and {NO_IP_VS}"
    )


def test_a_file_that_is_no_program_is_none(tmp_path):
    image = Image(tmp_path)
    image.install("ipvsadm")
    (tmp_path / "keepalived").touch(mode=0o644)
    assert image.lack() == "the image has no keepalived"


def test_what_is_installed_later_is_found(image):
    image.can_load = False
    assert image.lack()
    image.can_load = True
    image.now += 59
    assert image.lack()
    image.now += 1
    assert image.lack() == ""


def test_quiet_begins_anew_with_each_packet(image):
    image.count(5)
    assert image.traffic() == (0.0, 3)
    assert image.traffic(4.0) == (4.0, 3)
    image.count(6)
    assert image.traffic(4.0) == (0.0, 3)
    image.count(6, table="")
    assert image.traffic(30.0) == (30.0, 0)


def test_what_was_quiet_before_it_was_used_does_not_count(image):
    image.count(5)
    image.traffic()
    assert image.watch.report(is_used=False) == LvsReport()
    assert image.traffic(50.0) == (0.0, 3)


@pytest.mark.parametrize("text", ["", "x\n", "a\nb\n1 2 3\n", "a\nb\nno\n"])
def test_counters_that_cannot_be_read_are_not_told(image, text):
    image.count(5)
    image.traffic()
    (image.directory / "ip_vs_stats").write_text(text)
    assert image.traffic(5.0) == (None, None)
    image.count(5)
    assert image.traffic(5.0) == (0.0, 3), "nobody knows what was meanwhile"


def test_without_the_file_nothing_is_told(image):
    image.count(5)
    (image.directory / "ip_vs_stats").unlink()
    assert image.traffic() == (None, None)


def test_the_kernels_own_forms():
    assert packets_of(STATISTICS.format(16)) == 16 + 11
    assert associations_of(TABLE) == 3
