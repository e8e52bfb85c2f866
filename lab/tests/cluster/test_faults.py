# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults, each made for real, one after the other on one load balancer.

After each: both amphorae are next hops of both VIPs again, the load balancer
is ACTIVE, requests are answered, and the planner would do nothing. Deadlines
are generous; timings are for the benchmarks.
"""

import os
import signal
from collections.abc import Callable, Iterator

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench, BgpSession, prefix
from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.cloud import control_plane, controller, database
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress

pytestmark = pytest.mark.lab

EXABGP = "exabgp.service"
SPEAKERD = "octavia-anycast-speakerd.service"
AGENT = "octavia-anycast-agent.service"
EXABGP_CONFIGURATION = "/var/lib/octavia-anycast/exabgp/exabgp.conf"
SECONDS = 60.0


@pytest.fixture(autouse=True)
def healed(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """Whole before each fault, and by itself after it."""
    bench.await_whole(balancer)
    yield
    bench.await_converged(balancer)
    for vip in balancer.vips:
        answers = bench.ask(str(vip), count=20)
        assert {answer.status for answer in answers} == {200}


@pytest.fixture
def victim(bench: Bench, balancer: Balancer) -> Amphora:
    """The amphora which has the fault."""
    return bench.amphorae(balancer)[0]


def _await(condition: Callable[[], bool], what: str) -> None:
    process.wait_until(condition, SECONDS, what, 0.05)


def _haproxy(balancer: Balancer) -> str:
    return f"haproxy-{balancer.id}.service"


# -- the speaker --------------------------------------------------------------


def test_speaker_killed(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """A new session; HAProxy serves all the time, so nothing vanishes."""
    before = bench.session(victim)
    assert before
    with losses.stream(bench, balancer) as stream:
        bench.signal(victim, EXABGP, "KILL")
        _await(
            lambda: (
                bench.is_new(victim, before)
                and bench.announces(balancer, victim)
            ),
            "another session, with the paths",
        )
        lost = stream.end()
    assert lost.is_change_of_routes_only, lost


def test_speaker_hangs(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """Mute but alive: the leaf gives up, then the agent does."""
    before = bench.main_pid(victim, EXABGP)
    with losses.stream(bench, balancer) as stream:
        bench.signal(victim, EXABGP, "STOP")
        _await(lambda: bench.is_withdrawn(balancer, victim), "the withdrawal")
        _await(lambda: bench.announces(balancer, victim), "its return")
        lost = stream.end()
    assert bench.main_pid(victim, EXABGP) != before
    assert lost.is_change_of_routes_only, lost


def test_speaker_misconfigured(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """Its file is spoiled and it starts from that: the agent mends it."""
    good = bench.inside(victim, "cat", EXABGP_CONFIGURATION)
    before = bench.session(victim)
    bench.inside(
        victim,
        *("sh", "-c", f"echo 'neighbor {{ nonsense' > {EXABGP_CONFIGURATION}"),
    )
    bench.signal(victim, EXABGP, "KILL")
    _await(
        lambda: (
            bench.is_new(victim, before) and bench.announces(balancer, victim)
        ),
        "another session, with the paths",
    )
    assert bench.inside(victim, "cat", EXABGP_CONFIGURATION) == good


def test_speaker_daemon_killed(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """Fail-static: the session does not even notice."""
    before = bench.session(victim)
    pid = bench.main_pid(victim, SPEAKERD)
    bench.signal(victim, SPEAKERD, "KILL")
    _await(
        lambda: bench.main_pid(victim, SPEAKERD) not in (0, pid),
        "another daemon",
    )
    bench.await_converged(balancer)
    assert bench.is_kept(victim, before)


def test_agent_killed(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """The session stays; a change made at once is made in the end."""
    before = bench.session(victim)
    pid = bench.main_pid(victim, AGENT)
    bench.signal(victim, AGENT, "KILL")
    _change(bench, balancer)
    bench.await_active(balancer.id)
    assert bench.main_pid(victim, AGENT) not in (0, pid)
    bench.await_converged(balancer)
    assert bench.is_kept(victim, before)


def _change(bench: Bench, balancer: Balancer) -> None:
    """Some change of the configuration, asked for but not awaited."""
    (listener,) = bench.octavia.listeners(
        load_balancer_id=balancer.id, name="web"
    )
    limit = 1000 + (listener.connection_limit + 1) % 100
    bench.octavia.update_listener(listener.id, connection_limit=limit)


# -- the data path ------------------------------------------------------------


def test_haproxy_killed(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """Withdrawn, and announced again once systemd has restarted it."""
    unit = _haproxy(balancer)
    pid = bench.main_pid(victim, unit)
    bench.inside(victim, "systemctl", "stop", unit)
    _await(lambda: bench.is_withdrawn(balancer, victim), "the withdrawal")
    with losses.stream(bench, balancer) as stream:
        bench.inside(victim, "systemctl", "start", unit)
        _await(lambda: bench.announces(balancer, victim), "its return")
        lost = stream.end()
    assert lost.is_change_of_routes_only, "announced before it served"
    pid = bench.main_pid(victim, unit)
    bench.signal(victim, unit, "KILL")
    _await(
        lambda: bench.main_pid(victim, unit) not in (0, pid),
        "HAProxy, restarted",
    )
    _await(lambda: bench.announces(balancer, victim), "its return")


_SQUATTER = """
import socket, time
taken = socket.socket(socket.AF_INET6)
taken.bind(("::", 9999))
time.sleep(600)
"""


def test_listener_that_cannot_be_opened_takes_no_other_along(
    bench: Bench, balancer: Balancer
) -> None:
    """HAProxy goes on with its old configuration, on every amphora.

    It pauses its listeners for a second or two while it tries; that is its
    own affair. Afterwards all that it serves is announced.
    """
    amphorae = bench.amphorae(balancer)
    for amphora in amphorae:
        bench.inside(
            amphora,
            *("systemd-run", "--unit=squatter", "--collect"),
            *("ip", "netns", "exec", "amphora-haproxy"),
            *("python3", "-c", _SQUATTER),
        )
    try:
        made = bench.octavia.create_listener(
            load_balancer_id=balancer.id, protocol="HTTP", protocol_port=9999
        )
        bench.await_converged(balancer)
        answers = bench.ask(balancer.v4, 9999, count=8)
        assert {answer.status for answer in answers} == {0}, "it is broken"
        for vip in balancer.vips:
            answers = bench.ask(str(vip), count=20)
            assert {answer.status for answer in answers} == {200}
        assert bench.is_whole(balancer)
        bench.octavia.delete_listener(made.id)
        bench.await_active(balancer.id)
    finally:
        for amphora in amphorae:
            bench.inside(amphora, "systemctl", "stop", "squatter")


# -- the amphora --------------------------------------------------------------


def test_killed_amphora_is_replaced(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """The one fault that must lose packets: the control of all others."""
    seen = set()
    with losses.stream(bench, balancer) as stream:
        bench.machines.kill(victim.instance_id, hypervisor.Loss.POWER)
        _await(lambda: bench.is_withdrawn(balancer, victim), "the withdrawal")

        def is_replaced() -> bool:
            seen.add(bench.provisioning(balancer.id))
            others = bench.instance_ids(balancer) - {victim.instance_id}
            return len(others) == balancer.size and bench.is_whole(balancer)

        process.wait_until(is_replaced, 180.0, "the replacement", 0.3)
        lost = stream.end()
    assert lost.vanished > 0
    assert seen == {"ACTIVE"}
    left = {a.instance_id for a in bench.amphorae(balancer)}
    assert victim.instance_id not in left


def test_amphora_reboots_without_controller(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """What it was last told is on its disk."""
    before = bench.session(victim)
    controller.stop(bench.registry)
    try:
        bench.machines.reboot(victim.instance_id)
        process.wait_until(
            lambda: (
                bench.is_new(victim, before)
                and bench.announces(balancer, victim)
            ),
            120.0,
            "its paths",
        )
        for vip in balancer.vips:
            bench.await_answers(lambda a: a.status == 200, str(vip), count=20)
    finally:
        controller.start(bench.plane, bench.registry)
    bench.await_converged(balancer)
    kept = {a.instance_id for a in bench.amphorae(balancer)}
    assert victim.instance_id in kept


def test_unreachable_amphora_does_not_hold_up_a_change(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    management = victim.seen.instance.nics[0]
    faults.silence_bridge_port(bench.lab, "mgmt", management.tap)
    _change(bench, balancer)
    bench.await_active(balancer.id)
    process.wait_until(
        lambda: victim.instance_id not in bench.instance_ids(balancer),
        180.0,
        "its replacement",
    )


# -- the control plane --------------------------------------------------------


def test_database_killed(bench: Bench, balancer: Balancer) -> None:
    """Traffic does not notice; a change can be made afterwards."""
    before = bench.instance_ids(balancer)
    with losses.stream(bench, balancer) as stream:
        process.kill(bench.registry, database.LABEL)
        hops = bench.hops(balancer)
        answers = bench.ask(balancer.v6, count=20)
        assert {answer.status for answer in answers} == {200}
        control_plane.start(bench.plane, bench.registry, Progress())
        _change(bench, balancer)
        bench.await_active(balancer.id)
        lost = stream.end()
    assert lost.is_nothing, lost
    assert {len(found) for found in hops.values()} == {balancer.size}
    bench.await_converged(balancer)
    assert bench.instance_ids(balancer) == before, "nobody was replaced"


def test_database_killed_in_the_middle_of_a_change(
    bench: Bench, balancer: Balancer
) -> None:
    _change(bench, balancer)
    process.kill(bench.registry, database.LABEL)
    control_plane.start(bench.plane, bench.registry, Progress())
    bench.await_active(balancer.id)


MOMENTS = ("accepted", "booted", "addressed", "plugged", "announced")


def _moment(bench: Bench, made: Balancer, moment: str) -> bool:
    """Whether a create has come that far."""
    rows = database.query(
        bench.plane,
        "octavia",
        "SELECT status, compute_id, frontend_ip FROM anycast_amphora"
        f" WHERE load_balancer_id = '{made.id}' AND status != 'DELETED'",
    ).splitlines()
    cells = [row.split("\t") for row in rows]
    return {
        "accepted": True,
        "booted": any(row[1] != "NULL" for row in cells),
        "addressed": any(row[0] == "ALLOCATED" for row in cells),
        "plugged": any(row[2] != "NULL" for row in cells),
        "announced": any(bench.hops(made).values()),
    }[moment]


def test_controller_killed_in_the_middle_of_a_create(
    bench: Bench, balancer: Balancer
) -> None:
    """Again and again, further on each time; each new one goes on."""
    name = "interrupted"
    bench.remove_earlier(name)
    web = {"protocol": "HTTP", "protocol_port": 80}
    made = bench.create(name, 2, listeners=[web])
    try:
        for moment in MOMENTS:
            process.wait_until(
                lambda moment=moment: _moment(bench, made, moment),
                180.0,
                f"a create that is {moment}",
                0.05,
            )
            _kill_controller(bench)
        bench.await_converged(made)
        assert len(bench.instance_ids(made)) == made.size
        bench.await_answers(lambda a: a.status == 503, made.v6)
        bench.octavia.delete_load_balancer(made.id, cascade=True)
        _await(lambda: not any(bench.hops(made).values()), "the withdrawal")
        _kill_controller(bench)
        bench.await_gone(made.id)
    finally:
        bench.remove_earlier(name)
    process.wait_until(
        lambda: not bench.leftovers(made), SECONDS, "nothing left", 0.5
    )


def _kill_controller(bench: Bench) -> None:
    """SIGKILL; its supervisor starts another one, as systemd does."""
    pid = controller.pid_of(bench.registry)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    _await(
        lambda: controller.pid_of(bench.registry) not in (None, pid),
        "another controller",
    )


# -- the fabric ---------------------------------------------------------------


def test_routing_daemon_of_a_leaf_killed(
    bench: Bench, balancer: Balancer, victim: Amphora
) -> None:
    """Its amphorae's sessions end and come again; none is replaced."""
    before = bench.instance_ids(balancer)
    session = bench.session(victim)
    leaf = victim.leaf.name
    pid = faults.kill_daemon(bench.lab, bench.registry, leaf)
    _await(
        lambda: (
            process.pid_of(bench.registry, frr.label(leaf, "bgpd"))
            not in (None, pid)
        ),
        "another bgpd",
    )
    process.wait_until(
        lambda: _is_up(bench, victim, session) and bench.is_whole(balancer),
        120.0,
        "another session, with the paths",
    )
    assert bench.instance_ids(balancer) == before


def _is_up(bench: Bench, amphora: Amphora, before: BgpSession) -> bool:
    try:
        return bench.is_new(amphora, before)
    except frr.RouterError:
        return False


def test_leaf_hangs(bench: Bench, balancer: Balancer, victim: Amphora) -> None:
    """The spines give its paths up; it comes back, nobody is replaced."""
    before = bench.instance_ids(balancer)
    leaf = victim.leaf

    def is_used() -> bool:
        return any(
            path.as_path[:1] == (leaf.asn,)
            for spine in settings.SPINES
            for vip in balancer.vips
            for path in observe.paths(bench.lab, spine.name, prefix(vip))
        )

    assert is_used()
    faults.hang_daemon(bench.registry, leaf.name)
    try:
        _await(lambda: not is_used(), "no path by the leaf that hangs")
        # Kernels follow their bgpd a little later, one after the other.
        bench.await_answers(lambda a: a.status == 200, balancer.v4, count=20)
    finally:
        faults.resume_daemon(bench.registry, leaf.name)
    _await(is_used, "its paths again")
    bench.await_converged(balancer)
    assert bench.instance_ids(balancer) == before
