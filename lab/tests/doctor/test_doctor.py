# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor names what is planted in the lab, and is silent on a healthy one.

A distributor beside the lab's own, with BIRD and BFD; four amphorae, two
behind each leaf. Faults are planted in leaf1, in its networks, in one amphora
and in the cloud, and the doctor is asked as an operator asks.
"""

import collections.abc
import dataclasses
import json
import logging
import shlex
import subprocess
import typing

import losses
import planting
import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import shell
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.fabric import frr
from octavia_anycast_lab.host import process
from planting import Planted, Scene

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.lab

NAME = "lab-fabric-doctor"
BALANCER = "doctor"
SIZE = 4
BFD = {
    "min_tx_ms": frr.BFD_INTERVAL_MS,
    "min_rx_ms": frr.BFD_INTERVAL_MS,
    "multiplier": 3,
}
# Gateways are asked once a minute, and shares are those of a minute.
SECONDS = 240.0
ERRORS, WARNINGS = 4, 0
DEFAULT = "default-distributor"
Row = dict[str, typing.Any]


@pytest.fixture(scope="module")
def distributor_id(bench: Bench) -> collections.abc.Iterator[str]:
    """A distributor with driver bird and BFD to each leaf."""
    distributors.ensure(bench.admin)
    found = distributors.find(bench.admin, NAME)
    if found is None:
        body = distributors.body(bench.admin, NAME)
        body["distributor"]["is_default"] = False
        distributors.speak_bird(body, BFD)
        answer = bench.admin.request(
            "POST", rest.LOAD_BALANCER, distributors.PATH, body
        )
        found = answer["distributor"]
    yield str(found["id"])
    distributors.delete(bench.admin, str(found["id"]))


@pytest.fixture(scope="module")
def balancer(
    bench: Bench, distributor_id: str
) -> collections.abc.Iterator[Balancer]:
    """A load balancer of four amphorae on that distributor."""
    bench.remove_earlier(BALANCER)
    made = bench.create_on(distributor_id, BALANCER, SIZE)
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.await_settled(made.id)
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@pytest.fixture(scope="module")
def scene(bench: Bench, balancer: Balancer, distributor_id: str) -> Scene:
    """All of it, found well by the doctor."""
    made = Scene(bench=bench, balancer=balancer, distributor_id=distributor_id)
    assert len(made.behind) == SIZE / 2
    await_silence(made)
    return made


def ask(scene: Scene, *words: str) -> tuple[int, list[Row]]:
    """The exit status of ``distributor check``, and what it prints."""
    done = scene.bench.client.run(
        ["loadbalancer", "distributor", "check", *words, "-f", "json"],
        "admin",
    )
    assert done.returncode in (ERRORS, WARNINGS), done.stderr
    assert "things were checked" in done.stderr
    return done.returncode, json.loads(done.stdout)


def await_silence(scene: Scene) -> None:
    """Wait until the doctor finds nothing; of others, nothing is said."""
    rows: list[Row] = []

    def is_silent() -> bool:
        code, found = ask(scene, NAME)
        of_all = [r for r in ask(scene)[1] if r["check"] == DEFAULT]
        rows[:] = found + of_all
        return not rows and code == 0

    try:
        process.wait_until(is_silent, SECONDS, "a silent doctor", 1.0)
    except TimeoutError as error:
        raise AssertionError(f"the doctor says {rows}") from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is planted, and what the doctor says of it.

    ``words``: what is in the summary. ``command``: what is in the steps.
    ``of_all``: it is not about one distributor. ``under_load``: it is seen by
    traffic alone.
    """

    plant: collections.abc.Callable[[Scene], Planted]
    check: str
    words: tuple[str, ...]
    command: str
    is_warning: bool = False
    of_all: bool = False
    under_load: bool = False


