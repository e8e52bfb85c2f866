# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What has to be one controller's, on a real Galera: each on another node.

``SELECT ... FOR UPDATE`` locks on its own node only. Each test has a control
that relies on it, and that goes wrong.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from octavia_anycast_lab.ha import galera
from octavia_anycast_lab.host import process
from three_nodes import SCHEMA, SECONDS, url

from octavia_anycast.controller.cluster import tasks
from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.meter import NO_METER
from octavia_anycast.db import epochs
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.db.models import Cluster
from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.errors import Conflict, Overtaken, Retryable

pytestmark = pytest.mark.lab

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 3
AT_ONCE = 4
ROUNDS = 10
BOOT_TIMEOUT = 600


@pytest.fixture
def databases(replicated) -> list[Database]:
    """Our tables, empty but for one cluster, by each node."""
    galera.await_synced(replicated)
    tables = galera.query(
        replicated[0], SCHEMA, "SHOW TABLES LIKE 'anycast\\_%'"
    ).split()
    tables.remove("anycast_alembic_version")
    deletions = "; ".join(f"DELETE FROM {table}" for table in tables)
    galera.query(
        replicated[0], SCHEMA, f"SET foreign_key_checks = 0; {deletions}"
    )
    galera.query(
        replicated[0],
        SCHEMA,
        "INSERT INTO anycast_distributor (id, name, description, "
        "distributor_type, provisioning_status, operating_status, enabled, "
        "created_at) VALUES ('d', '', '', 'l3_bgp', 'ACTIVE', 'ONLINE', 1, "
        "'2026-01-01')",
    )
    made = [Database(url(node)) for node in replicated]
    record = ClusterRecord(
        load_balancer_id="lb",
        project_id="p",
        distributor_id="d",
        size=ClusterSize(desired=2, minimum=1, maximum=4),
        created_at=NOW,
    )
    with made[0].transaction() as session:
        clusters.create(session, record)
        for name in ("a1", "a2"):
            amphorae.create(session, amphora(name))
    for database in made:
        await_seen(database, lambda session: clusters.get(session, "lb"))
    return made


def amphora(amphora_id: str) -> AmphoraRecord:
    return AmphoraRecord(
        id=amphora_id,
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=NOW,
    )


def await_seen(database: Database, look: Callable[[Any], Any]) -> None:
    """Wait until a node has applied what another one committed."""

    def is_there() -> bool:
        with database.transaction() as session:
            return bool(look(session))

    process.wait_until(is_there, SECONDS, "a row on another node", 0.02)


def together(works: list[Callable[[], Any]]) -> list[Any]:
    """Do all of it at the same time; what came of each."""
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        barrier.wait(SECONDS)
        try:
            return work()
        except Retryable as e:
            return e

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(one, works))


def fence(database: Database) -> Fence:
    return Fence(
        database,
        epochs.CLUSTER,
        "lb",
        what="load balancer lb",
        holds=lambda: True,
    )


def epoch_of(database: Database) -> int:
    with database.transaction() as session:
        record = clusters.get(session, "lb")
    assert record is not None
    return record.epoch


def test_one_of_three_begins_a_plan_from_what_all_have_seen(databases):
    for number in range(ROUNDS):
        for database in databases:
            await_seen(
                database,
                lambda session, number=number: (
                    clusters.get(session, "lb").epoch == number
                ),
            )
        fences = [fence(database) for database in databases]
        done = together(
            [lambda one=one, n=number: one.begin(n) for one in fences]
        )
        assert done.count(None) == 1, done
        assert sum(isinstance(one, Retryable) for one in done) == 2


def test_what_was_seen_before_another_plan_began_is_old(databases):
    first, second = fence(databases[0]), fence(databases[1])
    first.begin(0)
    with pytest.raises(Overtaken, match="load balancer lb"):
        # It may not even have arrived here.
        second.begin(0)
    await_seen(
        databases[1], lambda session: clusters.get(session, "lb").epoch == 1
    )
    second.begin(1)
    assert epoch_of(databases[1]) == 2


