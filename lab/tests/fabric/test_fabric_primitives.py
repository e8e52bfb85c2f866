# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Namespaces and processes of the lab: made, found again, removed."""

import ipaddress
import os
import signal
import subprocess
import sys

import pytest
from octavia_anycast_lab import cleanup
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.host import netns, process

pytestmark = pytest.mark.lab

SLEEP = ["sleep", "600"]


@pytest.fixture
def scratch(lab):
    """An empty instance beside the main one."""
    instance = type(lab).named(f"{lab.lab.name[:7]}p")
    cleanup.clean(instance.lab)
    yield instance
    cleanup.clean(instance.lab)


@pytest.fixture
def namespace(scratch):
    name = scratch.lab.namespace("a")
    netns.create(scratch.registry, name)
    return name


def _spawn(scratch, label="sleeper", argv=SLEEP, **options):
    log = scratch.lab.log_dir / f"{label}.log"
    return process.spawn(scratch.registry, label, argv, log=log, **options)


def _links():
    return subprocess.run(
        ["ip", "-o", "link"], capture_output=True, text=True, check=True
    ).stdout


def test_veth_and_bridge_never_appear_in_the_main_namespace(
    scratch, namespace
):
    before = _links()
    other = scratch.lab.namespace("b")
    netns.create(scratch.registry, other)
    netns.bridge(namespace, "br0", [ipaddress.ip_interface("10.9.0.1/24")])
    netns.veth(
        netns.Port(namespace=namespace, interface="v0", bridge="br0"),
        netns.Port(
            namespace=other,
            interface="eth0",
            mac="02:00:00:00:00:09",
            addresses=(ipaddress.ip_interface("10.9.0.2/24"),),
        ),
    )
    netns.run(other, ["ping", "-c1", "-W2", "10.9.0.1"])
    assert "02:00:00:00:00:09" in netns.run(other, ["ip", "link"]).stdout
    assert _links() == before
    netns.delete_link(other, "eth0")
    assert "v0" not in netns.run(namespace, ["ip", "link"]).stdout


def test_cable_goes_with_its_namespace_at_once(scratch, namespace):
    """Though a process keeps the namespace itself alive."""
    other = scratch.lab.namespace("b")
    netns.create(scratch.registry, other)
    ends = (
        netns.Port(namespace=namespace, interface="v0"),
        netns.Port(namespace=other, interface="eth0"),
    )
    netns.veth(*ends)
    sleeper = subprocess.Popen(
        ["nsenter", f"--net={netns.path(other)}", "--", "sleep", "60"]
    )
    try:
        netns.delete(scratch.registry, other)
        netns.create(scratch.registry, other)
        netns.veth(*ends)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_bridge_keeps_carrier_and_mac_without_ports(namespace):
    netns.bridge(namespace, "br0")
    look = ["ip", "-br", "link", "show", "br0"]

    def seen() -> list[str]:
        return netns.run(namespace, look).stdout.split()

    # The kernel tells the carrier a moment after the link is up.
    process.wait_until(
        lambda: "NO-CARRIER" not in seen()[3], 10.0, "carrier of br0"
    )
    before = seen()
    netns.ip_batch(
        namespace,
        [
            "link add v0 address 02:00:00:00:00:01 type veth peer v1",
            "link set v0 master br0",
        ],
    )
    assert seen()[2] == before[2]


def test_commands_that_fail_say_so(namespace):
    with pytest.raises(netns.NamespaceError, match="nonsense"):
        netns.ip_batch(namespace, ["link show nonsense"])
    with pytest.raises(netns.NamespaceError, match="no network namespace"):
        netns.run("oa-nowhere", ["true"])


def test_spawned_process_is_in_the_namespace_and_in_the_registry(
    scratch, namespace
):
    pid = _spawn(scratch, namespace=namespace)
    assert cleanup.pids_in(namespace) == (pid,)
    assert process.pid_of(scratch.registry, "sleeper") == pid
    assert os.getsid(pid) == pid
    with pytest.raises(process.ProcessError, match="runs already"):
        _spawn(scratch)
    process.stop(scratch.registry, "sleeper", 2)
    assert process.start_time(pid) is None
    assert scratch.registry.entries(registry_lib.Kind.PROCESS) == ()


def test_spawned_process_survives_its_parent(scratch):
    child = subprocess.run(
        [sys.executable, "-c", _SPAWN, str(scratch.lab.run_dir)],
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert process.is_alive(scratch.registry, "sleeper")


def test_environment_directory_and_output(scratch, tmp_path):
    _spawn(
        scratch,
        "shell",
        ["/bin/sh", "-c", 'echo "$PWD $GREETING"; echo oops >&2'],
        env={"GREETING": "hello", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
    )
    log = scratch.lab.log_dir / "shell.log"
    process.wait_until(lambda: "oops" in log.read_text(), 5, "output")
    assert f"{tmp_path} hello" in log.read_text()


def test_stop_kills_what_ignores_sigterm(scratch):
    script = "trap '' TERM; sleep 600 & echo $!; wait"
    pid = _spawn(scratch, argv=["/bin/sh", "-c", script])
    log = scratch.lab.log_dir / "sleeper.log"
    process.wait_until(lambda: log.read_text().strip() != "", 5, "child")
    child = int(log.read_text())
    process.stop(scratch.registry, "sleeper", 0.3)
    assert process.start_time(pid) is None
    process.wait_until(
        lambda: process.start_time(child) is None, 5, "its child ends"
    )


def test_killed_process_is_dead_but_known(scratch):
    _spawn(scratch)
    process.kill(scratch.registry, "sleeper")
    assert not process.is_alive(scratch.registry, "sleeper")
    assert scratch.registry.get("process", "sleeper") is not None
    _spawn(scratch)
    assert process.is_alive(scratch.registry, "sleeper")


def test_recycled_pid_is_never_signalled(scratch):
    """The registry names a pid that now is another process: ours."""
    bystander = subprocess.Popen(SLEEP)
    try:
        scratch.registry.add("process", "old", pid=bystander.pid, start_time=1)
        assert not process.is_alive(scratch.registry, "old")
        process.stop(scratch.registry, "old", 0.1)
        scratch.registry.add("process", "old", pid=bystander.pid, start_time=1)
        cleanup.clean(scratch.lab)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_clean_kills_unregistered_processes_in_its_namespaces(
    scratch, namespace
):
    netns.run(namespace, ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 &"])
    (pid,) = cleanup.pids_in(namespace)
    assert scratch.registry.entries(registry_lib.Kind.PROCESS) == ()
    cleanup.clean(scratch.lab)
    process.wait_until(
        lambda: process.start_time(pid) is None, 5, "the stray ends"
    )
    assert not netns.exists(namespace)


def test_clean_unmounts_and_removes_directories(scratch, tmp_path):
    disk = tmp_path / "disk"
    mounted = disk / "mounted"
    mounted.mkdir(parents=True)
    scratch.registry.add("directory", str(disk))
    scratch.registry.add("mount", str(mounted))
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=True)
    cleanup.clean(scratch.lab)
    assert cleanup.mounts_below([str(disk)]) == []
    assert not disk.exists()
    cleanup.clean(scratch.lab)


_SPAWN = """
import os, pathlib, signal, sys
from octavia_anycast_lab import registry
from octavia_anycast_lab.host import process
run_dir = pathlib.Path(sys.argv[1])
process.spawn(
    registry.Registry(run_dir), "sleeper", ["sleep", "600"],
    log=run_dir / "log",
)
os.kill(os.getpid(), signal.SIGKILL)
"""
