# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the heartbeats read of ip_vs is what Octavia would read of ipvsadm."""

import subprocess

import pytest
from octavia.amphorae.backends.utils import keepalivedlvs_query

from octavia_anycast.octavia_adapter.amphora import lvs_heartbeat

# One table, as the kernel and as ipvsadm(8) write it.
TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C6336401:0035 rr  
  -> 0A0A0116:0035      Masq    3      0          2         
  -> 0A0A0115:0035      Masq    2      1          0         
SCTP  [2001:0db8:0100:0000:0000:0000:0000:0001]:0B59 wrr  persistent 360 FFFFFFFF
  -> [fd00:0010:0001:0000:0000:0000:0000:0016]:0B59      Masq    1      4          0         
UDP  C6336401:14B4 rr  
"""  # noqa: W291, E501
IPVSADM = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  198.51.100.1:53 rr
  -> 10.10.1.22:53                Masq    3      0          2
  -> 10.10.1.21:53                Masq    2      1          0
SCTP [2001:db8:100::1]:2905 wrr persistent 360
  -> [fd00:10:1::16]:2905         Masq    1      4          0
UDP  198.51.100.1:5300 rr
"""


@pytest.fixture
def module(monkeypatch):
    """Octavia's module, which is as it was when the test has ended."""
    for name in ("get_ipvsadm_info", "read_kernel_file"):
        monkeypatch.setattr(
            keepalivedlvs_query, name, getattr(keepalivedlvs_query, name)
        )
    return keepalivedlvs_query


def test_it_is_what_octavia_makes_of_ipvsadm(module, monkeypatch):
    monkeypatch.setattr(
        subprocess, "check_output", lambda *_, **__: IPVSADM.encode()
    )
    theirs = module.get_ipvsadm_info("amphora-haproxy")
    ours = lvs_heartbeat.services_of(TABLE)
    assert ours.keys() == theirs.keys()
    for key, service in theirs.items():
        assert ours[key]["Members"] == service["Members"]


@pytest.mark.parametrize("table", ["", TABLE[: TABLE.index("UDP")]])
def test_a_kernel_without_a_service(table):
    assert lvs_heartbeat.services_of(table) == {}


def refuse(*_args, **_options):
    raise AssertionError("a process was started")


def test_the_table_is_read_without_a_process(module, monkeypatch):
    monkeypatch.setattr(subprocess, "check_output", refuse)
    asked = []

    def read_inside(namespace, path):
        asked.append((namespace, path))
        return TABLE

    lvs_heartbeat.install(read_inside)
    assert "198.51.100.1:53" in module.get_ipvsadm_info("amphora-haproxy")
    members = module.get_listener_realserver_mapping(
        "amphora-haproxy", ["198.51.100.1:53"], True
    )
    assert {key: one["status"] for key, one in members.items()} == {
        "10.10.1.22:53": "UP",
        "10.10.1.21:53": "UP",
    }
    assert set(asked) == {
        ("/run/netns/amphora-haproxy", "/proc/thread-self/net/ip_vs")
    }


def test_counters_of_bytes_are_still_ipvsadms(module, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        return b"Prot LocalAddress:Port Conns\n  -> RemoteAddress:Port\n"

    monkeypatch.setattr(subprocess, "check_output", run)
    lvs_heartbeat.install(refuse)
    assert module.get_ipvsadm_info("amphora-haproxy", is_stats_cmd=True) == {}
    assert commands[0][-4:] == ["ipvsadm", "-Ln", "--stats", "--exact"]


def test_a_table_that_cannot_be_read_fails_as_octavias_did(module):
    def read_inside(namespace, path):
        raise FileNotFoundError(path)

    lvs_heartbeat.install(read_inside)
    with pytest.raises(subprocess.CalledProcessError):
        module.get_ipvsadm_info("amphora-haproxy")
