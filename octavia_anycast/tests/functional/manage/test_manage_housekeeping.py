# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""octavia-anycast-manage housekeeping, run as a process, on real tables.

Octavia's own no-op drivers stand in for Nova and Neutron; the agents are
addresses of the loopback on which nobody listens.
"""

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from octavia.db import base_models, models
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.housekeeping.housekeeping import (
    Chore,
    lock_name,
)
from octavia_anycast.db import schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.tests.functional.db import test_records as records
from octavia_anycast.tests.functional.distributor.test_amphora_client import (
    Authority,
)

CLOSED_PORT = 1
# SQLite's pool knows no timeout, which oslo.db gives to each.
PROGRAM = """
import sys
from octavia.common import config
from oslo_config import cfg
init = config.init
def init_for_sqlite(*arguments):
    init(*arguments)
    cfg.CONF.set_override("pool_timeout", None, group="database")
config.init = init_for_sqlite
from octavia_anycast.cmd import manage
sys.exit(manage.main())
"""
CONFIGURATION = """
[database]
connection = sqlite:///{directory}/octavia.db
[anycast]
connection = sqlite:///{directory}/anycast.db
coordination_url = file://{directory}/coordination
[controller_worker]
compute_driver = compute_noop_driver
network_driver = network_noop_driver
client_ca = {directory}/clients.pem
[certificates]
cert_manager = noop_cert_manager
cert_generator = local_cert_generator
ca_certificate = {directory}/servers.pem
ca_private_key = {directory}/servers.key
server_certs_key_passphrase = insecure-key-do-not-use-this-key
[haproxy_amphora]
server_ca = {directory}/servers.pem
client_cert = {directory}/clients-controller
bind_port = {port}
[oslo_messaging]
topic = test
[DEFAULT]
transport_url = fake://
"""


@dataclass(frozen=True)
class Place:
    """Where the commands run."""

    directory: Any
    database: Database

    def run(self, *arguments):
        """Run housekeeping."""
        return self.call("housekeeping", *arguments)

    def call(self, *arguments):
        """Run a command."""
        return subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                f"--config-file={self.directory}/octavia.conf",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def place(tmp_path):
    for name in ("servers", "clients"):
        made = Authority(tmp_path, name)
        made.issue("controller")
        made._write(f"{name}.both", made._issue(name, made.key), made.key)
        both = (tmp_path / f"{name}.both").read_text()
        key = both[both.index("-----BEGIN PRIVATE") :]
        (tmp_path / f"{name}.key").write_text(key)
    (tmp_path / "octavia.conf").write_text(
        CONFIGURATION.format(directory=tmp_path, port=CLOSED_PORT)
    )
    engine = create_engine(f"sqlite:///{tmp_path}/octavia.db")
    base_models.BASE.metadata.create_all(engine)
    database = Database(f"sqlite:///{tmp_path}/anycast.db")
    schema.upgrade(database.engine())
    with database.transaction() as session:
        distributors.create(
            session,
            records.make_distributor(is_default=True),
            records.CIPHER,
        )
    with Session(engine) as session, session.begin():
        session.add(
            models.LoadBalancer(
                id="alive",
                project_id="p",
                provider="anycast",
                provisioning_status="ACTIVE",
                operating_status="ONLINE",
                enabled=True,
            )
        )
    return Place(tmp_path, database)


def add_cluster(place, identifier, age):
    with place.database.transaction() as session:
        clusters.create(
            session,
            replace(
                records.make_cluster(),
                load_balancer_id=identifier,
                created_at=datetime.now(UTC) - age,
            ),
        )


def add_amphora(place, load_balancer_id="alive", **changes):
    identifier = str(uuid.uuid4())
    with place.database.transaction() as session:
        amphorae.create(
            session,
            replace(
                records.WHOLE,
                id=identifier,
                load_balancer_id=load_balancer_id,
                leaving_since=None,
                **{
                    "status": AmphoraStatus.ALLOCATED,
                    "lb_network_ip": ip_address("127.0.0.1"),
                    "status_since": datetime.now(UTC) - timedelta(days=1),
                    **changes,
                },
            ),
        )
    return identifier


def cluster_ids(place):
    with place.database.transaction() as session:
        return {c.load_balancer_id for c in clusters.list_all(session)}


def test_sweep(place):
    add_cluster(place, "alive", timedelta(days=1))
    add_cluster(place, "gone", timedelta(days=1))
    add_cluster(place, "young", timedelta(seconds=1))

    dry = place.run("sweep", "--dry-run", "-f", "json")
    assert dry.returncode == 0, dry.stderr
    document = json.loads(dry.stdout)
    assert document["is_dry_run"] is True
    assert {
        (o["kind"], o["id"], o["outcome"]) for o in document["orphans"]
    } == {("cluster", "gone", "found"), ("cluster", "young", "young")}
    assert cluster_ids(place) == {"alive", "gone", "young"}

    swept = place.run("sweep")
    assert swept.returncode == 0, swept.stderr
    header, *lines = swept.stdout.splitlines()
    assert header.split()[:2] == ["KIND", "ID"]
    (gone,) = (line for line in lines if " gone " in line)
    assert " removed " in gone
    assert "its load balancer is gone" in gone
    assert any("kept: too young" in line for line in lines)
    assert cluster_ids(place) == {"alive", "young"}


def test_sweep_of_a_clean_place(place):
    add_cluster(place, "alive", timedelta(days=1))
    add_amphora(place, compute_id="server")
    assert place.run("sweep").stdout == "There are no orphans.\n"


def test_purge(place):
    old = datetime.now(UTC) - timedelta(days=8)
    add_amphora(place, status=AmphoraStatus.DELETED, status_since=old)
    add_amphora(place, status=AmphoraStatus.DELETED)
    add_amphora(place)
    with place.database.transaction() as session:
        registrations.replace_vips(session, "nobody", [records.VIP])

    dry = place.run("purge", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "WOULD BE REMOVED" in dry.stdout
    counted = json.loads(place.run("purge", "-f", "json").stdout)
    assert counted["is_dry_run"] is False
    assert {t: n for t, n in counted["rows"].items() if n} == {
        "anycast_amphora": 1,
        "anycast_distributor_l3_amphora_vip_registration": 1,
    }
    with place.database.transaction() as session:
        assert len(amphorae.list_known(session)) == 2


def test_rotation_says_what_it_could_not_do(place):
    soon = datetime.now(UTC) + timedelta(days=1)
    due = add_amphora(place, cert_expiration=soon)
    later = datetime.now(UTC) + timedelta(days=29)
    add_amphora(place, cert_expiration=later)

    dry = place.run("rotate-certificates", "--dry-run", "-f", "json")
    assert dry.returncode == 0, dry.stderr
    (line,) = json.loads(dry.stdout)["certificates"]
    assert (line["amphora_id"], line["outcome"]) == (due, "found")

    failed = place.run("rotate-certificates")
    assert failed.returncode == 3, failed.stderr
    (_, row) = failed.stdout.splitlines()
    assert row.startswith(due)
    assert "failed" in row
    assert "PRIVATE KEY" not in failed.stdout + failed.stderr
    with place.database.transaction() as session:
        record = amphorae.get(session, due)
    assert record.cert_expiration == soon

    all_of_them = place.run("rotate-certificates", "--all", "--dry-run")
    assert len(all_of_them.stdout.splitlines()) == 3
    nobodys = place.run(
        "rotate-certificates", "--all", "--load-balancer", "other"
    )
    assert nobodys.stdout == "No certificate ends soon.\n"
    assert nobodys.returncode == 0


@pytest.mark.parametrize(
    ("chore", "command"),
    [
        (Chore.PURGE, "purge"),
        (Chore.CERTIFICATES, "rotate-certificates"),
        (Chore.SWEEP, "sweep"),
    ],
)
def test_beside_a_controller_that_is_at_it(place, chore, command):
    controller = Coordination(f"file://{place.directory}/coordination")
    controller.start()
    try:
        with controller.lock(lock_name(chore)) as is_held:
            assert is_held
            refused = place.run(command, "--wait", "0")
    finally:
        controller.stop()
    assert refused.returncode == 1
    assert "Another process does the same work" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_wrong_arguments(place):
    wrong = place.run("sweep", "-f", "yaml")
    assert wrong.returncode == 2
    assert "invalid choice" in wrong.stderr