FAULTS = {
    "password": Fault(
        plant=planting.wrong_password,
        check="bgp-sessions",
        words=("with peer leaf1", "MD5 password is another one"),
        command="nstat -az TcpExtTCPMD5Failure",
    ),
    "remote-as": Fault(
        plant=planting.wrong_remote_as,
        check="bgp-sessions",
        words=("refuses our AS", "another one than 65100"),
        command="neighbor GROUP remote-as 65100",
    ),
    "ttl-security": Fault(
        plant=planting.from_further_away,
        check="bgp-sessions",
        words=("TTL security (RFC 5082) does not fit", "ttl_hops 1"),
        command="neighbor GROUP ttl-security hops 1",
    ),
    "hold-time": Fault(
        plant=planting.long_hold_time,
        check="bgp-sessions",
        words=("the router refuses the hold time", "is 3 s"),
        command="neighbor GROUP timers 1 3",
    ),
    "bfd": Fault(
        plant=planting.no_bfd,
        check="bfd",
        words=("the router has no BFD for this neighbour",),
        command="neighbor GROUP bfd profile amphora",
    ),
    "ipv6": Fault(
        plant=planting.no_ipv6,
        check="address-families",
        words=("does not carry IPv6", "is not announced"),
        command="address-family ipv6 unicast",
    ),
    "heartbeats": Fault(
        plant=planting.blocked_heartbeats,
        check="heartbeats",
        words=("answers, and no heartbeat of it", "UDP"),
        command="tcpdump -ni any host",
    ),
    "mtu": Fault(
        plant=planting.low_mtu,
        check="mtu",
        words=("Packets of 1500 octets", "do not reach its gateway"),
        command="ping -c 3 -M do -s 14",
    ),
    "gateway": Fault(
        plant=planting.no_gateway,
        check="gateways",
        words=("has no gateway", "10.1.0.1"),
        command="ip neighbour show",
    ),
    "maximum-paths": Fault(
        plant=planting.one_path,
        check="shares",
        words=("only one path of 2 is used", "maximum-paths is 1"),
        command="maximum-paths 16",
        under_load=True,
    ),
    "next-hop": Fault(
        plant=planting.filtered_next_hop,
        check="shares",
        words=("no traffic comes to", "filtered"),
        command="show route-map",
        under_load=True,
    ),
    "shares": Fault(
        plant=planting.uneven_shares,
        check="shares",
        words=("uneven shares", "polarised"),
        command="fib_multipath_hash_policy",
        is_warning=True,
        under_load=True,
    ),
    "certificate": Fault(
        plant=planting.ending_certificate,
        check="certificates",
        words=("ends at", "was not replaced"),
        command="rotate-certificates",
        is_warning=True,
    ),
    "clock": Fault(
        plant=planting.wrong_clock,
        check="clocks",
        words=("behind the controller's",),
        command="timedatectl",
        is_warning=True,
    ),
    "image": Fault(
        plant=planting.other_image,
        check="images",
        words=(planting.OTHER_IMAGE, "is the newest"),
        command="openstack loadbalancer amphora failover",
        is_warning=True,
    ),
    "default": Fault(
        plant=planting.no_default,
        check=DEFAULT,
        words=("No distributor is the default",),
        command="--default --wait",
        is_warning=True,
        of_all=True,
    ),
}


def await_named(scene: Scene, fault: Fault) -> Row:
    """Wait until the doctor names a fault; the exit status goes with it."""
    rows: list[Row] = []
    words = () if fault.of_all else (NAME,)

    def found() -> Row | None:
        code, rows[:] = ask(scene, *words)
        for row in rows:
            if row["check"] == fault.check and all(
                word in row["summary"] for word in fault.words
            ):
                severities = {one["severity"] for one in rows}
                assert (code == ERRORS) is ("error" in severities)
                return row
        return None

    try:
        process.wait_until(
            lambda: found() is not None, SECONDS, fault.check, 1.0
        )
    except TimeoutError as error:
        raise AssertionError(f"the doctor says {rows}") from error
    return next(
        row
        for row in rows
        if row["check"] == fault.check
        and all(word in row["summary"] for word in fault.words)
    )


def test_a_healthy_lab_is_silent(scene: Scene) -> None:
    """By what the API knows, and by the agents themselves."""
    await_silence(scene)
    done = manage(scene, "doctor", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    assert "0 are wrong" in line
    rows = {
        row["check"]: row
        for row in json.loads(
            scene.bench.openstack(
                *("loadbalancer", "distributor", "check", NAME),
                *("--all", "--long", "-f", "json"),
                cloud="admin",
            )
        )
    }
    LOG.info("%s", json.dumps(rows, indent=1))
    for check in ("bgp-sessions", "bfd", "mtu", "heartbeats", "images"):
        assert rows[check]["severity"] == "ok", rows[check]


def manage(scene: Scene, *words: str) -> "subprocess.CompletedProcess[str]":
    """``octavia-anycast-manage``, as on the controller's host."""
    plane = scene.bench.plane
    argv = ["octavia-anycast-manage", *controller.config_arguments(plane)]
    return subprocess.run(
        shell.command_line(plane, [*argv, *words]),
        env=dict(shell.environment(plane)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_planted_is_named(scene: Scene, name: str) -> None:
    fault = FAULTS[name]
    traffic = losses.stream(scene.bench, scene.balancer)
    stream = traffic.__enter__() if fault.under_load else None
    try:
        with fault.plant(scene):
            row = await_named(scene, fault)
    finally:
        if stream is not None:
            traffic.__exit__(None, None, None)
    commands = " ".join(step["command"] for step in row["steps"])
    LOG.info("%s: %s\n%s", name, row["summary"], commands)
    assert fault.command in commands
    assert (row["severity"] == "warning") is fault.is_warning
    await_silence(scene)


def test_the_doctors_command_opens_the_port(scene: Scene) -> None:
    """What is printed is typed, as it is, and the doctor is silent."""
    fault = Fault(
        plant=planting.closed_port,
        check="security-groups",
        words=("does not let in TCP 80 over IPv4 (listener web)",),
        command="openstack security group rule create",
    )
    with fault.plant(scene):
        row = await_named(scene, fault)
    assert scene.balancer.id in row["summary"]
    for step in row["steps"]:
        program, *words = shlex.split(step["command"])
        assert program == "openstack"
        scene.bench.openstack(*words, cloud="admin")
    await_silence(scene)
