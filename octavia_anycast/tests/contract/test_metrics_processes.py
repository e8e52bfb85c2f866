# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The programs of two amphorae, each in a namespace of its own.

HAProxy from Octavia's template, our process of metrics as its unit starts it,
and the file by which speakerd tells it of the cluster. A bridge is the fabric.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from octavia_anycast.agent.tenant_metrics.told import Teller
from octavia_anycast.model.wire import MetricsMember, TenantMetrics
from octavia_anycast.tests.contract import bird_peer
from octavia_anycast.tests.contract.bird_peer import ip
from octavia_anycast.tests.contract.test_metrics_exporter import rendered
from octavia_anycast.tests.functional.distributor.test_amphora_client import (
    Authority,
)
from octavia_anycast.tests.unit.agent.states import state

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        shutil.which("haproxy") is None, reason="haproxy is not installed"
    ),
]
VIP = "198.51.100.1"
PORTS = {"HTTP": 80, "PROMETHEUS": 8088, "exporter": 9101, "ours": 9102}
ANSWERED = re.compile(
    r'^octavia_amphora_answered\{amphora="(\d).*",zone="rack(\d)"\} ([01])$',
    re.MULTILINE,
)
PROGRAM = "from octavia_anycast.cmd.metrics import main; main()"
# A /run of its own, as each amphora has one.
START = (
    "mount -t tmpfs none /run && mkdir /run/octavia-anycast && "
    'mount --bind "$0" /run/octavia-anycast && exec "$@"'
)


class Amphora:
    """An amphora; the others are told of it by its member."""

    def __init__(self, number, fabric, directory, authority):
        self.member = MetricsMember(
            id=f"{number}0000000-0000-4000-8000-000000000000",
            zone=f"rack{number}",
            addresses=(
                ip_address(f"10.1.0.{number + 10}"),
                ip_address(f"fd00:10:1::{number + 10}"),
            ),
        )
        self.namespace = f"{fabric}{number}"
        self.directory = directory
        self.run_directory = directory / "run"
        self.run_directory.mkdir(parents=True)
        self.teller = Teller(
            str(self.run_directory / "metrics.json"),
            self.member.id,
            authority.issue(self.member.id),
        )
        self._plug(fabric, number)
        self.haproxy = self._start_haproxy()
        self.metrics = self.start_metrics()

    def _plug(self, fabric, number):
        ip("netns", "add", self.namespace)
        peer = ("peer", "name", f"p{number}", "netns", fabric)
        ip("-n", self.namespace, "link", "add", "eth1", "type", "veth", *peer)
        ip("-n", fabric, "link", "set", f"p{number}", "master", "fabric", "up")
        for link in ("lo", "eth1"):
            ip("-n", self.namespace, "link", "set", link, "up")
        vip = ("address", "add", f"{VIP}/32", "dev", "lo")
        ip("-n", self.namespace, *vip)

    def has_addresses(self):
        """Give it its front end, which comes when it will."""
        for address in self.member.addresses:
            length, *more = (24,) if address.version == 4 else (64, "nodad")
            words = (f"{address}/{length}", "dev", "eth1", *more)
            ip("-n", self.namespace, "address", "add", *words)

    def _start(self, *argv):
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *argv],
            stderr=(self.directory / "log").open("a"),
        )

    def _start_haproxy(self):
        config = self.directory / "haproxy.cfg"
        config.write_text(rendered(self.directory, PORTS, VIP))
        return self._start("haproxy", "-Ws", "-f", str(config), "-L", "peer")

    def start_metrics(self):
        program = (sys.executable, "-W", "ignore", "-c", PROGRAM)
        shell = ("unshare", "--mount", "sh", "-c", START)
        return self._start(*shell, str(self.run_directory), *program)

    def workers(self):
        """HAProxy and the processes that it has started."""
        done = subprocess.run(
            ["pgrep", "-P", str(self.haproxy.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [self.haproxy.pid, *map(int, done.stdout.split())]

    def pause(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    def go_on(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def answered(self):
        """Scrape it: amphora -> 1 or 0; None if it has no answer."""
        done = subprocess.run(
            [
                *("ip", "netns", "exec", self.namespace),
                *("curl", "--silent", "--fail", "--max-time", "20"),
                f"http://{VIP}:8088/metrics",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return None
        found = ANSWERED.findall(done.stdout)
        assert all(amphora == rack for amphora, rack, _ in found)
        return {amphora: int(value) for amphora, _, value in found}

    def await_answered(self, wanted):
        deadline = time.monotonic() + 60
        while (found := self.answered()) != wanted:
            log = (self.directory / "log").read_text()
            assert time.monotonic() < deadline, (found, log)

    def stop(self):
        pids = [self.metrics.pid, *self.workers()]
        self.go_on(pids)
        for process in (self.metrics, self.haproxy):
            process.kill()
            process.wait(20)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ip("netns", "del", self.namespace)


class Fabric:
    """Amphorae on one bridge."""

    def __init__(self, directory, count):
        self.name = f"{bird_peer.PREFIX}{os.getpid()}-metrics"
        self.authority = Authority(directory, "amphorae")
        ip("netns", "add", self.name)
        bridge = ("type", "bridge", "mcast_snooping", "0")
        ip("-n", self.name, "link", "add", "fabric", *bridge)
        ip("-n", self.name, "link", "set", "fabric", "up")
        self.amphorae = [
            Amphora(n, self.name, directory / str(n), self.authority)
            for n in range(count)
        ]

    def tell(self, *members):
        """Tell all of them who is in the cluster."""
        metrics = TenantMetrics(
            members=members,
            authority=Path(self.authority.file).read_text(),
        )
        told = replace(state(), tenant_metrics=metrics)
        for amphora in self.amphorae:
            amphora.teller.tell(told)

    def close(self):
        for amphora in self.amphorae:
            amphora.stop()
        ip("netns", "del", self.name)


@pytest.fixture
def fabric(tmp_path):
    made = Fabric(tmp_path, 2)
    yield made
    made.close()


def test_two_amphorae(fabric):
    one, two = fabric.amphorae
    both = {"0": 1, "1": 1}
    # Told before the front end is there, as at a boot.
    fabric.tell(one.member, two.member)
    one.await_answered({"0": 1, "1": 0})
    one.has_addresses()
    two.has_addresses()
    one.await_answered(both)
    two.await_answered(both)
    # HAProxy hangs; whom a scrape reaches shows the other.
    pids = two.workers()
    two.pause(pids)
    one.await_answered({"0": 1, "1": 0})
    two.go_on(pids)
    one.await_answered(both)
    # Our process hangs, then dies, and systemd would start it again.
    two.pause([two.metrics.pid])
    one.await_answered({"0": 1, "1": 0})
    two.metrics.kill()
    two.metrics.wait(20)
    one.await_answered({"0": 1, "1": 0})
    two.metrics = two.start_metrics()
    one.await_answered(both)
    # The other one has left, and comes back with one family only.
    fabric.tell(one.member)
    one.await_answered({"0": 1})
    only_v6 = replace(two.member, addresses=two.member.addresses[1:])
    fabric.tell(one.member, only_v6)
    one.await_answered(both)
    two.await_answered(both)
