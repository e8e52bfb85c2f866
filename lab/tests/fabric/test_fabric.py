# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The fabric alone, with stand-ins for amphorae: routes and packets."""

import collections.abc
import contextlib
import ipaddress
import os
import signal
import subprocess
import sys
import time

import losses
import pytest
from octavia_anycast_lab import cleanup, faults, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.fabric import frr, lifecycle, observe, topology, watch
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import (
    clients,
    flows,
    http_probe,
    members,
    traffic_record,
)
from standin import PORT, VIP_V4, VIP_V6, Standin

pytestmark = pytest.mark.lab

PREFIXES = (f"{VIP_V4}/32", f"{VIP_V6}/128")
DEADLINE_SECONDS = 30.0
EVEN = 1.1
HOLD_SECONDS = settings.HOLD_TIME_SECONDS


def target(vip=VIP_V4, **options):
    return http_probe.Target(address=str(vip), port=PORT, **options)


def await_announcers(lab, count, prefixes=PREFIXES):
    process.wait_until(
        lambda: all(
            len(observe.announcers(lab, p)) == count for p in prefixes
        ),
        DEADLINE_SECONDS,
        f"{count} announcers of {prefixes}",
    )


def await_answer(lab, vip):
    """Poll until the client reaches the VIP: the last router has it."""
    process.wait_until(
        lambda: (
            traffic_record.summarize(
                clients.shares(lab, target(vip), 20, 4)
            ).ok
            == 20
        ),
        DEADLINE_SECONDS,
        f"{vip} answers",
    )


@pytest.fixture(scope="module")
def standins(fabric):
    """Four stand-ins, two in each rack, announcing both VIPs."""
    made = [
        Standin(lab=fabric.lab, registry=fabric.registry, index=i, rack=rack)
        for i, rack in enumerate(("rack1", "rack1", "rack2", "rack2"), 1)
    ]
    for standin in made:
        standin.up()
    await_announcers(fabric.lab, len(made))
    for vip in (VIP_V4, VIP_V6):
        await_answer(fabric.lab, vip)
    yield made
    for standin in made:
        standin.down()


@pytest.fixture(autouse=True)
def converged_afterwards(request):
    """A test that breaks the fabric must leave it whole for the next."""
    yield
    if "fabric" in request.fixturenames or "standins" in request.fixturenames:
        instance = request.getfixturevalue("fabric")
        lifecycle.wait_until_converged(instance.lab)
    if "standins" in request.fixturenames:
        await_announcers(
            instance.lab, len(request.getfixturevalue("standins"))
        )


class TestFabric:
    def test_every_router_has_its_sessions(self, fabric):
        for router in frr.routers():
            up = {
                session.peer
                for session in observe.sessions(fabric.lab, router.name)
                if session.is_established
            }
            assert up >= set(router.fabric_interfaces)
            assert observe.bfd_up(fabric.lab, router.name) >= set(
                router.fabric_interfaces
            )

    def test_leaf_has_two_ways_to_another_rack(self, fabric):
        for prefix in ("10.2.0.0/24", "fd00:10:2::/64"):
            for leaf in ("leaf1", "leaf3"):
                hops = observe.fib(fabric.lab, leaf, prefix)
                assert {dev for _, dev in hops} == {"spine1", "spine2"}

    def test_routers_hash_with_seeds_of_their_own(self, fabric):
        seeds = {
            netns.run(
                fabric.lab.namespace(name),
                ["sysctl", "-n", "net.ipv4.fib_multipath_hash_seed"],
            ).stdout
            for name in topology.ROUTER_NAMES
        }
        assert len(seeds) == len(topology.ROUTER_NAMES)

    def test_second_up_changes_nothing(self, fabric):
        before = fabric.registry.entries(registry_lib.Kind.PROCESS)
        lifecycle.up(fabric.lab, fabric.registry)
        assert fabric.registry.entries(registry_lib.Kind.PROCESS) == before

    def test_members_say_who_they_are_on_both_families(self, fabric):
        for member in settings.MEMBERS:
            for address in (member.address_v4.ip, member.address_v6.ip):
                url = http_probe.Target(
                    address=str(address), port=settings.MEMBER_PORT
                )
                done = netns.run(
                    fabric.lab.namespace("member1"),
                    ["curl", "-sgi", "-m3", _url(url)],
                )
                assert f"X-Member: {member.name}" in done.stdout

    def test_main_namespace_has_nothing_of_the_lab(self, fabric):
        links = subprocess.run(
            ["ip", "-o", "link"], capture_output=True, text=True, check=True
        ).stdout
        names = {"br-mgmt", "br-tenant", "fe", "leaf1", "spine1", "to-ctl"}
        assert not names & {line.split(": ")[1] for line in links.splitlines()}

    def test_ports_are_the_cables_only(self, fabric):
        assert set(faults.ports(fabric.lab, "leaf1")) >= {
            "mgmt",
            "spine1",
            "spine2",
        }
        assert not any(
            port.startswith("fe") for port in faults.ports(fabric.lab, "leaf1")
        )


