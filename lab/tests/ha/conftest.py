# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Three nodes with etcd and Galera on them; they need no fabric."""

import collections.abc

import pytest
from contending import Contenders
from octavia_anycast_lab.ha import etcd, galera, nodes
from octavia_anycast_lab.ha.nodes import Node
from three_nodes import SCHEMA, files, url

from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database


@pytest.fixture(scope="module")
def members(lab) -> collections.abc.Iterator[tuple[Node, ...]]:
    """The nodes, with nothing on them; gone after a module."""
    lab.lab.run_dir.mkdir(parents=True, exist_ok=True)
    nodes.build(lab.lab, lab.registry)
    yield nodes.of(lab.lab)
    nodes.remove(lab.lab, lab.registry)


@pytest.fixture(scope="module")
def coordinated(lab, members) -> tuple[Node, ...]:
    """The nodes with etcd."""
    etcd.start(members, lab.registry, files().etcd)
    return members


@pytest.fixture(scope="module")
def replicated(lab, members) -> tuple[Node, ...]:
    """The nodes with Galera, and our tables in it."""
    galera.start(members, lab.registry, files().galera)
    galera.query(members[0], "mysql", f"CREATE DATABASE {SCHEMA}")
    schema.upgrade(Database(url(members[0])).engine())
    return members


@pytest.fixture
def contenders(
    lab, coordinated, tmp_path
) -> collections.abc.Iterator[Contenders]:
    """Nobody yet; whoever is started is ended."""
    made = Contenders(lab, tmp_path / "history")
    yield made
    made.end()
