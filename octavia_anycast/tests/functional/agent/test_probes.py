# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The gate's probes against real sockets and processes; nothing is changed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.frontend.netlink import Netlink, is_silent
from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.haproxy import StatsSocket
from octavia_anycast.agent.gate.probes import Prober
from octavia_anycast.agent.gate.processes import (
    STOPPED,
    DaemonProcess,
    ProbePaths,
    state_of,
)
from octavia_anycast.model.wire import GateSettings
from octavia_anycast.tests.unit.agent.states import state

LOCALHOST = ip_address("127.0.0.1")


@pytest.fixture
def netlink():
    made = Netlink()
    yield made
    made.close()


@pytest.fixture
def listener():
    made = socket.create_server((str(LOCALHOST), 0), backlog=2)
    yield made
    made.close()


def test_the_loopback_is_there(netlink):
    (lo,) = [link for link in netlink.links() if link.name == "lo"]
    assert lo.is_up
    addresses = {
        (a.ip_address, a.prefix_length)
        for a in netlink.addresses()
        if a.index == lo.index
    }
    assert (LOCALHOST, 8) in addresses


def found(netlink, listener):
    port = listener.getsockname()[1]
    return [s for s in netlink.listening() if s.port == port]


def test_a_listener_and_its_backlog(netlink, listener):
    (one,) = found(netlink, listener)
    assert one.ip_address == LOCALHOST
    assert (one.backlog, one.backlog_max) == (0, 2)
    with socket.create_connection(listener.getsockname()):
        (one,) = found(netlink, listener)
        assert one.backlog == 1
    listener.close()
    assert found(netlink, listener_port(one)) == []


def listener_port(one):
    """Something with the port of a listener that is closed."""

    class Closed:
        @staticmethod
        def getsockname():
            return str(one.ip_address), one.port

    return Closed


def test_connections_are_counted(netlink, listener):
    here = ip_address("127.31.7.9")
    with socket.create_server((str(here), 0)) as server:
        clients = [
            socket.create_connection(server.getsockname()) for _ in range(3)
        ]
        accepted = [server.accept()[0] for _ in clients]
        assert netlink.count_established(frozenset({here})) == {here: 3}
        for one in (*clients, *accepted):
            one.close()
    absent = ip_address("2001:db8::1")
    assert netlink.count_established(frozenset({absent})) == {absent: 0}


def test_a_namespace_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        Netlink("/run/netns/there-is-no-such-namespace")


@pytest.fixture
def haproxy(tmp_path):
    """A process of that name, and its pid file."""
    program = tmp_path / "haproxy"
    shutil.copy(shutil.which("sleep"), program)
    process = subprocess.Popen([program, "60"])
    path = tmp_path / "pid"
    path.write_text(f"{process.pid}\n")
    yield process, path
    process.kill()
    process.wait()


def test_a_process_that_dies_is_noticed(haproxy):
    process, path = haproxy
    watched = DaemonProcess(str(path), "haproxy")
    deadline = time.monotonic() + 5
    while not watched.is_running():  # until it has its name
        assert time.monotonic() < deadline
    process.kill()
    process.wait()
    assert not watched.is_running()
    watched.close()


def test_a_stopped_process_is_known_as_such(haproxy):
    process, path = haproxy
    watched = DaemonProcess(str(path), "haproxy")
    deadline = time.monotonic() + 5
    while not watched.is_running():  # until it has its name
        assert time.monotonic() < deadline
    assert state_of(process.pid, "haproxy") not in STOPPED
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    assert state_of(process.pid, "haproxy") in STOPPED
    assert state_of(process.pid, "another") == ""
    assert watched.is_running(), "a pidfd does not tell"
    watched.close()
    process.kill()
    process.wait()
    assert state_of(process.pid, "haproxy") == ""


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "999999999"])
def test_a_useless_pid_file(tmp_path, text):
    path = tmp_path / "pid"
    path.write_text(text)
    assert not DaemonProcess(str(path), "haproxy").is_running()


def test_a_pid_that_is_anothers_now(tmp_path):
    path = tmp_path / "pid"
    path.write_text(str(os.getpid()))
    assert not DaemonProcess(str(path), "haproxy").is_running()


