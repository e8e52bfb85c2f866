# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Migrations: equal to the models, beside Octavia's tables."""

import contextlib
import sqlite3

import pytest
from oslo_db.exception import DBError
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.db.models import Cluster
from octavia_anycast.model.errors import Retryable


def tables(engine):
    return set(inspect(engine).get_table_names())


def test_models_equal_migrations(database):
    assert schema.differences(database.engine()) == []
    assert schema.version(database.engine()).is_current


def test_a_difference_is_noticed(database):
    with database.engine().begin() as connection:
        connection.execute(
            text("ALTER TABLE anycast_cluster DROP COLUMN cooldown")
        )
        connection.execute(text("DROP TABLE anycast_amphora_health"))

    found = str(schema.differences(database.engine()))

    assert "cooldown" in found
    assert "anycast_amphora_health" in found


def test_every_table_is_prefixed_and_made(database):
    ours = set(schema.METADATA.tables) | {schema.VERSION_TABLE}

    assert tables(database.engine()) == ours
    assert all(name.startswith("anycast_") for name in ours)
    assert all(len(name) <= 64 for name in ours)  # MariaDB's limit


def test_octavias_tables_are_not_touched(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/octavia.db")
    engine = database.engine()
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE amphora (id TEXT PRIMARY KEY, vrrp_ip TEXT)",
            "CREATE TABLE alembic_version (version_num TEXT)",
            "INSERT INTO alembic_version VALUES ('octavias')",
        ):
            connection.execute(text(statement))

    schema.upgrade(engine)
    schema.upgrade(engine)

    assert {"amphora", "alembic_version"} < tables(engine)
    assert schema.differences(engine) == []
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM alembic_version"))
        assert kept.all() == [("octavias",)]


def test_no_foreign_key_leaves_our_tables():
    for table in schema.METADATA.tables.values():
        for key in table.foreign_keys:
            assert key.column.table.name in schema.METADATA.tables


def test_version_of_an_empty_database(tmp_path):
    engine = Database(f"sqlite:///{tmp_path}/empty.db").engine()

    assert schema.version(engine).current is None
    assert not schema.version(engine).is_current


def test_a_table_that_is_not_there_is_a_sentence(tmp_path):
    refused_without_tables(Database(f"sqlite:///{tmp_path}/empty.db"))


def test_who_reads_and_writes_beside_a_commit_may_try_again(tmp_path):
    """SQLite ends that at once, as other databases end a deadlock."""
    path = f"{tmp_path}/busy.db"
    database = Database(f"sqlite:///{path}")
    with database.transaction() as begun:
        begun.execute(text("CREATE TABLE numbers (n INTEGER)"))
    with pytest.raises(Retryable):
        write_beside_a_commit(database, path)


def write_beside_a_commit(database, path):
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with contextlib.closing(other), database.transaction() as begun:
        begun.execute(text("SELECT n FROM numbers")).all()
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO numbers VALUES (1)")
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("COMMIT")  # it waits for who has read
        begun.execute(text("INSERT INTO numbers VALUES (2)"))


def refused_without_tables(database):
    """The one who waits is told what to type, and no SQL."""
    with pytest.raises(Retryable) as refused, database.transaction() as begun:
        begun.scalars(select(Cluster)).all()
    assert str(refused.value) == (
        "The database has no table anycast_cluster: "
        "run octavia-anycast-manage db upgrade"
    )
    with pytest.raises((DBAPIError, DBError)), database.transaction() as begun:
        begun.execute(text("SELECT id FROM load_balancer"))
