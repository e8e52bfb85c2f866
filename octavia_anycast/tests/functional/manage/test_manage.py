# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""octavia-anycast-manage, run as a process, as an operator does."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from octavia_anycast.db import heartbeat, schema
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import registrations
from octavia_anycast.tests.functional.db import test_records as records


@pytest.fixture
def configured(tmp_path):
    url = f"sqlite:///{tmp_path}/anycast.db"
    path = tmp_path / "octavia.conf"
    path.write_text(f"[database]\nconnection = {url}\n")

    def run(*arguments):
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "octavia_anycast.cmd.manage",
                f"--config-file={path}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    return run, Database(url)


def test_upgrade_and_check(configured):
    run, database = configured
    before = run("db", "check")
    assert before.returncode == 1
    assert "run 'octavia-anycast-manage db upgrade'" in before.stderr

    head = schema.version(database.engine()).head
    assert f"from version none to {head}" in run("db", "upgrade").stdout
    assert f"are at version {head}" in run("db", "upgrade").stdout

    assert run("db", "current").stdout == f"{head} (this release: {head})\n"
    assert run("db", "check").returncode == 0


@pytest.mark.parametrize("version", [None, "0017"], ids=["none", "older"])
@pytest.mark.parametrize(
    "command",
    [
        ("distributor", "check"),
        ("distributor", "list"),
        ("status",),
        ("export",),
        ("reconcile", "load-balancer"),
        ("housekeeping", "sweep"),
    ],
    ids=" ".join,
)
def test_tables_of_an_older_release_are_named(configured, command, version):
    run, database = configured
    if version is not None:
        schema.upgrade(database.engine(), version)

    failed = run(*command)

    assert failed.returncode == 1
    (sentence,) = failed.stderr.splitlines()
    assert f"the tables are at version {version or 'none'}, this" in sentence
    assert "run 'octavia-anycast-manage db upgrade'" in sentence


@pytest.mark.parametrize("action", ["upgrade", "check"])
def test_tables_of_a_newer_release_are_left_to_it(configured, action):
    run, database = configured
    _migrate_as_a_newer_release(database)

    failed = run("db", action)

    assert failed.returncode == 1
    (sentence,) = failed.stderr.splitlines()
    assert "the tables are at version 9999" in sentence
    assert "octavia-anycast-manage of the newer release" in sentence


def test_tables_of_a_newer_release_can_be_read(configured):
    """While an upgrade is under way, the older release's commands go on."""
    run, database = configured
    _migrate_as_a_newer_release(database)

    listed = run("distributor", "check")

    assert listed.returncode == 0, listed.stderr


def _migrate_as_a_newer_release(database):
    schema.upgrade(database.engine())
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"
        )


def test_without_a_connection_it_says_so(tmp_path):
    (tmp_path / "empty.conf").write_text("")
    failed = subprocess.run(
        [
            sys.executable,
            "-m",
            "octavia_anycast.cmd.manage",
            f"--config-file={tmp_path}/empty.conf",
            "status",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert failed.returncode == 1
    assert "[database] connection" in failed.stderr


def test_status_list_and_export_show_what_is_recorded(configured):
    run, database = configured
    run("db", "upgrade")
    with database.transaction() as session:
        distributors.create(
            session,
            records.make_distributor(is_default=True),
            records.CIPHER,
        )
        clusters.create(
            session, replace(records.make_cluster(), reason="1 of 4 serve")
        )
        amphorae.create(session, replace(records.WHOLE, id="amphora"))
        heartbeat.touch(session, "amphora", records.NOW)
        registrations.replace_vips(session, "amphora", [records.VIP])

    status = run("status").stdout
    listed = run("distributor", "list").stdout
    exported = run("export").stdout

    assert "1/4 (min 2)" in status
    assert "1 of 4 serve" in status
    assert "10.1.0.5,fd00:10:1::5" in status
    (line,) = (row for row in listed.splitlines() if "fabric" in row)
    assert line.split() == [
        "distributor-1",
        "fabric",
        "yes",
        "4294967294",
        "bird",
        "2",
        "1",
    ]
    state = json.loads(exported)
    assert state["clusters"][0]["size"]["desired"] == 4
    (amphora,) = state["amphorae"]
    assert amphora["announced"][0]["vip_ip"] == "198.51.100.1"
    assert "password" not in exported
    assert records.CIPHER.encrypt("fabric") not in exported


def test_distributors_that_are_refused_are_named(configured):
    run, database = configured
    run("db", "upgrade")
    with database.transaction() as session:
        distributors.create(
            session, records.make_distributor(), records.CIPHER
        )
    sound = run("distributor", "check")
    assert sound.returncode == 0, sound.stderr
    assert "1 distributors and 2 BGP peers" in sound.stdout
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor_l3_bgp_peer SET remote_as = 65535 "
            "WHERE id = 'peer-1-1'"
        )

    refused = run("distributor", "check")

    assert refused.returncode == 1
    (line,) = refused.stdout.splitlines()[1:]
    assert "peer-1-1" in line
    assert "remote_as" in line
    assert "65535 is reserved (RFC 7300)" in line
    assert "refuses 1 stored value(s)" in refused.stderr
    assert "Traceback" not in refused.stderr
    for command in (["status"], ["distributor", "list"], ["export"]):
        assert run(*command).returncode == 0
