# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Code of the last release beside that of now, without a lab.

agents     take what a controller of now sends
commands   of then go on with tables of now
tables     of then are refused by code of now, until they are upgraded
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import typing

import pytest

from octavia_anycast.db import schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.model import codec
from octavia_anycast.tests.functional.db import test_records as records
from octavia_anycast.tests.unit.model.test_codec import STATE

MANAGE = "octavia_anycast.cmd.manage"
# Reads a state, and prints its digests as an agent reports them.
AGENT = """
import json, sys
from octavia_anycast.model import codec
state = codec.desired_state_from(json.load(sys.stdin))
print(json.dumps([codec.digest(state), codec.speakers_digest(state.speakers),
                  codec.peer_digests(state.speakers)]))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Deployment:
    """A configuration file, and the database that it names."""

    config: pathlib.Path
    database: Database

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run octavia-anycast-manage of now."""
        return subprocess.run(
            [sys.executable, "-m", MANAGE, *self.arguments(*arguments)],
            capture_output=True,
            text=True,
            check=False,
        )

    def arguments(self, *arguments: str) -> tuple[str, ...]:
        return f"--config-file={self.config}", *arguments


@pytest.fixture
def deployment(tmp_path: pathlib.Path) -> Deployment:
    url = f"sqlite:///{tmp_path}/anycast.db"
    config = tmp_path / "octavia.conf"
    config.write_text(f"[database]\nconnection = {url}\n")
    return Deployment(config, Database(url))


def test_an_agent_of_then_takes_a_state_of_now(source: typing.Any) -> None:
    document = json.dumps(codec.to_document(STATE))

    read = source.python("-c", AGENT, stdin=document)

    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == [
        codec.digest(STATE),
        codec.speakers_digest(STATE.speakers),
        codec.peer_digests(STATE.speakers),
    ]


def test_an_agent_of_then_refuses_what_it_does_not_have(
    source: typing.Any,
) -> None:
    """The control: it is that code which reads."""
    document = codec.to_document(STATE)
    document["speakers"][0]["peers"][0]["peer_port"] = 1790

    read = source.python("-c", AGENT, stdin=json.dumps(document))

    assert read.returncode == 1
    assert "speakers[0].peers[0].peer_port: unknown attribute" in read.stderr


def test_commands_of_then_go_on_with_tables_of_now(
    source: typing.Any, deployment: Deployment
) -> None:
    schema.upgrade(deployment.database.engine())
    with deployment.database.transaction() as session:
        distributors.create(
            session, records.make_distributor(is_default=True), records.CIPHER
        )
        clusters.create(session, records.make_cluster())
        amphorae.create(
            session, dataclasses.replace(records.WHOLE, load_balancer_id="lb")
        )

    exported = source.python("-m", MANAGE, *deployment.arguments("export"))

    assert exported.returncode == 0, exported.stderr
    found = json.loads(exported.stdout)
    assert [len(found[kind]) for kind in found] == [1, 1, 1]


def test_tables_of_then_are_refused_until_they_are_upgraded(
    source: typing.Any, deployment: Deployment
) -> None:
    made = source.python("-m", MANAGE, *deployment.arguments("db", "upgrade"))
    assert made.returncode == 0, made.stderr

    refused = deployment.manage("distributor", "check")

    assert refused.returncode == 1
    assert "run 'octavia-anycast-manage db upgrade'" in refused.stderr
    upgraded = deployment.manage("db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    checked = deployment.manage("db", "check")
    assert checked.returncode == 0, checked.stderr
    assert deployment.manage("distributor", "check").returncode == 0
