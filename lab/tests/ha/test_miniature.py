# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Controllers in miniature on etcd and Galera: nothing twice, nothing left.

Three of them, each with its own members of both, have as many servers for
each cluster as it wants, while sizes change and faults come. In the end each
row has its server and each server its row; no amphora ever has two servers.
"""

import collections.abc
import contextlib
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from contending import LEASE_SECONDS
from octavia_anycast_lab.ha import etcd, galera, nodes
from octavia_anycast_lab.ha.miniature import DISTRIBUTOR, servers
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import process
from three_nodes import SCHEMA, SECONDS, files, long_only, url

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.model.cluster import ClusterRecord, ClusterSize
from octavia_anycast.model.errors import Retryable

pytestmark = pytest.mark.lab

CLUSTERS = 6
MOST = 4
CHANGE_SECONDS = 0.5
LONG_SECONDS = 120.0


class Fleet:
    """The controllers of one test, their database and their cloud."""

    def __init__(self, lab, members: tuple[Node, ...], cloud: Path) -> None:
        self.lab = lab
        self.members = members
        self.cloud = cloud
        self.labels: list[str] = []
        self.doubled: set[str] = set()
        self._databases = [Database(url(node)) for node in members]

    def start(self, node: Node, *options: str) -> str:
        """Start one on a node; returns its label."""
        label = f"miniature-{len(self.labels)}"
        self.labels.append(label)
        address = f"etcd3+http://{node.address}:{etcd.CLIENT_PORT}"
        process.spawn(
            self.lab.registry,
            label,
            [
                *(sys.executable, "-W", "ignore", "-m"),
                "octavia_anycast_lab.ha.miniature",
                f"{address}?timeout={LEASE_SECONDS}",
                galera.connection(node, SCHEMA),
                *(str(self.cloud), *options),
            ],
            namespace=node.namespace,
            log=node.log(label),
        )
        return label

    def send(self, label: str, number: signal.Signals) -> None:
        """Send one of them a signal."""
        process.send(self.lab.registry, label, number)

    def is_stopped(self, label: str) -> bool:
        """Whether it has stopped itself."""
        pid = process.pid_of(self.lab.registry, label)
        text = Path(f"/proc/{pid}/stat").read_text() if pid else ""
        return text.rpartition(")")[2].split()[:1] == ["T"]

    def end(self) -> None:
        """End all of them."""
        for label in self.labels:
            process.kill(self.lab.registry, label)

    def resize(self) -> None:
        """Give a cluster another size, by any node; it may be away."""
        key, size = f"lb{random.randrange(CLUSTERS)}", random.randint(1, MOST)
        wanted = ClusterSize(desired=size, minimum=1, maximum=MOST)
        with (
            contextlib.suppress(Retryable),
            random.choice(self._databases).transaction() as session,
        ):
            clusters.update(session, key, size=wanted)

    def look(self) -> None:
        """Note amphorae with two servers."""
        counts = Counter(servers(self.cloud).values())
        self.doubled |= {i for i, count in counts.items() if count > 1}

    def trouble(self) -> str:
        """What is not as it should be; empty: all is."""
        try:
            with self._databases[0].transaction() as session:
                wanted = clusters.list_all(session)
                records = amphorae.list_all(session)
        except Retryable as e:
            return str(e)
        counts = Counter(record.load_balancer_id for record in records)
        for cluster in wanted:
            count = counts[cluster.load_balancer_id]
            if count != cluster.size.desired:
                return f"{cluster.load_balancer_id} has {count} amphorae"
        rows = {record.compute_id: record.id for record in records}
        if rows != servers(self.cloud):
            return f"rows {rows}, servers {servers(self.cloud)}"
        return ""

    def await_whole(self, seconds: float = LONG_SECONDS) -> None:
        """Wait until all is as it should be, and stays so."""
        try:
            process.wait_until(
                lambda: not self.trouble(), seconds, "as it should be", 0.2
            )
        except TimeoutError as e:
            raise AssertionError(self.trouble()) from e

    @contextlib.contextmanager
    def changing(self) -> collections.abc.Iterator[None]:
        """Have sizes change meanwhile."""
        is_over = threading.Event()

        def change() -> None:
            while not is_over.wait(CHANGE_SECONDS):
                self.resize()
                self.look()

        thread = threading.Thread(target=change)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@pytest.fixture
def fleet(
    lab, coordinated, replicated, tmp_path
) -> collections.abc.Iterator[Fleet]:
    """Clusters that have nothing yet, and nobody who looks after them."""
    galera.await_synced(replicated)
    _empty(replicated[0])
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    made = Fleet(lab, replicated, cloud)
    with Database(url(replicated[0])).transaction() as session:
        for number in range(CLUSTERS):
            clusters.create(session, _cluster(f"lb{number}"))
    yield made
    made.end()


def _empty(node: Node) -> None:
    """Remove all rows but the version, and make one distributor."""
    tables = galera.query(
        node, SCHEMA, "SHOW TABLES LIKE 'anycast\\\\_%'"
    ).split()
    tables.remove("anycast_alembic_version")
    deletions = "; ".join(f"DELETE FROM {table}" for table in tables)
    galera.query(
        node,
        SCHEMA,
        f"SET foreign_key_checks = 0; {deletions}; "
        "INSERT INTO anycast_distributor (id, name, description, "
        "distributor_type, provisioning_status, operating_status, enabled, "
        f"created_at) VALUES ('{DISTRIBUTOR}', '', '', 'l3_bgp', 'ACTIVE', "
        "'ONLINE', 1, '2026-01-01')",
    )


def _cluster(key: str) -> ClusterRecord:
    return ClusterRecord(
        load_balancer_id=key,
        project_id="p",
        distributor_id=DISTRIBUTOR,
        size=ClusterSize(desired=2, minimum=1, maximum=MOST),
    )


def wait(seconds: float) -> None:
    """Let something last."""
    began = time.monotonic()
    process.wait_until(
        lambda: time.monotonic() - began > seconds, 2 * seconds, "a while"
    )


def paused_and_overtaken(fleet: Fleet, *options: str) -> None:
    """Pause one while it orders a server, until the others have done all."""
    paused = fleet.start(fleet.members[0], "--pause", *options)
    process.wait_until(lambda: fleet.is_stopped(paused), SECONDS, "a pause")
    assert not servers(fleet.cloud)
    for node in fleet.members[1:]:
        fleet.start(node)
    fleet.await_whole()
    fleet.send(paused, signal.SIGCONT)


def test_who_orders_a_server_too_late_takes_it_back(fleet):
    paused_and_overtaken(fleet)
    began = time.monotonic()
    # It takes part again: so what it was at is over.
    with fleet.changing():
        wait(2 * LEASE_SECONDS)
    assert time.monotonic() - began > LEASE_SECONDS
    fleet.await_whole()
    assert not fleet.doubled


def test_without_a_fence_a_server_is_left_over(fleet):
    """The control."""
    paused_and_overtaken(fleet, "--unfenced")
    process.wait_until(
        lambda: "servers" in fleet.trouble(), SECONDS, "a server too many"
    )
    wait(2 * LEASE_SECONDS)
    with pytest.raises(AssertionError, match="servers"):
        fleet.await_whole(LEASE_SECONDS)


def kill_one(fleet: Fleet) -> None:
    process.kill(fleet.lab.registry, fleet.labels[0])


def pause_one(fleet: Fleet) -> None:
    fleet.send(fleet.labels[0], signal.SIGSTOP)
    wait(3 * LEASE_SECONDS)
    fleet.send(fleet.labels[0], signal.SIGCONT)


def kill_the_leader(fleet: Fleet) -> None:
    leader = etcd.leader(fleet.members)
    assert leader is not None
    etcd.kill(leader, fleet.lab.registry)
    wait(2 * LEASE_SECONDS)


def no_quorum_of_etcd(fleet: Fleet) -> None:
    for node in fleet.members[1:]:
        etcd.kill(node, fleet.lab.registry)
    wait(60)


def kill_a_database_node(fleet: Fleet) -> None:
    galera.kill(fleet.members[1], fleet.lab.registry)
    wait(2 * LEASE_SECONDS)


def join_by_sst(fleet: Fleet) -> None:
    kill_a_database_node(fleet)
    galera.forget_data(fleet.members[1])
    galera.restart(fleet.members[1], fleet.lab.registry)


def desync_a_database_node(fleet: Fleet) -> None:
    galera.desync(fleet.members[1], is_on=True)
    wait(2 * LEASE_SECONDS)
    galera.desync(fleet.members[1], is_on=False)


def split_one_off(fleet: Fleet) -> None:
    nodes.split_off(fleet.members[2])
    wait(4 * LEASE_SECONDS)


def restart_all(fleet: Fleet) -> None:
    registry = fleet.lab.registry
    for label, node in zip(fleet.labels, fleet.members, strict=True):
        process.kill(registry, label)
        galera.kill(node, registry)
        etcd.kill(node, registry)
    etcd.start(fleet.members, registry, files().etcd)
    galera.restart_all(fleet.members, registry)
    for node in fleet.members:
        fleet.start(node)


def heal(fleet: Fleet) -> None:
    """Have etcd and Galera whole again; a controller may stay away."""
    for node in fleet.members:
        nodes.rejoin(node)
    etcd.start(fleet.members, fleet.lab.registry, files().etcd)
    for node in fleet.members:
        galera.restart(node, fleet.lab.registry)
    galera.await_synced(fleet.members)


@pytest.mark.parametrize(
    "fault",
    [
        kill_one,
        pause_one,
        pytest.param(kill_the_leader, marks=long_only),
        kill_a_database_node,
        pytest.param(no_quorum_of_etcd, marks=long_only),
        pytest.param(join_by_sst, marks=long_only),
        pytest.param(desync_a_database_node, marks=long_only),
        pytest.param(split_one_off, marks=long_only),
        pytest.param(restart_all, marks=long_only),
    ],
)
def test_a_fault_while_sizes_change(fleet, fault):
    for node in fleet.members:
        fleet.start(node)
    fleet.await_whole()
    with fleet.changing():
        fault(fleet)
        heal(fleet)
        wait(LEASE_SECONDS)
    fleet.await_whole()
    assert not fleet.doubled
