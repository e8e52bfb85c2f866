# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The gate's look at UDP and SCTP listeners: real processes and files.

Real keepalived is not started: it would need ip_vs. What is watched is its
process and its files, and those are made here as Octavia's agent makes them.
"""

import os
import shutil
import socket
import subprocess
import threading
import time
from ipaddress import ip_address

import pytest
from octavia.amphorae.backends.agent.api_server import util

from octavia_anycast.agent.frontend.netlink import Netlink
from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.probes import Prober
from octavia_anycast.agent.gate.processes import KeepalivedWatch, ProbePaths
from octavia_anycast.agent.gate.services import KernelTable
from octavia_anycast.model.wire import ListenerSocket, Probe
from octavia_anycast.tests.unit.agent.gate import recorded_ip_vs as recorded
from octavia_anycast.tests.unit.agent.states import BALANCER, state

DNS, SYSLOG = "listener-dns", "listener-syslog"


class Amphora:
    """The files and processes that Octavia's agent leaves."""

    def __init__(self, directory):
        self.paths = ProbePaths(base=str(directory))
        self.directory = directory
        self.processes = {}
        (directory / "lvs").mkdir()
        (directory / BALANCER).mkdir()
        for program in ("keepalived", "haproxy"):
            shutil.copy(shutil.which("sleep"), directory / program)

    def configure(self, listener_id, text="virtual_server"):
        """Write a listener's configuration as an upload does."""
        path = self.paths.lvs_configuration(listener_id)
        before = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
        while True:  # until the clock of the file system has moved
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
            if os.stat(path).st_mtime_ns != before:
                return

    def start(self, name, program="keepalived", pid_path=None):
        """Start a process of that program, with its pid file."""
        process = subprocess.Popen([self.directory / program, "60"])
        deadline = time.monotonic() + 10
        while comm_of(process.pid) != program:
            assert time.monotonic() < deadline
        with open(
            pid_path or self.paths.lvs_pid(name), "w", encoding="ascii"
        ) as stream:
            stream.write(f"{process.pid}\n")
        self.processes[name] = process

    def start_haproxy(self):
        """Start HAProxy of the load balancer."""
        self.start("haproxy", "haproxy", self.paths.pid(BALANCER))

    def kill(self, name):
        """End one, and wait for it."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()


def comm_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as stream:
        return stream.read().strip()


@pytest.fixture
def amphora(tmp_path_factory):
    # A short name: the path of a socket has at most 107 characters.
    made = Amphora(tmp_path_factory.mktemp("a"))
    yield made
    for name in list(made.processes):
        made.kill(name)


@pytest.fixture
def watch(amphora):
    made = KeepalivedWatch(amphora.paths)
    yield made
    made.close()


def look(watch, *listener_ids, at=0.0, has_others=False):
    sample = watch.look(listener_ids, at, has_others=has_others)
    return sample.verdict, sample.is_fatal


def test_files_are_where_octavias_agent_puts_them():
    paths = ProbePaths()
    assert paths.lvs_pid(DNS) == util.keepalived_lvs_pids_path(DNS)[0]
    assert paths.lvs_configuration(DNS) == util.keepalived_lvs_cfg_path(DNS)


def test_one_that_never_ran_is_bad_and_a_running_one_good(amphora, watch):
    assert look(watch, DNS) == (Verdict.BAD, False)
    amphora.configure(DNS)
    amphora.start(DNS)
    assert look(watch, DNS) == (Verdict.GOOD, False)


def test_the_death_of_one_is_fatal_whatever_else_runs(amphora, watch):
    for name in (DNS, SYSLOG):
        amphora.configure(name)
        amphora.start(name)
    for at in (0.0, 2.0):
        assert look(watch, DNS, SYSLOG, at=at) == (Verdict.GOOD, False)
    amphora.kill(DNS)
    for has_others in (True, False):
        found = look(watch, DNS, SYSLOG, at=2.1, has_others=has_others)
        assert found == (Verdict.BAD, True)
    assert look(watch, SYSLOG, at=2.2) == (Verdict.GOOD, False)


def test_one_that_ends_as_it_starts_has_never_run(amphora, watch):
    """As keepalived does where the kernel has no ip_vs."""
    amphora.configure(DNS)
    amphora.start(DNS)
    assert look(watch, DNS, has_others=True) == (Verdict.GOOD, False)
    amphora.kill(DNS)
    assert look(watch, DNS, at=9, has_others=True) == (Verdict.PARTIAL, False)
    assert look(watch, DNS, at=9) == (Verdict.BAD, False)


def test_a_restart_for_a_new_configuration_is_no_verdict(amphora, watch):
    amphora.configure(DNS)
    amphora.start(DNS)
    look(watch, DNS)
    for at in (0.1, 2.0):  # one that is new, and one that has run for long
        amphora.configure(DNS, "another virtual_server")
        assert look(watch, DNS, at=at) == (Verdict.GOOD, False)
        amphora.kill(DNS)
        assert look(watch, DNS, at=at) == (Verdict.UNKNOWN, False)
        amphora.start(DNS)
        assert look(watch, DNS, at=at) == (Verdict.GOOD, False)
    amphora.kill(DNS)
    assert look(watch, DNS, at=4.0) == (Verdict.BAD, True)


def test_a_new_one_that_does_not_start_leaves_the_others_alone(amphora, watch):
    assert look(watch, DNS, has_others=True) == (Verdict.PARTIAL, False)
    amphora.configure(SYSLOG)
    amphora.start(SYSLOG)
    assert look(watch, DNS, SYSLOG) == (Verdict.PARTIAL, False)


def test_a_pid_that_is_another_programs_now(amphora, watch):
    with open(amphora.paths.lvs_pid(DNS), "w", encoding="ascii") as stream:
        stream.write(str(os.getpid()))
    assert look(watch, DNS) == (Verdict.BAD, False)


class FrontendIsFine(Prober):
    """In this network namespace, whose interfaces are not looked at."""

    def _check_namespace(self, state, now):
        self._netlink = self._netlink or Netlink()
        return ""


@pytest.fixture
def prober(amphora):
    path = amphora.directory / "ip_vs"
    made = FrontendIsFine(amphora.paths, KernelTable(None, str(path)))
    yield made
    made.close()


@pytest.fixture
def web(amphora):
    """HAProxy with a listener and an answering statistics socket."""
    amphora.start_haproxy()
    stats = socket.socket(socket.AF_UNIX)
    stats.bind(amphora.paths.stats(BALANCER))
    stats.listen()

    def answer():
        while True:
            try:
                client, _ = stats.accept()
            except OSError:
                return
            with client:
                if client.recv(100):
                    client.send(b"Name: HAProxy\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with socket.create_server(("127.0.0.1", 0), backlog=5) as server:
        host, port = server.getsockname()
        yield ListenerSocket(
            listener_id="web", ip_address=ip_address(host), port=port
        )
    stats.shutdown(socket.SHUT_RDWR)
    thread.join()
    stats.close()


def wanted(*lvs_ids, listeners=()):
    return state(listeners=listeners, lvs_listener_ids=lvs_ids)


def settled(prober, wanted):
    """The sample once HAProxy has answered."""
    deadline = time.monotonic() + 10
    while True:
        sample = prober.sample(wanted, time.monotonic())
        if sample.verdict is not Verdict.UNKNOWN:
            return sample
        assert time.monotonic() < deadline, sample.reason


def test_without_tcp_listeners_nobody_asks_for_haproxy(amphora, prober):
    amphora.configure(DNS)
    amphora.start(DNS)
    for at in (0.0, 2.0):
        assert prober.sample(wanted(DNS), at).verdict is Verdict.GOOD
    (alarm,) = prober.descriptors()
    assert alarm[1]
    amphora.kill(DNS)
    sample = prober.sample(wanted(DNS), 2.1)
    assert (sample.verdict, sample.is_fatal) == (Verdict.BAD, True)
    assert DNS in sample.reason


def test_no_listener_at_all_is_nothing_to_serve(prober):
    sample = prober.sample(wanted(), 0.0)
    assert sample.verdict is Verdict.NOTHING_TO_SERVE


def test_both_kinds_are_needed_where_both_are_wanted(amphora, prober, web):
    both = wanted(DNS, listeners=(web,))
    assert settled(prober, both).verdict is Verdict.PARTIAL
    amphora.configure(DNS)
    amphora.start(DNS)
    assert settled(prober, both).verdict is Verdict.GOOD
    amphora.kill("haproxy")
    sample = settled(prober, both)
    assert (sample.reason, sample.is_fatal) == ("HAProxy does not run", True)
    # The TCP listeners are taken away, and HAProxy with them.
    assert settled(prober, wanted(DNS)).verdict is Verdict.GOOD


def test_a_dead_process_is_an_alarm_once(amphora, prober, web):
    """Else the engine's loop would spin."""
    amphora.configure(DNS)
    amphora.start(DNS)
    both = wanted(DNS, listeners=(web,))
    assert settled(prober, both).verdict is Verdict.GOOD
    assert len([a for _, a in prober.descriptors() if a]) == 2
    amphora.kill("haproxy")
    amphora.kill(DNS)
    prober.sample(wanted(), 0.0)
    assert list(prober.descriptors()) == []