def test_a_distributor_has_nothing_to_be_looked_at(tmp_path):
    """Nor does one that was an amphora of another kind."""
    paths = ProbePaths(
        base=str(tmp_path), namespace_path=str(tmp_path / "no-namespace")
    )
    prober = Prober(paths)
    assert prober.sample(state(), 0.0).verdict is not Verdict.GOOD
    distributor = state(
        is_distributor=True,
        frontend=None,
        listeners=(),
        load_balancer_id=None,
        revision="",
    )
    assert prober.sample(distributor, 1.0).verdict is Verdict.GOOD
    assert prober.looks == {}
    assert list(prober.descriptors()) == []
    prober.close()


@pytest.fixture
def server(tmp_path):
    path = str(tmp_path / "stats.sock")
    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    made.listen()
    made.settimeout(5)
    yield made, StatsSocket(path)
    made.close()


def test_an_answer_is_good(server):
    listener, stats = server
    assert stats.problem is None  # nobody knows yet
    stats.look(0.0)
    client, _ = listener.accept()
    assert client.recv(100) == b"show info;show peers\n"
    stats.look(0.1)
    assert stats.problem is None
    client.send(b"Name: HAProxy\nPid: 4711\nUptime: 0d\n")
    stats.look(0.2)
    assert stats.problem == ""
    assert stats.waits_ms(0.2) == 0
    client.close()
    stats.look(0.3)
    assert (stats.problem, stats.pid) == ("", 4711)


def test_silence_is_a_problem_in_time(server):
    listener, stats = server
    stats.look(0.0)
    stats.look(1.9)
    assert stats.problem is None
    stats.look(2.1)
    assert "does not answer" in stats.problem
    listener.accept()[0].close()
    stats.look(2.2)  # asks again at once
    client, _ = listener.accept()
    client.send(b"x")
    stats.look(2.3)
    assert stats.problem == ""
    client.close()


def test_a_hang_up_and_a_missing_socket(server, tmp_path):
    listener, stats = server
    stats.look(0.0)
    listener.accept()[0].close()
    stats.look(0.1)
    assert stats.problem
    missing = StatsSocket(str(tmp_path / "nothing"))
    missing.look(0.0)
    assert "cannot be used" in missing.problem


def test_it_is_asked_as_often_as_it_should_be(server):
    listener, stats = server
    stats.settings = GateSettings(answer_interval_ms=100, answer_timeout_ms=50)
    stats.look(0.0)
    assert stats.waits_ms(0.04) == pytest.approx(40)
    stats.look(0.04)
    assert stats.problem is None
    stats.look(0.06)
    assert "does not answer" in stats.problem
    listener.accept()[0].close()
    stats.look(0.07)
    client, _ = listener.accept()
    client.send(b"x")
    client.close()
    stats.look(0.08)
    stats.look(0.08)
    assert stats.socket is None
    assert stats.waits_ms(0.1) == 0
    stats.look(0.1)
    assert stats.socket is None, "not yet"
    stats.hurry()
    stats.look(0.1)
    assert stats.socket is not None


def told(server, text, now):
    listener, stats = server
    stats.hurry()
    stats.look(now)
    client, _ = listener.accept()
    client.send(b"Pid: 1\n" + text)
    client.close()
    stats.look(now)
    stats.look(now)
    assert stats.socket is None
    found = stats.peers()
    return found and found.verdict


def peers(flags, others=b"  0x1: id=p2(remote,active) addr=10.1.0.2:1025\n"):
    return (
        b"0x55d3: [23/Nov/2026:01:12:33] id=lb_peers disabled=0 flags="
        b"%s resync_timeout=4s task_calls=3\n%s" % (flags, others)
    )


def test_who_learns_from_its_peers_lets_nothing_new_out(server):
    assert server[1].peers() is None
    assert told(server, b"", 0.0) is None
    # Alone in its group, there is nobody to learn from.
    assert told(server, peers(b"0x0", b""), 1.0) is None
    assert told(server, peers(b"0x1"), 2.0) is Verdict.PARTIAL
    assert told(server, peers(b"0x2213"), 3.0) is Verdict.GOOD
    # A reload: the next process starts anew.
    assert told(server, peers(b"0x0"), 4.0) is Verdict.PARTIAL
    assert told(server, peers(b"0x0"), 18.0) is Verdict.PARTIAL
    assert told(server, peers(b"0x0"), 20.0) is Verdict.GOOD, "not for ever"
    server[1].forget()
    assert server[1].peers() is None


def test_a_silent_neighbour_is_told_from_one_that_answers():
    assert [is_silent(state) for state in (0x01, 0x20)] == [True, True]
    assert not any(is_silent(s) for s in (0, 0x02, 0x04, 0x08, 0x10, 0x80))