class TestEcmp:
    @pytest.mark.parametrize("vip", [VIP_V4, VIP_V6], ids=["v4", "v6"])
    def test_ten_thousand_connections_spread_evenly(
        self, fabric, standins, vip
    ):
        flows.reset(fabric.lab)
        records = clients.shares(fabric.lab, target(vip), 10_000)
        summary = traffic_record.summarize(records)
        assert summary.ok == 10_000
        assert len(summary.members) == len(standins)
        assert flows.unevenness(summary.members.values()) <= EVEN

    @pytest.mark.parametrize("vip", [VIP_V4, VIP_V6], ids=["v4", "v6"])
    def test_leaves_count_what_the_endpoints_answered(
        self, fabric, standins, vip
    ):
        """Two independent measurements of one thing agree exactly."""
        flows.reset(fabric.lab)
        summary = traffic_record.summarize(
            clients.shares(fabric.lab, target(vip), 1000)
        )
        counted = flows.shares(fabric.lab, vip)
        by_member = {
            standin.name: counted[_front_end(standin, vip)]
            for standin in standins
        }
        assert by_member == summary.members

    def test_eight_amphorae_are_all_used(self, fabric, standins):
        with contextlib.ExitStack() as stack:
            for index, rack in enumerate(("rack1", "rack2") * 2, 5):
                stack.enter_context(
                    _extra(fabric, PREFIXES, index=index, rack=rack)
                )
            await_announcers(fabric.lab, settings.AMPHORA_LIMIT)
            # A kernel follows its bgpd a little later.
            process.wait_until(
                lambda: all(
                    len(observe.fib(fabric.lab, leaf.name, prefix)) == 4
                    for prefix in PREFIXES
                    for leaf in settings.RACK_LEAVES
                ),
                DEADLINE_SECONDS,
                "four next hops in the kernel of each leaf",
            )
            for vip in (VIP_V4, VIP_V6):
                await_answer(fabric.lab, vip)
                summary = traffic_record.summarize(
                    clients.shares(fabric.lab, target(vip), 2000)
                )
                assert summary.ok == 2000
                assert len(summary.members) == settings.AMPHORA_LIMIT

    def test_one_seed_everywhere_is_uneven(self, fabric, standins):
        """Negative control: without own seeds half of the paths are idle."""
        try:
            for name in topology.ROUTER_NAMES:
                netns.sysctls(
                    fabric.lab.namespace(name),
                    {"net.ipv4.fib_multipath_hash_seed": "1"},
                )
            summary = traffic_record.summarize(
                clients.shares(fabric.lab, target(), 2000)
            )
        finally:
            for name in topology.ROUTER_NAMES:
                netns.sysctls(
                    fabric.lab.namespace(name), topology.router_sysctls(name)
                )
        values = [summary.members.get(s.name, 0) for s in standins]
        assert flows.unevenness(values) > EVEN

    def test_paths_say_who_announced_them(self, fabric, standins):
        found = observe.amphora_paths(fabric.lab, PREFIXES[1])
        assert {path.next_hop for path in found} == {
            standin.front_end_v6.ip for standin in standins
        }
        assert {path.peer for path in found} == {
            str(standin.mgmt.ip) for standin in standins
        }
        assert all(path.is_valid and path.is_used for path in found)


