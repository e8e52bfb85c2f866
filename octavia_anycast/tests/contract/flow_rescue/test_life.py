# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The program while the agent restarts, changes its mind, or switches it off.

Each test of traffic has connections at member 1 whose packets reach member 2.
"""

import logging
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent import process
from octavia_anycast.agent.flow_rescue import layout, loader
from octavia_anycast.agent.flow_rescue.flow_rescue import (
    Rescuer,
    RescueSetup,
)
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.agent.flow_rescue.loader import (
    TUNNEL_INTERFACE,
    Loader,
    RescuePaths,
)
from octavia_anycast.agent.frontend.frontend import (
    FrontendPaths,
    FrontendSetup,
)
from octavia_anycast.model.wire import (
    DesiredState,
    Frontend,
    FrontendAddress,
    ListenerSocket,
    RescueState,
)
from octavia_anycast.tests.contract.flow_rescue import killed_loader
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    SECRETS,
    SERVICES,
    VIPS,
    Traffic,
    echoes,
    eventually,
    ip,
    run,
)


@pytest.fixture
def traffic(bench):
    """Traffic on connections that are rescued."""
    bench.switch_on()
    bench.route(1)
    connections = [bench.connect(version) for version in (4, 6) * 4]
    assert all(map(echoes, connections))
    bench.route(2)
    with Traffic(connections) as running:
        yield running
        running.goes_on()
    assert running.broken == 0


def test_a_restart_of_the_agent_loses_nothing(bench, traffic):
    traffic.goes_on()
    floods = bench.members[1].own().floods
    for _ in range(3):
        for member in bench.members:
            member.rescuer = member.make_rescuer()
            member.apply(bench.wanted())
        traffic.goes_on()
    # Nor was anything searched for anew: what was learnt is there.
    assert bench.members[1].own().floods == floods


def test_a_release_with_other_maps_takes_over(bench, traffic, monkeypatch):
    before = layout.VERSION
    monkeypatch.setattr(layout, "VERSION", "next")
    for member in bench.members:
        member.rescuer = member.make_rescuer()
        member.apply(bench.wanted())
        traffic.goes_on()
        pins = member.rescuer.loader.paths.pin_root
        assert not os.path.exists(f"{pins}/{before}")


def test_the_secret_rotates(bench, traffic):
    old, new = SECRETS
    for secrets in ((old, new), (new, old), (new,)):
        for member in bench.members:
            member.apply(bench.wanted(secrets=secrets))
            traffic.goes_on()
    assert sum(m.total("forged") for m in bench.members) == 0


def test_members_come_and_go(bench, traffic):
    for numbers in ((1, 2), (1, 2, 3), (2, 1), (3, 2, 1)):
        for member in bench.members:
            member.apply(bench.wanted(*numbers))
        traffic.goes_on()


def test_a_program_that_was_detached_by_hand_comes_back(bench, traffic):
    for member in bench.members[::2]:
        for device in ("eth1", TUNNEL_INTERFACE):
            tc = ("tc", "filter", "del", "dev", device, "ingress")
            bench.within(f"m{member.number}", *tc)
        member.apply(bench.wanted())
        assert filters(bench, member, "eth1")
        assert filters(bench, member, TUNNEL_INTERFACE)


def filters(bench, member, device):
    """Which programs are attached."""
    tc = ("tc", "filter", "show", "dev", device, "ingress")
    return bench.within(f"m{member.number}", *tc)


def test_a_device_that_was_deleted_by_hand_comes_back(bench, traffic):
    for member in bench.members[2:]:
        ip("-n", member.namespace, "link", "del", TUNNEL_INTERFACE)
        member.apply(bench.wanted())
        assert filters(bench, member, TUNNEL_INTERFACE)


def test_the_same_again_changes_nothing(bench):
    bench.switch_on()
    member = bench.members[0]

    def seen():
        shown = [
            filters(bench, member, device)
            for device in ("eth1", TUNNEL_INTERFACE)
        ]
        for name in (Map.MEMBERS, Map.SLOTS, Map.SERVICES, Map.CONFIGS):
            with member.rescuer.loader.map(name) as map:
                shown.append(map.entries())
        return shown

    before = seen()
    member.apply(bench.wanted())
    assert seen() == before


def traces(bench, member):
    """What flow rescue leaves in a member's namespace and file system."""
    role = f"m{member.number}"
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        mounts = [line for line in stream if member.namespace in line]
    return (
        bench.within(role, "ip", "-br", "link"),
        bench.within(role, "tc", "qdisc"),
        filters(bench, member, "eth1"),
        os.path.exists(member.rescuer.loader.paths.pin_root),
        # The namespace's own file is mounted, too.
        [line for line in mounts if "nsfs" not in line],
    )


