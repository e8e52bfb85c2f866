# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A fence, where a proxy spreads connections over nodes of a cluster.

Here one node plays the others: its row is set back while it is behind.
"""

from types import SimpleNamespace

import pytest
from sqlalchemy import update

from octavia_anycast.controller.engine import fence as fences
from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.db import epochs
from octavia_anycast.db.models import Distributor
from octavia_anycast.model.distributor import DistributorType
from octavia_anycast.model.errors import Overtaken, Retryable

FIRST = 6


class Node:
    """Knows an epoch, and is behind for a while.

    ``waits``: after so many it knows what the other nodes know.
    """

    def __init__(self, database):
        self.database = database
        self.waits = 0
        self.newest = FIRST

    def knows(self, epoch):
        with self.database.transaction() as session:
            session.execute(update(Distributor).values(epoch=epoch))

    def falls_behind(self, waits, newest):
        self.knows(FIRST)
        self.waits, self.newest = waits, newest

    def wait(self, _seconds=0.0):
        self.waits -= 1
        if self.waits == 0:
            self.knows(self.newest)


@pytest.fixture
def node(database, monkeypatch):
    with database.transaction() as session:
        session.add(
            Distributor(
                id="d",
                distributor_type=next(iter(DistributorType)),
                provisioning_status="ACTIVE",
                operating_status="ONLINE",
                is_enabled=True,
                is_default=False,
                epoch=FIRST,
            )
        )
    made = Node(database)
    monkeypatch.setattr(fences, "time", SimpleNamespace(sleep=made.wait))
    return made


def make_fence(node):
    return Fence(
        node.database,
        epochs.DISTRIBUTOR,
        "d",
        what="distributor d",
        holds=lambda: True,
    )


@pytest.fixture
def fence(node):
    """Of a plan that is begun."""
    made = make_fence(node)
    made.begin(FIRST)
    return made


def test_who_asks_a_node_that_is_behind_asks_again(node, fence):
    node.falls_behind(3, FIRST + 1)
    fence.check()
    assert node.waits == 0
    fence.require()


def test_behind_it_somebody_may_have_been_faster(node, fence):
    node.falls_behind(3, FIRST + 2)
    with pytest.raises(Overtaken, match="another controller has begun"):
        fence.check()
    assert node.waits == 0


def test_a_node_that_stays_behind_breaks_the_plan_off(node, fence):
    node.falls_behind(-1, FIRST + 1)
    with pytest.raises(Overtaken, match="a node of the database is behind"):
        fence.check()
    with pytest.raises(Overtaken):
        fence.require()


def test_a_row_that_is_gone_ends_the_plan(node, fence):
    with node.database.transaction() as session:
        session.delete(session.get(Distributor, "d"))
    with pytest.raises(Overtaken, match="another controller has begun"):
        fence.check()


def test_a_record_is_tried_again_while_the_node_is_behind(node, fence):
    tries = []

    def record(session):
        tries.append(1)
        fence.guard(session)

    node.falls_behind(-1, FIRST + 1)
    with pytest.raises(Retryable, match="is behind") as refused:
        node.database.transact(record)
    assert not isinstance(refused.value, Overtaken)
    assert len(tries) == 3
    fence.require()
    node.knows(FIRST + 1)
    node.database.transact(record)


def test_a_record_of_who_was_overtaken_is_refused(node, fence):
    node.knows(FIRST + 2)
    with pytest.raises(Overtaken):
        node.database.transact(fence.guard)
    with pytest.raises(Overtaken):
        fence.require()


def test_a_plan_is_begun_as_soon_as_the_node_knows_what_was_seen(node):
    made = make_fence(node)
    node.knows(FIRST - 1)
    with pytest.raises(Retryable, match="is behind") as refused:
        made.begin(FIRST)
    assert not isinstance(refused.value, Overtaken)
    node.knows(FIRST)
    made.begin(FIRST)
    made.check()
