# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables on a private MariaDB, as the lab starts one: no network."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from octavia_anycast.db import amphorae, clusters, distributors, schema
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Conflict, Retryable
from octavia_anycast.tests.functional.db import test_records as records

SERVER = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
DEADLINE_SECONDS = 60
NUMBERS = count()

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not os.path.exists(SERVER) or os.geteuid() != 0,
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
            assert distributors.get_default(one, records.CIPHER) is None
            with other.transaction() as two:
                distributors.create(two, second, records.CIPHER)
            distributors.create(one, first, records.CIPHER)

    with pytest.raises(Conflict, match="is_default"):
        create_both()
    with database.transaction() as session:
        assert distributors.default_id(session) == second.id


def test_failures_keep_their_microseconds(database):
    at = records.NOW + timedelta(microseconds=1)
    with database.transaction() as session:
        amphorae.create(session, records.make_amphora())
        amphorae.update(session, "amphora", status="ERROR", now=at)
    with database.transaction() as session:
        assert amphorae.failures_since(session, "lb", at) == [at]


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