class TestPolicy:
    def test_leaf_takes_nothing_but_host_routes_of_the_vip_space(
        self, fabric, standins
    ):
        refused = (
            "203.0.113.1/32",
            "198.51.100.0/25",
            "0.0.0.0/0",
            "10.3.0.10/32",
            "2001:db8:100::/65",
            "2001:db8:999::1/128",
            "::/0",
        )
        taken = ("198.51.100.77/32", "2001:db8:100::77/128")
        with _extra(fabric, refused + taken):
            await_announcers(fabric.lab, 1, taken)
            for name in topology.ROUTER_NAMES:
                for prefix in refused:
                    assert observe.paths(fabric.lab, name, prefix) == ()
        await_announcers(fabric.lab, 0, taken)

    def test_wrong_password_has_no_session(self, fabric, standins):
        before = len(observe.amphora_sessions(fabric.lab))
        with _extra(fabric, PREFIXES, password="wrong"):
            time.sleep(2 * HOLD_SECONDS)
            assert len(observe.amphora_sessions(fabric.lab)) == before
        with _extra(fabric, PREFIXES):
            await_announcers(fabric.lab, len(standins) + 1)

    def test_leaf_tells_amphorae_nothing(self, fabric, standins):
        done = netns.run(
            standins[0].namespace,
            [
                *("birdc", "-s", str(standins[0].home / "bird.ctl")),
                *("show", "protocols", "all", "leaf"),
            ],
        )
        received = [
            line.split()[2]
            for line in done.stdout.splitlines()
            if line.strip().startswith("Import updates:")
        ]
        assert received == ["0", "0"]


class TestFaults:
    def test_planned_withdrawal_loses_nothing(self, fabric, standins):
        """No packet; a request that is under way may be reset (ADR 0078).

        That was one of 30,000 requests in 69 withdrawals on a busy machine:
        it took 13 ms, and the paths went in the middle of them.
        """
        try:
            with _stream(fabric) as records:
                process.stop(fabric.registry, standins[0].speaker_label)
                await_announcers(fabric.lab, len(standins) - 1)
                time.sleep(1)
        finally:
            standins[0].start_speaker()
        assert losses.Losses.of(records).is_planned_change_only, [
            record for record in records if record.is_bad
        ]
        assert not any(record.lost_packets for record in records)

    def test_silence_costs_the_hold_time(self, fabric, standins):
        """Negative control of the test above: this one must lose."""
        lab, victim = fabric.lab, standins[0]
        with _stream(fabric) as records:
            silent = faults.silence_amphora(
                lab, victim.leaf.name, victim.front_end_v4.ip, victim.mgmt.ip
            )
            await_announcers(lab, len(standins) - 1)
            time.sleep(1)
        for role, port in silent:
            faults.end_bridge_port_silence(lab, role, port)
        assert set(silent) == {("leaf1", "p1"), ("mgmt", "m1")}
        window = traffic_record.window(records)
        assert window.bad > 0

    def test_withdrawal_breaks_long_lived_flows(self, fabric, standins):
        """Plain ECMP moves flows: facts, which later work is to improve."""
        generator = clients.start_keepalive(
            fabric.lab, fabric.registry, target(), 200
        )
        process.stop(fabric.registry, standins[0].speaker_label)
        await_announcers(fabric.lab, len(standins) - 1)
        time.sleep(1)
        summary = traffic_record.summarize_flows(generator.stop())
        standins[0].start_speaker()
        assert summary.flows == 200
        assert 20 <= len(summary.broken) < 200

    @pytest.mark.parametrize("daemon", frr.DAEMONS)
    def test_killed_daemon_comes_back(self, fabric, standins, daemon):
        old = faults.kill_daemon(fabric.lab, fabric.registry, "leaf1", daemon)
        label = frr.label("leaf1", daemon)
        process.wait_until(
            lambda: process.pid_of(fabric.registry, label) not in (None, old),
            DEADLINE_SECONDS,
            f"{label} runs again",
        )
        lifecycle.wait_until_converged(fabric.lab)
        await_announcers(fabric.lab, len(standins))
        await_answer(fabric.lab, VIP_V6)

    def test_hung_leaf_daemon_is_noticed(self, fabric, standins):
        faults.hang_daemon(fabric.registry, "leaf1")
        try:
            process.wait_until(
                lambda: (
                    not any(
                        session.is_established
                        for session in observe.sessions(fabric.lab, "spine1")
                        if session.peer == "leaf1"
                    )
                ),
                DEADLINE_SECONDS,
                "spine1 gives leaf1 up",
            )
        finally:
            faults.resume_daemon(fabric.registry, "leaf1")

    @pytest.mark.parametrize("router", ["spine1", "leaf1"])
    def test_lost_router_is_routed_around(self, fabric, standins, router):
        with faults.router_off(fabric.lab, fabric.registry, router):
            for vip in (VIP_V4, VIP_V6):
                await_answer(fabric.lab, vip)
            with pytest.raises(frr.RouterError):
                observe.sessions(fabric.lab, router)

    def test_silent_spine_is_found_by_bfd(self, fabric, standins):
        with _stream(fabric) as records:
            faults.silence(fabric.lab, "spine2", ("leaf1", "leaf2", "leaf3"))
            time.sleep(HOLD_SECONDS)
        faults.end_silence(fabric.lab, "spine2")
        window = traffic_record.window(records)
        assert 0 < window.seconds < HOLD_SECONDS - 1


