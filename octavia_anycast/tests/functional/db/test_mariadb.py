# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables on a private MariaDB, as the lab starts one: no network."""

import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from octavia_anycast.db import listing, schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, lifecycle, peers
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Conflict, Retryable
from octavia_anycast.tests.functional.db import test_records as records
from octavia_anycast.tests.functional.db.test_schema import (
    refused_without_tables,
)

SERVER = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
DEADLINE_SECONDS = 60
NUMBERS = count()

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        (not os.path.exists(SERVER) or os.geteuid() != 0)
        and not {"CI", "OA_LAB_REQUIRED"} & os.environ.keys(),
        reason="needs mariadb-server, and root to run it privately",
    ),
]


class Server:
    """A MariaDB that only its socket reaches."""

    def __init__(self, directory):
        self.directory = directory
        self.process = None
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--user=root",
                f"--datadir={directory}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )

    def url(self, name):
        return (
            f"mysql+pymysql://root@/{name}?unix_socket={self.directory}/socket"
        )

    def start(self):
        self.process = subprocess.Popen(
            [
                SERVER,
                "--no-defaults",
                "--user=root",
                f"--datadir={self.directory}/data",
                f"--socket={self.directory}/socket",
                "--skip-networking",
                "--innodb-buffer-pool-size=32M",
                "--performance-schema=off",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def execute(self, statement):
        return subprocess.run(
            [
                "mariadb",
                "--no-defaults",
                f"--socket={self.directory}/socket",
                "-uroot",
                "-e",
                statement,
            ],
            check=False,
            capture_output=True,
        ).returncode

    def wait(self):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.execute("SELECT 1") != 0:
            assert time.monotonic() < deadline, "MariaDB does not start"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("mariadb"))
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()


@pytest.fixture
def database(server):
    # A default that cannot hold every character: ours must not depend on it.
    name = f"octavia_{next(NUMBERS)}"
    assert not server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb3")
    database = Database(server.url(name))
    schema.upgrade(database.engine())
    return database


def test_models_equal_migrations(database):
    schema.upgrade(database.engine())

    assert schema.differences(database.engine()) == []


def test_a_table_that_is_not_there_is_a_sentence(server):
    name = f"octavia_{next(NUMBERS)}"
    assert not server.execute(f"CREATE DATABASE {name}")
    refused_without_tables(Database(server.url(name)))


def test_records_come_back_whole(database):
    distributor = records.make_distributor(is_default=True, name="Netz 🕸")
    amphora = replace(records.WHOLE, load_balancer_id="lb")
    with database.transaction() as session:
        distributors.create(session, distributor, records.CIPHER)
        clusters.create(session, records.make_cluster())
        amphorae.create(session, amphora)
    with database.transaction() as session:
        assert distributors.list_all(session, records.CIPHER) == [distributor]
        assert clusters.list_all(session) == [records.make_cluster()]
        assert amphorae.list_for(session, "lb") == [amphora]
        assert clusters.request_failover(session, "lb") == 1


def test_of_two_defaults_at_once_one_wins(database):
    first = records.make_distributor(1, is_default=True)
    second = records.make_distributor(2, is_default=True)
    other = Database(str(database.engine().url))

    def create_both():
        with database.transaction() as one:
            # REPEATABLE READ: this one does not see what comes now.
            assert distributors.default_id(one) is None
            with other.transaction() as two:
                distributors.create(two, second, records.CIPHER)
            distributors.create(one, first, records.CIPHER)

    with pytest.raises(Conflict, match="is_default"):
        create_both()
    with database.transaction() as session:
        assert distributors.default_id(session) == second.id


def test_of_two_changes_at_once_one_wins(database):
    with database.transaction() as session:
        distributors.create(
            session, records.make_distributor(), records.CIPHER
        )
    is_read = threading.Barrier(2, timeout=DEADLINE_SECONDS)

    def change(name):
        try:
            with database.transaction() as session:
                # Each has seen it ACTIVE before either asks for the lock.
                assert distributors.exists(session, "distributor-1")
                is_read.wait()
                lifecycle.lock(session, ["distributor-1"])
                distributors.update(session, "distributor-1", name=name)
                lifecycle.begin_update(session, ["distributor-1"])
        except lifecycle.Immutable:
            return None
        return name

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(change, ["one", "two"]))

    (winner,) = [name for name in results if name]
    with database.transaction() as session:
        stored = distributors.get(session, "distributor-1", records.CIPHER)
        assert stored.name == winner
        assert stored.provisioning_status == "PENDING_UPDATE"


