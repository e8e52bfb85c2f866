# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Controller and API, started on tables of several releases.

What octavia-anycast-manage does is in ``manage/test_manage.py``.
"""

import subprocess
import sys

import pytest
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.testing import api_server
from octavia_anycast.wsgi import api

OLDER = "0018"
BUILD = "import sys; from octavia_anycast.wsgi import api; api.build(sys.argv)"
CURE = "run 'octavia-anycast-manage db upgrade'"


class Deployment:
    """A configuration file, and our tables beside it."""

    def __init__(self, directory):
        self._path = directory / "octavia.conf"
        self._path.write_text(
            api_server.CONFIGURATION.format(directory=directory, anycast="")
        )
        self.database = Database(f"sqlite:///{directory}/anycast.db")

    def run(self, *command):
        return subprocess.run(
            [sys.executable, *command, f"--config-file={self._path}"],
            capture_output=True,
            text=True,
            timeout=900,  # so that nothing waits for ever
            check=False,
        )

    def start_controller(self):
        return self.run("-m", "octavia_anycast.cmd.controller")

    def build_api(self):
        return self.run("-c", BUILD)


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


@pytest.mark.parametrize("version", [None, OLDER], ids=["none", "older"])
def test_the_controller_does_not_start_on_older_tables(deployment, version):
    if version is not None:
        schema.upgrade(deployment.database.engine(), version)

    started = deployment.start_controller()

    assert started.returncode == 2, started.stderr
    assert f"the tables are at version {version or 'none'}" in started.stderr
    assert CURE in started.stderr
    assert "Traceback" not in started.stderr


def test_the_api_does_not_start_on_older_tables(deployment):
    schema.upgrade(deployment.database.engine(), OLDER)

    built = deployment.build_api()

    assert built.returncode == 1
    said = built.stdout + built.stderr  # Octavia sets up its log to be there
    assert CURE in said
    assert f"the tables are at version {OLDER}" in said


@pytest.fixture
def database(server, tmp_path):
    """What the API's configuration names, with no tables yet."""
    url = f"sqlite:///{tmp_path}/other.db"
    cfg.CONF.set_override("connection", url, group=options.GROUP)
    yield Database(url)
    cfg.CONF.clear_override("connection", group=options.GROUP)


def test_the_api_starts_where_our_tables_come_later(database, caplog):
    """A deployment makes Octavia's tables, starts the API, then ours."""
    api.check_tables()

    assert CURE in caplog.text


def test_the_api_starts_on_tables_of_a_newer_release(database, caplog):
    schema.upgrade(database.engine())
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"
        )

    api.check_tables()

    assert not [r for r in caplog.records if r.name == api.__name__]


def test_the_api_starts_while_the_database_is_down(database, tmp_path, caplog):
    (tmp_path / "other.db").mkdir()

    api.check_tables()

    assert "The version of our tables is not known" in caplog.text