def test_switched_off_it_leaves_no_trace(bench):
    bench.route(1)
    before = [traces(bench, member) for member in bench.members]
    bench.switch_on()
    assert [traces(bench, member) for member in bench.members] != before
    for member in bench.members:
        member.apply(None)
    assert [traces(bench, member) for member in bench.members] == before
    assert echoes(bench.connect(4))


def dies(member, wanted, step, number):
    """Let an agent of this member be killed after the n-th call of a step."""
    content = pickle.dumps(
        (member.id, member.rescuer.loader.paths, wanted, SERVICES)
    )
    argv = (sys.executable, "-m", killed_loader.__name__, step, str(number))
    done = subprocess.run(
        argv, check=False, capture_output=True, input=content
    )
    assert done.returncode == -signal.SIGKILL, (step, number, done)


LOADING = (
    ("libbpf", 10),  # the maps are pinned, no program is
    ("libbpf", 11),  # one of two programs is
    ("command", 1),  # the device is made
    ("write", 7),
    ("command", 4),  # the tunnel has its program, the front end has none
)
REMOVING = (
    ("command", 1),  # no filter at the front end
    ("command", 3),  # no device
    ("umount", 1),
)


def test_an_agent_that_was_killed_while_it_sets_up_is_followed(bench):
    """Its successor brings about what is wanted, whatever it finds."""
    bench.switch_on()
    two = bench.members[1]
    for step, number in LOADING:
        two.apply(None)
        dies(two, bench.wanted(), step, number)
        two.rescuer = two.make_rescuer()
        two.apply(bench.wanted())
        bench.route(1)
        connection = bench.connect(4)
        assert echoes(connection)
        bench.route(2)
        assert echoes(connection), (step, number)


@pytest.mark.parametrize("steps", [LOADING[::2], REMOVING])
def test_an_agent_that_was_killed_in_the_middle_leaves_no_trace(bench, steps):
    """Its successor removes what it finds."""
    two = bench.members[1]
    before = traces(bench, two)
    for step, number in steps:
        is_removing = steps is REMOVING
        if is_removing:
            two.apply(bench.wanted())
        dies(two, None if is_removing else bench.wanted(), step, number)
        two.rescuer = two.make_rescuer()
        two.apply(None)
        assert traces(bench, two) == before, (step, number)


def test_a_tunnel_without_its_program_is_closed(bench):
    """Anybody's frames would come in by it, whatever their secret."""
    two = bench.members[1]
    dies(two, bench.wanted(), "command", 3)  # it has no program yet
    device = ("-n", two.namespace, "-br", "link", "show", TUNNEL_INTERFACE)
    assert "UP" not in ip(*device)
    two.rescuer = two.make_rescuer()
    two.apply(bench.wanted())
    assert "UP" in ip(*device)