def test_a_new_load_balancer_and_a_deletion_at_once(database):
    with database.transaction() as session:
        distributors.create(
            session, records.make_distributor(), records.CIPHER
        )
    is_locked = threading.Event()

    def delete():
        assert is_locked.wait(DEADLINE_SECONDS)
        with database.transaction() as session:
            lifecycle.begin_delete(session, "distributor-1", with_peers=True)

    with ThreadPoolExecutor(1) as pool:
        deletion = pool.submit(delete)
        with database.transaction() as session:
            lifecycle.require_usable(session, "distributor-1")
            is_locked.set()
            time.sleep(0.3)  # the deletion has to wait
            assert not deletion.done()
            clusters.create(session, records.make_cluster())
        with pytest.raises(Conflict, match="1 load balancer"):
            deletion.result(DEADLINE_SECONDS)


def test_a_deletion_takes_unused_peers_along(database):
    first = records.make_distributor(1)
    (speaker,) = first.speakers
    shared, own = speaker.peers
    second = records.make_distributor(2)
    second = replace(
        second, speakers=(replace(second.speakers[0], peers=(shared,)),)
    )
    with database.transaction() as session:
        distributors.create(session, first, records.CIPHER)
        distributors.create(session, second, records.CIPHER)
    with database.transaction() as session:
        lifecycle.begin_delete(session, first.id, with_peers=True)
        ((found_id, found),) = lifecycle.unsettled(session).items()
    assert (found_id, found.provisioning_status) == (
        first.id,
        "PENDING_DELETE",
    )
    with database.transaction() as session:
        lifecycle.remove(session, first.id)
    with database.transaction() as session:
        assert set(peers.find(session, [shared.id, own.id])) == {shared.id}
        assert distributors.get(session, second.id, records.CIPHER) == second


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("is_reverse", [False, True])
def test_pages_pass_over_nulls(database, is_descending, is_reverse):
    meds = {"a": None, "b": 7, "c": None, "d": 0, "e": 7}
    (template, _) = records.make_distributor().speakers[0].peers
    with database.transaction() as session:
        for peer_id, med in meds.items():
            peer = replace(template, id=peer_id, med=med)
            peers.create(session, peer, records.CIPHER)

    def ids(marker, limit):
        request = listing.Request(
            filters={"as_path_prepend": ("2",)},
            order=(("med", is_descending), ("id", False)),
            marker=marker,
            limit=limit,
            is_reverse=is_reverse and marker is not None,
        )
        with database.transaction() as session:
            return [one.peer.id for one in peers.page(session, request)]

    whole = ids(None, None)
    assert whole == (list("bedac") if is_descending else list("acdbe"))
    marker = whole[-1] if is_reverse else whole[0]
    walked = [marker]
    while found := ids(walked[0 if is_reverse else -1], 2):
        walked = found + walked if is_reverse else walked + found
    assert walked == whole


def test_failures_keep_their_microseconds(database):
    at = records.NOW + timedelta(microseconds=1)
    with database.transaction() as session:
        amphorae.create(session, records.make_amphora())
        amphorae.update(session, "amphora", status="ERROR", now=at)
    with database.transaction() as session:
        assert [f.at for f in amphorae.failures_since(session, "lb", at)] == [
            at
        ]


def test_a_restarted_server_heals(database, server):
    def how_many():
        with database.transaction() as session:
            return len(amphorae.list_all(session))

    def lose_it_half_way():
        with database.transaction() as session:
            amphorae.create(session, records.make_amphora())
            server.kill()
            amphorae.list_all(session)

    assert how_many() == 0
    with pytest.raises(Retryable):
        lose_it_half_way()
    with pytest.raises(Retryable):
        how_many()

    server.start()
    server.wait()

    assert how_many() == 0