def test_who_is_overtaken_does_and_records_nothing_more(databases):
    first, second = fence(databases[0]), fence(databases[1])
    first.begin(0)
    first.check()
    await_seen(
        databases[1], lambda session: clusters.get(session, "lb").epoch == 1
    )
    second.begin(1)
    await_seen(
        databases[0], lambda session: clusters.get(session, "lb").epoch == 2
    )
    with pytest.raises(Overtaken):
        first.check()
    job = _job(databases[0], first)
    with pytest.raises(Overtaken):
        job.update("a1", reason="too late")
    with pytest.raises(Overtaken):
        first.require()
    second.check()
    _job(databases[1], second).update("a1", reason="in time")
    with databases[1].transaction() as session:
        assert amphorae.get(session, "a1").reason == "in time"


def test_a_record_and_a_claim_at_the_same_time_are_one_after_the_other(
    databases,
):
    """What is recorded while another one begins a plan is seen by it."""
    for number in range(ROUNDS):
        mine = epoch_of(databases[0])
        first, second = fence(databases[0]), fence(databases[1])
        first.begin(mine)
        await_seen(
            databases[1],
            lambda session, m=mine: clusters.get(session, "lb").epoch == m + 1,
        )
        told = f"round {number}"
        job = _job(databases[0], first)
        wrote, begun = together(
            [
                lambda j=job, t=told: j.update("a1", reason=t),
                lambda s=second, m=mine: s.begin(m + 1),
            ]
        )
        with databases[1].transaction() as session:
            seen = amphorae.get(session, "a1").reason
        # Either it was recorded, and is there for the second one to see, or
        # it was not.
        assert begun is None or isinstance(begun, Retryable)
        if wrote is None:
            await_seen(
                databases[1],
                lambda session, t=told: (
                    amphorae.get(session, "a1").reason == t
                ),
            )
        else:
            assert seen != told
        await_the_same_epoch(databases)


def await_the_same_epoch(databases: list[Database]) -> None:
    """Wait until all nodes have applied what was begun."""
    process.wait_until(
        lambda: len({epoch_of(database) for database in databases}) == 1,
        SECONDS,
        "the same epoch on each node",
        0.02,
    )


def _job(database: Database, one: Fence | None = None) -> Job:
    world = SimpleNamespace(database=database, now=lambda: NOW)
    return Job(world, None, None, SimpleNamespace(id="lb"), fence=one)


# -- a lock that is a write ------------------------------------------------


def drain(
    database: Database, amphora_id: str, lock: Callable, barrier: Any
) -> str:
    """Drain one of two amphorae, unless the other one drains."""

    def ask(session: Any) -> None:
        lock(session, "lb")
        others = amphorae.list_for(session, "lb")
        barrier()
        if any(one.drain_wanted_since for one in others):
            raise Conflict("The other one drains.")
        amphorae.update(session, amphora_id, drain_wanted_since=NOW)

    while True:
        try:
            with database.transaction() as session:
                ask(session)
        except Conflict:
            return "refused"
        except Retryable:
            continue
        return "drains"


@contextlib.contextmanager
def once(parties: int) -> Iterator[Callable[[], None]]:
    """A barrier for the first time of each, and nothing after that."""
    barrier = threading.Barrier(parties)
    mine = threading.local()

    def wait() -> None:
        if not hasattr(mine, "was"):
            mine.was = True
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(SECONDS)

    yield wait


def drain_both(databases: list[Database], lock: Callable) -> list[str]:
    """Drain both at the same time, on two nodes."""
    with once(2) as wait:
        return together(
            [
                lambda: drain(databases[0], "a1", lock, wait),
                lambda: drain(databases[1], "a2", lock, wait),
            ]
        )


def test_the_lock_of_a_cluster_holds_on_other_nodes(databases):
    assert sorted(drain_both(databases, clusters.lock)) == [
        "drains",
        "refused",
    ]