def test_one_line_for_each_change_of_state(bench, caplog, monkeypatch):
    """None for what stays as it is, and none for packets."""
    member = bench.members[0]
    caplog.set_level(logging.INFO, "octavia_anycast")

    def lines(wanted=True):
        caplog.clear()
        for _ in range(3):
            member.rescuer.apply(
                bench.wanted() if wanted else None,
                SERVICES,
                member.ip_versions,
            )
        return [record.getMessage() for record in caplog.records]

    assert lines(wanted=False) == []
    assert lines() == ["Flow rescue is on"]
    bench.route(1)
    connection = bench.connect(4)
    caplog.clear()
    assert echoes(connection)
    bench.inject("client", *[b"\x45" + bytes(39)] * 10)
    assert caplog.records == []
    assert lines(wanted=False) == ["Flow rescue is off"]
    monkeypatch.setattr(loader, "_BTF_PATH", "/nonexistent/vmlinux")
    assert lines() == [
        "Flow rescue is unsupported: the kernel has no BTF "
        "(/nonexistent/vmlinux is missing)"
    ]
    monkeypatch.undo()
    assert lines() == ["Flow rescue is on"]
    tc = ("tc", "filter", "del", "dev", "eth1", "ingress")
    bench.within("m1", *tc)
    assert lines() == [
        "flow_rescue_frontend was not attached to eth1 any more; "
        "attached it again"
    ]
    ip("-n", member.namespace, "link", "set", "eth1", "name", "eth9")
    assert lines() == [
        "Flow rescue is failed: the front-end interface is not there yet"
    ]


def test_a_filter_of_somebody_else_stays_and_works(bench):
    dropping = ("bpf", "da", "bytecode", "1,6 0 0 2,")  # TC_ACT_SHOT for all
    member = bench.members[0]
    bench.route(1)
    bench.within("m1", "tc", "qdisc", "add", "dev", "eth1", "clsact")
    tc = ("filter", "add", "dev", "eth1", "ingress", "prio", "9", *dropping)
    bench.within("m1", "tc", *tc)
    before = filters(bench, member, "eth1")
    member.apply(bench.wanted())
    with pytest.raises(TimeoutError):
        bench.connect(4, timeout=0.3)
    member.apply(None)
    assert filters(bench, member, "eth1") == before


def test_a_cluster_without_object_file_is_unsupported(bench, tmp_path):
    paths = RescuePaths(
        namespace=bench.members[0].namespace,
        object_path="/nonexistent/flow_rescue.bpf.o",
        pin_root=str(tmp_path / "pins"),
    )
    rescuer = Rescuer(Loader(paths), bench.members[0].id)
    rescuer.apply(bench.wanted(), SERVICES, frozenset((4, 6)))
    report = rescuer.report()
    assert report.state is RescueState.UNSUPPORTED
    assert "flow_rescue.bpf.o" in report.reason
    assert not os.path.exists(paths.pin_root)


def test_an_object_that_the_kernel_refuses_is_unsupported(bench, tmp_path):
    broken = tmp_path / "broken.bpf.o"
    broken.write_bytes(b"\x7fELF, but no program")
    paths = RescuePaths(
        namespace=bench.members[0].namespace,
        object_path=str(broken),
        pin_root=str(tmp_path / "pins"),
    )
    rescuer = Rescuer(Loader(paths), bench.members[0].id)
    rescuer.apply(bench.wanted(), SERVICES, frozenset((4, 6)))
    report = rescuer.report()
    assert report.state is RescueState.UNSUPPORTED
    assert "does not take the program" in report.reason
    assert not os.path.exists(paths.pin_root)


def test_a_kernel_without_btf_is_unsupported(bench, monkeypatch):
    monkeypatch.setattr(loader, "_BTF_PATH", "/nonexistent/vmlinux")
    member = bench.members[0]
    member.rescuer.apply(bench.wanted(), SERVICES, member.ip_versions)
    report = member.rescuer.report()
    assert report.state is RescueState.UNSUPPORTED
    assert "BTF" in report.reason
    monkeypatch.undo()
    member.apply(bench.wanted())