class TestLeftovers:
    def test_withdrawn_prefix_leaves_nothing(self, fabric):
        prefixes = ("198.51.100.99/32", "2001:db8:100::99/128")
        with _extra(fabric, prefixes):
            await_announcers(fabric.lab, 1, prefixes)
            for prefix in prefixes:
                assert observe.leftovers(fabric.lab, prefix)
        for prefix in prefixes:
            process.wait_until(
                lambda prefix=prefix: (
                    not observe.leftovers(fabric.lab, prefix)
                ),
                DEADLINE_SECONDS,
                f"{prefix} gone",
            )


class TestCrash:
    """A lab of its own, which is killed and cleaned."""

    @pytest.fixture
    def doomed(self, fabric):
        instance = type(fabric).named(f"{fabric.lab.name[:7]}x")
        cleanup.clean(instance.lab)
        yield instance
        cleanup.clean(instance.lab)

    def test_clean_up_leaves_nothing(self, doomed):
        lifecycle.up(doomed.lab, doomed.registry)
        pids = _pids(doomed)
        assert len(pids) > len(topology.ROUTER_NAMES)
        cleanup.clean(doomed.lab)
        assert not any(process.start_time(pid) for pid in pids)
        assert not cleanup.namespaces(doomed.lab, doomed.registry)
        assert not doomed.lab.run_dir.exists()

    @pytest.mark.parametrize("after_seconds", [0.3, 0.8, 2.0])
    def test_up_after_an_up_that_was_killed(self, doomed, after_seconds):
        child = subprocess.Popen(
            [sys.executable, "-c", _UP, doomed.lab.name],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(after_seconds)
        child.send_signal(signal.SIGKILL)
        child.wait()
        lifecycle.up(doomed.lab, doomed.registry)
        assert lifecycle.is_converged(doomed.lab)

    def test_up_repairs_what_was_killed(self, doomed):
        lifecycle.up(doomed.lab, doomed.registry)
        for pid in _pids(doomed):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        lifecycle.up(doomed.lab, doomed.registry)
        assert lifecycle.is_converged(doomed.lab)
        names = ("member1", "member3")
        labels = [watch.LABEL, *map(members.SERVER.label, names)]
        assert all(process.is_alive(doomed.registry, n) for n in labels)


_UP = """
import sys
from octavia_anycast_lab import registry, settings
from octavia_anycast_lab.fabric import lifecycle
lab = settings.Lab(name=sys.argv[1])
lifecycle.up(lab, registry.Registry(lab.run_dir))
"""


def _pids(instance):
    return [
        entry.attrs["pid"]
        for entry in instance.registry.entries(registry_lib.Kind.PROCESS)
    ]


def _url(where):
    host = where.address
    if ipaddress.ip_address(host).version == 6:
        host = f"[{host}]"
    return f"http://{host}:{where.port}/"


def _front_end(standin, vip):
    if vip.version == 4:
        return standin.front_end_v4.ip
    return standin.front_end_v6.ip


@contextlib.contextmanager
def _extra(
    fabric, prefixes, *, index=8, rack="rack2", **options
) -> collections.abc.Iterator[Standin]:
    """One more stand-in for the length of a block."""
    standin = Standin(
        lab=fabric.lab,
        registry=fabric.registry,
        index=index,
        rack=rack,
        **options,
    )
    try:
        standin.up(prefixes)
        yield standin
    finally:
        standin.down()


@contextlib.contextmanager
def _stream(fabric) -> collections.abc.Iterator[list]:
    """New connections during a block; the list is filled at its end."""
    records: list[traffic_record.Record] = []
    with clients.streaming(
        fabric.lab, fabric.registry, target(), 200
    ) as generator:
        time.sleep(1)
        yield records
        records += generator.stop()
