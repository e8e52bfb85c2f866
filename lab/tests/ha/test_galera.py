# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A real Galera under faults: what our database layer says and does."""

import pytest
from octavia_anycast_lab.ha import galera, nodes
from octavia_anycast_lab.host import process
from sqlalchemy import text
from three_nodes import SCHEMA, SECONDS, long_only, url

from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Retryable

pytestmark = pytest.mark.lab


def count(database: Database) -> int:
    """Ask it something."""
    with database.transaction() as session:
        found = session.execute(text("SELECT COUNT(*) FROM anycast_turn"))
        return int(found.scalar_one())


def answers(database: Database) -> bool:
    try:
        count(database)
    except Retryable:
        return False
    return True


def test_a_node_without_a_quorum_is_a_database_that_is_away(replicated):
    """Its error is no fault of ours; and it heals without a restart."""
    node = replicated[2]
    database = Database(url(node))
    assert answers(database)
    nodes.split_off(node)
    try:
        process.wait_until(
            lambda: not galera.is_primary(node), SECONDS, "no quorum"
        )
        with pytest.raises(Retryable, match="The database"):
            count(database)
        # The other two may still be agreeing that they are the majority.
        majority = Database(url(replicated[0]))
        process.wait_until(
            lambda: answers(majority), SECONDS, "the other two serve"
        )
    finally:
        nodes.rejoin(node)
    galera.await_synced(replicated)
    process.wait_until(lambda: answers(database), SECONDS, "it heals")


def test_a_node_is_killed_and_joins_again(lab, replicated):
    node = replicated[1]
    database = Database(url(node))
    assert answers(database)
    galera.kill(node, lab.registry)
    with pytest.raises(Retryable, match="The database"):
        count(database)
    process.wait_until(
        lambda: galera.cluster_size(replicated[0]) == 2, SECONDS, "two left"
    )
    galera.restart(node, lab.registry)
    galera.await_synced(replicated)
    process.wait_until(lambda: answers(database), SECONDS, "it heals")


@long_only
def test_a_node_that_lost_its_data_gets_all_of_it(lab, replicated):
    """SST: its donor takes writes meanwhile, by another connection."""
    node = replicated[2]
    galera.kill(node, lab.registry)
    galera.forget_data(node)
    galera.restart(node, lab.registry)
    assert answers(Database(url(replicated[0])))
    galera.await_synced(replicated)
    assert answers(Database(url(node)))


@long_only
def test_all_nodes_are_killed_at_once(lab, replicated):
    database = Database(url(replicated[0]))
    assert answers(database)
    for node in replicated:
        galera.kill(node, lab.registry)
    galera.restart_all(replicated, lab.registry)
    process.wait_until(lambda: answers(database), SECONDS, "it heals")


def test_a_desynced_node_goes_on(replicated):
    node = replicated[1]
    galera.desync(node, is_on=True)
    try:
        assert answers(Database(url(node)))
        galera.query(replicated[0], SCHEMA, "SELECT 1")
    finally:
        galera.desync(node, is_on=False)
    galera.await_synced(replicated)