@pytest.mark.parametrize(
    ("program", "reason"), [("tc", "clsact"), ("ip", "VXLAN")]
)
def test_a_kernel_without_a_device_is_unsupported(
    bench, monkeypatch, program, reason
):
    """As it is where a module is missing: the command fails."""
    member, run = bench.members[0], process.run

    def failing(argv, **options):
        return argv[0] != program and run(argv, **options)

    monkeypatch.setattr(process, "run", failing)
    member.rescuer.apply(bench.wanted(), SERVICES, member.ip_versions)
    monkeypatch.undo()
    report = member.rescuer.report()
    assert report.state is RescueState.UNSUPPORTED
    assert reason in report.reason
    assert not os.path.exists(member.rescuer.loader.paths.pin_root)


def test_maps_that_were_unpinned_by_hand_are_made_anew(bench, traffic):
    member = bench.members[2]
    run("umount", member.rescuer.loader.paths.pin_root)
    member.rescuer.apply(bench.wanted(), SERVICES, member.ip_versions)
    member.apply(bench.wanted())


def test_without_a_front_end_it_is_tried_again(bench):
    member = bench.members[0]
    ip("-n", member.namespace, "link", "set", "eth1", "name", "eth9")
    member.rescuer.apply(bench.wanted(), SERVICES, member.ip_versions)
    report = member.rescuer.report()
    assert report.state is RescueState.FAILED
    assert "front-end interface" in report.reason
    ip("-n", member.namespace, "link", "set", "eth9", "name", "eth1")
    member.apply(bench.wanted())


def test_the_agent_brings_it_about_and_removes_it(bench, tmp_path):
    """As speakerd does, with the routes of the VIPs."""
    member = bench.members[0]
    frontend = FrontendSetup(
        FrontendPaths(
            namespace=member.namespace,
            interface_directory=str(tmp_path / "interfaces"),
            plugged_path=str(tmp_path / "plugged"),
            masquerade_program="/nonexistent",
        )
    )
    # sysctl --system would change the machine's settings, too.
    frontend._has_sysctls = True
    rescue = RescueSetup(member.rescuer)
    state = desired_state(bench, member)

    def put(state):
        is_rescuing = state.flow_rescue is not None
        frontend.want(
            state.frontend, frozenset(VIPS.values()), is_rescuing=is_rescuing
        )
        rescue.want(state)

    put(state)
    eventually(lambda: rescue.report().state is RescueState.ON, "it is on")
    eventually(lambda: "advmss 1390" in vip_routes(member, 4), "the MSS")
    eventually(lambda: "advmss 1370" in vip_routes(member, 6), "the MSS")
    for other in bench.members[1:]:
        other.apply(bench.wanted())
    bench.route(2)
    connection = bench.connect(4)
    bench.route(1)
    assert echoes(connection)
    put(replace(state, flow_rescue=None))
    eventually(lambda: rescue.report().state is RescueState.OFF, "it is off")
    for version in (4, 6):
        eventually(
            lambda v=version: "advmss" not in vip_routes(member, v), "no MSS"
        )
    assert not filters(bench, member, "eth1")
    rescue.close()
    frontend.close()


def vip_routes(member, version):
    """The routes by which the VIPs answer."""
    words = ("route", "show", "table", "1")
    return ip("-n", member.namespace, f"-{version}", *words)


def desired_state(bench, member):
    """What a controller sends to a member of the bench."""
    link = member.rescuer.loader.links()["eth1"]
    addresses = tuple(
        FrontendAddress(
            ip_address=member.addresses[version],
            prefix_length=length,
            gateway=ip_address(gateway),
        )
        for version, length, gateway in (
            (4, 24, "10.9.1.1"),
            (6, 64, "fd09:0:0:1::1"),
        )
    )
    return DesiredState(
        amphora_id=member.id,
        revision="r1",
        router_id="10.0.0.1",
        frontend=Frontend(
            mac_address=link.mac_address, mtu=1500, addresses=addresses
        ),
        listeners=tuple(
            ListenerSocket(listener_id="l1", ip_address=vip, port=port)
            for vip, port in SERVICES
        ),
        flow_rescue=bench.wanted(),
    )