def test_one_that_runs_has_to_have_programmed(amphora, prober):
    """The whole probe: process, configuration, and the kernel's table."""
    listener = recorded.UDP_LISTENER
    table = amphora.directory / "ip_vs"
    table.write_text(recorded.SCTP_ONLY)
    amphora.configure(listener, recorded.UDP_CONFIGURATION)
    amphora.start(listener)
    only = wanted(listener)
    sample = prober.sample(only, 0.0)
    assert (sample.verdict, sample.probe) == (
        Verdict.UNKNOWN,
        Probe.LISTENERS,
    )
    sample = prober.sample(only, 6.0)
    assert (sample.verdict, sample.is_fatal) == (Verdict.BAD, False)
    assert sample.reason == (
        f"ip_vs has no service for listener {listener}: "
        "UDP on 198.51.100.56 port 5300"
    )
    table.write_text(recorded.BOTH)
    assert prober.sample(only, 7.0).verdict is Verdict.GOOD
    assert prober.looks[Probe.LISTENERS].verdict is Verdict.GOOD
    # Octavia's agent restarts it for each change.
    amphora.configure(listener, recorded.UDP_CONFIGURATION + "\n# again\n")
    table.write_text(recorded.SCTP_ONLY)
    assert prober.sample(only, 8.0).verdict is Verdict.UNKNOWN
    amphora.kill(listener)
    assert prober.sample(only, 8.1).verdict is Verdict.UNKNOWN
    amphora.start(listener)
    assert prober.sample(only, 12.9).verdict is Verdict.UNKNOWN
    table.write_text(recorded.BOTH)
    assert prober.sample(only, 13.0).verdict is Verdict.GOOD
    # Without a change nothing is waited for.
    table.write_text(recorded.SCTP_ONLY)
    assert prober.sample(only, 20.0).verdict is Verdict.BAD
    assert prober.sample(wanted(), 20.1).verdict is Verdict.NOTHING_TO_SERVE


def test_a_new_one_that_is_not_programmed_leaves_haproxys_alone(
    amphora, prober, web
):
    listener = recorded.UDP_LISTENER
    (amphora.directory / "ip_vs").write_text(recorded.NO_SERVICE)
    amphora.configure(listener, recorded.UDP_CONFIGURATION)
    amphora.start(listener)
    sample = settled(prober, wanted(listener, listeners=(web,)))
    assert sample.verdict is Verdict.PARTIAL
    assert listener in sample.reason