def test_select_for_update_does_not(databases):
    """The control: nobody would be left to announce."""

    def lock(session: Any, load_balancer_id: str) -> None:
        session.get(Cluster, load_balancer_id, with_for_update=True)

    assert drain_both(databases, lock) == ["drains", "drains"]


# -- the limit of replacements ---------------------------------------------


class Controller:
    """What the task needs of one; ``ordered``: the cloud's servers."""

    def __init__(self, database: Database, ordered: list[str]) -> None:
        self.ordered = ordered
        self.world = SimpleNamespace(
            database=database,
            now=lambda: NOW,
            settings=SimpleNamespace(
                policy=SimpleNamespace(
                    replacement_limit=LIMIT, boot_timeout=BOOT_TIMEOUT
                )
            ),
            files=SimpleNamespace(
                build=lambda *_: SimpleNamespace(cert_expiration=NOW)
            ),
            compute=SimpleNamespace(build=self._build),
            meter=NO_METER,
        )

    def _build(self, tree: Any, amphora_id: str, *_: Any) -> str:
        self.ordered.append(amphora_id)
        return f"server-{amphora_id}"

    def boot(self, amphora_id: str) -> bool:
        """Replace an amphora, again until there is a clear answer."""
        job = Job(
            self.world,
            SimpleNamespace(distributor=SimpleNamespace(id="d", speakers=())),
            SimpleNamespace(amphorae=()),
            SimpleNamespace(id="other"),
        )
        action = BootAmphora(
            amphora_id=amphora_id,
            zone=Zone(availability_zone="z", frontend_network_id="n"),
            generation=0,
            is_replacement=True,
            first_state=None,
        )
        while True:
            try:
                tasks.carry_out(job, action)
            except Conflict:
                return False
            except Retryable:
                continue
            return True


def replace_many(databases: list[Database]) -> list[str]:
    """Each controller replaces several at the same time; the servers."""
    ordered: list[str] = []
    controllers = [Controller(one, ordered) for one in databases]
    together(
        [
            lambda c=controller, i=f"r{number}-{turn}": c.boot(i)
            for number, controller in enumerate(controllers)
            for turn in range(AT_ONCE)
        ]
    )
    return ordered


def test_three_controllers_replace_as_many_as_the_limit_lets(databases):
    assert len(replace_many(databases)) == LIMIT
    for database in databases:
        await_seen(
            database,
            lambda session: (
                amphorae.replacements_under_way(
                    session, NOW - timedelta(seconds=BOOT_TIMEOUT)
                )
                == LIMIT
            ),
        )


def test_without_the_turn_more_get_through(databases, monkeypatch):
    """The control: each node locks what it sees, and commits."""
    counted = threading.Barrier(len(databases))
    count = amphorae.replacements_under_way
    mine = threading.local()

    def careless(session, since, *, is_locked=False):
        found = count(session, since)
        if not hasattr(mine, "found"):
            mine.found = found
            counted.wait(SECONDS)
        return mine.found

    with databases[0].transaction() as session:
        for number in range(LIMIT - 1):
            amphorae.create(session, replacing(f"under-way-{number}"))
    for database in databases:
        await_seen(
            database,
            lambda session: count(session, NOW) == LIMIT - 1,
        )
    monkeypatch.setattr(amphorae, "replacements_under_way", careless)
    ordered: list[str] = []
    controllers = [Controller(one, ordered) for one in databases]
    together(
        [
            lambda c=controller, n=number: c.boot(f"f{n}")
            for number, controller in enumerate(controllers)
        ]
    )
    assert len(ordered) > 1


def replacing(amphora_id: str) -> AmphoraRecord:
    return AmphoraRecord(
        id=amphora_id,
        load_balancer_id="other",
        status=AmphoraStatus.BOOTING,
        status_since=NOW,
        is_replacing=True,
    )
