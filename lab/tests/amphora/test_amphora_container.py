# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae as booted containers: life, death, disk, interfaces, traffic.

The image is the one with Octavia's own agent: what is tested here is the
base of the image and the hypervisor, not our agent. Asserts on packets and
on what the machine still has, never on a log.
"""

import os
import pathlib
import signal
import subprocess
import sys
import uuid

import amphora_bench
import pytest
from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab.amphora import hypervisor, image
from octavia_anycast_lab.host import cgroup, netns, process
from octavia_anycast_lab.traffic import members

pytestmark = pytest.mark.lab

_FETCH = """
import sys, urllib.request
reply = urllib.request.urlopen(sys.argv[1], timeout=2)
sys.stdout.write(reply.headers["X-Member"])
"""
_SERVICE_SECONDS = 40.0
FRONT_END = {4: "10.1.0.101", 6: "fd00:10:1::1001"}


@pytest.fixture(scope="module")
def bench():
    """Namespaces and bridges, members, no amphora yet."""
    name = os.environ.get("OA_TEST_AMPHORA_LAB", "oatamp")
    made = amphora_bench.Bench(settings.Lab(name=name), image.Flavour.STOCK)
    made.up()
    members.SERVER.up(made.lab, made.registry)
    yield made
    made.down()


@pytest.fixture(scope="module")
def serving(bench):
    """An amphora which serves three members by one listener, dual stack."""
    amphora = bench.boot()
    bench.await_agent(amphora)
    front = bench.attach(amphora, "leaf1", settings.FRONT_END_BRIDGE)
    back = bench.attach(amphora, "tenant", settings.TENANT_BRIDGE)
    _plug(bench, amphora, front, "10.1.0", "fd00:10:1", gateway=True)
    _plug(bench, amphora, back, "10.10.0", "fd00:10:10", gateway=False)
    bench.rest(
        "listen",
        {
            **{
                f"{thing}_id": str(uuid.uuid4())
                for thing in ("balancer", "listener", "pool")
            },
            "vip": FRONT_END[4],
            "additional_vips": [FRONT_END[6]],
            "members": [
                str(address.ip)
                for member in settings.MEMBERS
                for address in (member.address_v4, member.address_v6)
            ],
        },
        amphora,
    )
    _await_service(bench)
    return amphora


def _plug(bench, amphora, nic, v4, v6, *, gateway):
    fixed_ips = [
        {
            "ip_address": f"{v4}.101",
            "subnet_cidr": f"{v4}.0/24",
            "host_routes": [],
            "gateway": f"{v4}.1" if gateway else None,
        },
        {
            "ip_address": f"{v6}::1001",
            "subnet_cidr": f"{v6}::/64",
            "host_routes": [],
            "gateway": f"{v6}::1" if gateway else None,
        },
    ]
    bench.rest("plug", {"mac": nic.mac, "fixed_ips": fixed_ips}, amphora)


def _answer(bench, version):
    """The name of the member which answers through the amphora, or ''."""
    address = FRONT_END[version]
    url = f"http://[{address}]/" if version == 6 else f"http://{address}/"
    done = netns.run(
        bench.lab.namespace("leaf1"),
        [sys.executable, "-S", "-c", _FETCH, url],
        check=False,
    )
    return done.stdout


def _serves(bench):
    names = {member.name for member in settings.MEMBERS}
    return all(_answer(bench, version) in names for version in (4, 6))


def _await_service(bench):
    process.wait_until(
        lambda: _serves(bench), _SERVICE_SECONDS, "answers over v4 and v6"
    )


def _traces(bench, instance):
    """Everything on the machine which belongs to an instance."""
    lab = bench.lab
    taps = [
        nic.tap
        for nic in instance.nics
        if nic.tap
        in netns.run(nic.wire.namespace, ["ip", "-o", "link", "show"]).stdout
    ]
    found = {
        "namespace": netns.path(lab.namespace(instance.label)).exists(),
        "taps": taps,
        "group": cgroup.path(lab.name, instance.label).exists(),
        "disk": pathlib.Path(instance.disk).exists(),
        "description": (bench.hypervisor.directory / instance.id).exists(),
        "process": process.is_alive(bench.registry, instance.label),
        "mounts": cleanup.mounts_below([instance.disk]),
        "commands": _processes_about(instance.id),
    }
    return {key: value for key, value in found.items() if value}


def _processes_about(text):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_agent_wants_a_client_certificate(bench, serving):
    details = bench.rest("details", {}, serving)
    assert details["hostname"] == f"amphora-{serving.amphora_id}"
    probes = {
        "plain": "http://{}:9443/",
        "unauthenticated": "https://{}:9443/",
    }
    code = (
        "import ssl,sys,urllib.request;"
        "c=ssl._create_unverified_context();"
        "u=urllib.request.urlopen(sys.argv[1],timeout=3,context=c);"
        "print(u.status)"
    )
    for name, pattern in probes.items():
        done = netns.run(
            bench.lab.namespace("ctl"),
            [sys.executable, "-c", code, pattern.format(serving.address)],
            check=False,
        )
        assert done.returncode != 0, name


def test_hot_plugged_ports_carry_both_families(bench, serving):
    assert _serves(bench)
    seen = {_answer(bench, 4) for _ in range(24)}
    assert seen == {member.name for member in settings.MEMBERS}


def test_zone_decides_the_leaf(bench):
    amphora = bench.boot(zone="rack2")
    bench.await_agent(amphora)
    nic = bench.attach(amphora, "leaf2", settings.FRONT_END_BRIDGE)
    _plug(bench, amphora, nic, "10.2.0", "fd00:10:2", gateway=True)
    for gateway in ("10.2.0.1", "fd00:10:2::1"):
        done = bench.inside(
            amphora,
            *("ping", "-c", "1", "-w", "5", gateway),
            namespace=amphora_bench.NAMESPACE,
        )
        assert done.returncode == 0, done.stdout
    bench.hypervisor.detach(amphora.instance_id, nic.port_id)
    links = netns.run(bench.lab.namespace("leaf2"), ["ip", "-o", "link"])
    assert nic.tap not in links.stdout
    bench.hypervisor.delete(amphora.instance_id)


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_reboot_keeps_disk_and_interfaces(bench, serving, where):
    mark = uuid.uuid4().hex
    bench.inside(serving, "sh", "-c", f"echo {mark} > /var/lib/mark; sync")
    before = bench.inside(serving, "cat", "/proc/sys/kernel/random/boot_id")
    leader = bench.hypervisor.leader(bench.hypervisor.get(serving.instance_id))
    if where == "outside":
        bench.hypervisor.reboot(serving.instance_id)
    else:
        bench.inside(serving, "systemctl", "reboot")
    process.wait_until(
        lambda: _new_leader(bench, serving) not in (None, leader),
        30.0,
        "another pid 1",
    )
    bench.await_agent(serving)
    _await_service(bench)
    assert bench.inside(serving, "cat", "/var/lib/mark").stdout.strip() == mark
    assert before.returncode == 0


def _new_leader(bench, amphora):
    return bench.hypervisor.leader(bench.hypervisor.get(amphora.instance_id))


@pytest.mark.parametrize("loss", list(hypervisor.Loss))
def test_dead_amphora_serves_again_after_boot(bench, serving, loss):
    instance = bench.hypervisor.get(serving.instance_id)
    bench.hypervisor.kill(instance.id, loss)
    assert not bench.hypervisor.is_running(instance)
    assert not _processes_about(instance.id)
    assert _answer(bench, 4) == ""
    left = _traces(bench, instance)
    assert left.get("taps") in (None, [instance.nics[0].tap])
    if loss is hypervisor.Loss.POWER:
        assert set(left) == {"disk", "description"}
    bench.hypervisor.boot(instance.id)
    _await_service(bench)


def test_paused_amphora_answers_again_when_it_goes_on(bench, serving):
    bench.hypervisor.pause(serving.instance_id, paused=True)
    assert _answer(bench, 4) == ""
    bench.hypervisor.pause(serving.instance_id, paused=False)
    _await_service(bench)


def test_delete_leaves_nothing(bench):
    amphora = bench.boot()
    bench.await_agent(amphora)
    bench.attach(amphora, "leaf1", settings.FRONT_END_BRIDGE)
    instance = bench.hypervisor.get(amphora.instance_id)
    assert len(_traces(bench, instance)) >= 6
    bench.hypervisor.delete(instance.id)
    assert _traces(bench, instance) == {}
    bench.hypervisor.delete(instance.id)


def test_instance_survives_the_death_of_its_maker(bench):
    amphora = bench.order()
    code = (
        "import os,signal,sys;"
        "from octavia_anycast_lab import settings;"
        "from octavia_anycast_lab.amphora import hypervisor;"
        "h=hypervisor.Hypervisor(settings.Lab(name=sys.argv[1]));"
        "h.boot(sys.argv[2]);"
        "os.kill(os.getpid(),signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, bench.lab.name, amphora.instance_id],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    bench.await_agent(amphora)
    bench.hypervisor.delete(amphora.instance_id)


def test_lost_processes_of_a_lab_are_cleaned(bench):
    """A registry that knows nothing any more is enough to clean."""
    lab = settings.Lab(name=f"{bench.lab.name[:6]}x")
    other = amphora_bench.Bench(lab, image.Flavour.STOCK)
    other.up()
    amphora = other.boot()
    other.await_agent(amphora)
    instance = other.hypervisor.get(amphora.instance_id)
    other.registry.path.write_text("")
    cleanup.clean(lab)
    process.wait_until(
        lambda: not _processes_about(instance.id), 5.0, "no process of it"
    )
    assert not netns.path(lab.namespace(instance.label)).exists()
    assert not cgroup.path(lab.name).exists()
    assert not pathlib.Path(instance.disk).exists()
