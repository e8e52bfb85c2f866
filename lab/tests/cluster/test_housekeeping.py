# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Housekeeping by hand, beside the running controller, in the real lab.

Certificates are replaced under traffic; orphans are put into the real
Neutron and the lab's hypervisor, next to things that look like them.
"""

import collections.abc
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import losses
import pytest
import sdk
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.amphora.hypervisor import Order
from octavia_anycast_lab.cloud import controller, database, service
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

AGENT = "octavia-anycast-agent.service"
SPEAKERD = "octavia-anycast-speakerd.service"
CERTIFICATE = "/etc/octavia/certs/server.pem"
HERE = pathlib.Path(__file__).parent
SECONDS = 300.0
SERVED_BEFORE = 5.0  # traffic before and after a change


def manage(
    bench: Bench, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run octavia-anycast-manage housekeeping as an operator would."""
    script = deployment.installed_script(
        "octavia-anycast-manage", "octavia_anycast.cmd.manage"
    )
    return subprocess.run(
        shell.command_line(
            bench.plane,
            [
                str(script),
                *controller.config_arguments(bench.plane),
                "housekeeping",
                *arguments,
            ],
        ),
        env=service.environment(bench.plane),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def rotate(bench: Bench, *arguments: str) -> list[dict[str, str]]:
    """Rotate; what the command says of each certificate."""
    done = manage(bench, "rotate-certificates", "-f", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    return list(json.loads(done.stdout)["certificates"])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an agent's TLS port does."""

    serial: int
    status: int
    stranger: int | str

    @property
    def is_refusing_strangers(self) -> bool:
        """Whether a caller without certificate gets no answer."""
        return isinstance(self.stranger, str)


def look(bench: Bench, amphora: Amphora) -> Shown:
    """Call an agent as the controller, and as nobody."""
    done = subprocess.run(
        shell.command_line(
            bench.plane,
            [
                sys.executable,
                str(HERE / "agent_tls.py"),
                str(bench.plane.config_dir / "pki"),
                amphora.id,
                str(amphora.management),
            ],
        ),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return Shown(**json.loads(done.stdout))


def expirations(bench: Bench, balancer: Balancer) -> dict[str, str]:
    """amphora id -> the end of its certificate, as recorded."""
    rows = database.query(
        bench.plane,
        "octavia",
        "SELECT id, cert_expiration FROM anycast_amphora WHERE"
        f" load_balancer_id = '{balancer.id}' AND status = 'ALLOCATED'",
    )
    return dict(line.split("\t") for line in rows.splitlines())


def make_due(bench: Bench, amphora: Amphora) -> None:
    """Have the record say that a certificate ends tomorrow."""
    database.query(
        bench.plane,
        "octavia",
        "UPDATE anycast_amphora SET cert_expiration = NOW() + INTERVAL 1 DAY"
        f" WHERE id = '{amphora.id}'",
    )


def last_heartbeat(bench: Bench, amphora: Amphora) -> str:
    """When an amphora was last heard of."""
    return database.query(
        bench.plane,
        "octavia",
        "SELECT last_update FROM anycast_amphora_health"
        f" WHERE amphora_id = '{amphora.id}'",
    )


def test_rotation_under_traffic_loses_nothing(
    bench: Bench, balancer: Balancer
) -> None:
    bench.await_converged(balancer)
    amphorae = bench.amphorae(balancer)
    before = {a.id: look(bench, a) for a in amphorae}
    assert all(shown.is_refusing_strangers for shown in before.values())
    sessions = {a.id: bench.session(a) for a in amphorae}
    pids = {
        (a.id, unit): bench.main_pid(a, unit)
        for a in amphorae
        for unit in (AGENT, SPEAKERD)
    }
    ends = expirations(bench, balancer)
    heard = {a.id: last_heartbeat(bench, a) for a in amphorae}

    with losses.stream(bench, balancer) as stream:
        time.sleep(SERVED_BEFORE)
        lines = rotate(bench, "--all", "--load-balancer", balancer.id)
        time.sleep(SERVED_BEFORE)
        lost = stream.end()

    assert lost.is_nothing, lost
    assert {line["amphora_id"] for line in lines} == set(before)
    assert {line["outcome"] for line in lines} == {"done"}
    for amphora in amphorae:
        shown = look(bench, amphora)
        assert shown.serial != before[amphora.id].serial
        assert shown.status == 200
        assert shown.is_refusing_strangers
        mode = bench.inside(amphora, "stat", "-c", "%a %U", CERTIFICATE)
        assert mode.split() == ["600", "root"]
        assert bench.is_kept(amphora, sessions[amphora.id])
    assert pids == {
        (a.id, unit): bench.main_pid(a, unit)
        for a in amphorae
        for unit in (AGENT, SPEAKERD)
    }
    now = expirations(bench, balancer)
    assert all(now[i] > ends[i] for i in before)
    process.wait_until(
        lambda: all(last_heartbeat(bench, a) > heard[a.id] for a in amphorae),
        SECONDS,
        "heartbeats after the rotation",
    )
    bench.await_converged(balancer)


def test_only_what_ends_soon_is_replaced(
    bench: Bench, balancer: Balancer
) -> None:
    bench.await_whole(balancer)
    due, other = bench.amphorae(balancer)
    before = {a.id: look(bench, a).serial for a in (due, other)}
    make_due(bench, due)
    (would,) = rotate(bench, "--dry-run")
    assert (would["amphora_id"], would["outcome"]) == (due.id, "found")
    assert look(bench, due).serial == before[due.id]
    (line,) = rotate(bench)
    assert (line["amphora_id"], line["outcome"]) == (due.id, "done")
    assert look(bench, due).serial != before[due.id]
    assert look(bench, other).serial == before[other.id]
    assert rotate(bench) == []


def test_the_controller_does_it_by_itself(
    bench: Bench, balancer: Balancer
) -> None:
    """At its start, and from then on each ``cert_interval``."""
    bench.await_whole(balancer)
    due = bench.amphorae(balancer)[0]
    before = look(bench, due).serial
    make_due(bench, due)
    pid = controller.pid_of(bench.registry)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    process.wait_until(
        lambda: look(bench, due).serial != before,
        SECONDS,
        "a new certificate",
        1.0,
    )
    bench.await_converged(balancer)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """Orphans of ours, and what only looks like one; port or server ids."""

    orphans: frozenset[str]
    others: frozenset[str]


@pytest.fixture
def planted(
    bench: Bench, balancer: Balancer
) -> collections.abc.Iterator[Planted]:
    """Ports in Neutron and an instance without power, by nobody."""
    lost, strange = str(uuid.uuid4()), str(uuid.uuid4())
    ours = sdk.connect(bench.plane, "octavia").network
    tenant = sdk.connect(bench.plane, "demo").network
    network_id = ours.get_subnet(bench.subnets["backend-v4"]).network_id
    name = f"octavia-anycast-fe-{lost}"
    orphan = ours.create_port(network_id=network_id, name=name)
    others = [
        (tenant, tenant.create_port(network_id=network_id, name=name)),
        (
            ours,
            ours.create_port(
                network_id=network_id, name=f"octavia-lb-{strange}"
            ),
        ),
        (
            ours,
            ours.create_port(
                network_id=network_id, name=f"octavia-lb-vrrp-{strange}"
            ),
        ),
    ]
    group = ours.create_security_group(name=f"lb-{strange}")
    servers = [_instance(bench, balancer, lost)]
    stranger = _instance(bench, balancer, strange)
    yield Planted(
        orphans=frozenset({orphan.id, *servers}),
        others=frozenset({p.id for _, p in others} | {group.id, stranger}),
    )
    for proxy, port in (*others, (ours, orphan)):
        proxy.delete_port(port.id, ignore_missing=True)
    ours.delete_security_group(group.id, ignore_missing=True)
    for instance_id in (*servers, stranger):
        bench.machines.delete(instance_id)


def _instance(bench: Bench, balancer: Balancer, amphora_id: str) -> str:
    """An instance with an amphora's name, that nobody boots."""
    like = bench.amphorae(balancer)[0].seen.instance
    instance_id = str(uuid.uuid4())
    bench.machines.create(
        Order(
            instance=machine.Instance(
                id=instance_id,
                name=f"amphora-{amphora_id}",
                zone=like.zone,
                layers=like.layers,
                disk=str(bench.machines.disk_of(instance_id)),
            ),
            files={},
        )
    )
    return instance_id


def _exists(bench: Bench) -> set[str]:
    """Ids of all ports, groups and instances."""
    network = sdk.connect(bench.plane, "admin").network
    return (
        {port.id for port in network.ports()}
        | {group.id for group in network.security_groups()}
        | {i.id for i in bench.machines.instances()}
    )


def test_orphans_go_and_what_looks_like_them_stays(
    bench: Bench, balancer: Balancer, planted: Planted
) -> None:
    """Whoever sweeps first, the controller or the operator."""
    before = _exists(bench) - planted.orphans
    assert planted.others <= before

    def sweep() -> dict[str, str]:
        done = manage(bench, "sweep", "-f", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        orphans = json.loads(done.stdout)["orphans"]
        return {o["id"]: o["outcome"] for o in orphans}

    def are_gone() -> bool:
        sweep()
        return not planted.orphans & _exists(bench)

    process.wait_until(are_gone, SECONDS, "the orphans gone", 3.0)
    assert before <= _exists(bench)
    (reported,) = sweep().items()
    assert reported[0] in planted.others
    assert reported[1] == "foreign"
    hops = bench.hops(balancer).values()
    assert {len(some) for some in hops} == {balancer.size}


def test_the_control_a_dead_amphora_loses_requests(
    bench: Bench, balancer: Balancer
) -> None:
    """What rotation must not do is seen by the same stream."""
    bench.await_converged(balancer)
    victim = bench.amphorae(balancer)[0]
    with losses.stream(bench, balancer) as stream:
        time.sleep(SERVED_BEFORE)
        bench.machines.kill(victim.instance_id)
        time.sleep(SERVED_BEFORE)
        lost = stream.end()
    assert not lost.is_nothing
    bench.await_converged(balancer)


def test_purge_in_the_real_database(bench: Bench, balancer: Balancer) -> None:
    """The amphora that died before is long gone; a record is nobody's."""

    def sql(statement: str) -> str:
        return database.query(bench.plane, "octavia", statement)

    def known() -> set[str]:
        return set(sql("SELECT id FROM anycast_amphora").split())

    def purge(*arguments: str) -> dict[str, int]:
        done = manage(bench, "purge", "-f", "json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = json.loads(done.stdout)["rows"]
        return {table: count for table, count in rows.items() if count}

    deleted = "FROM anycast_amphora WHERE status = 'DELETED'"
    gone = set(sql(f"SELECT id {deleted}").split())
    assert gone
    sql(
        "UPDATE anycast_amphora SET status_since = NOW() - INTERVAL 8 DAY"
        " WHERE status = 'DELETED'"
    )
    sql(
        "INSERT INTO anycast_amphora_health"
        " (amphora_id, last_update, busy, created_at)"
        f" VALUES ('{uuid.uuid4()}', NOW(), 0, NOW())"
    )
    before = known()
    wanted = {"anycast_amphora": len(gone), "anycast_amphora_health": 1}
    # Whatever the controller, which purges as well, has left of it.
    would = purge("--dry-run")
    assert would.items() <= wanted.items()
    assert purge().items() <= wanted.items()
    assert known() == before - gone
    assert purge() == {}
    bench.await_converged(balancer)
