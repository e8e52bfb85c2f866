# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Controller and API, started as processes on tables of several releases.

What octavia-anycast-manage does is in ``manage/test_manage.py``.
"""

import subprocess
import sys

import pytest

from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.testing import api_server

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
    assert CURE in built.stderr
    assert f"the tables are at version {OLDER}" in built.stderr


def test_the_api_starts_where_our_tables_come_later(deployment):
    """A deployment makes Octavia's tables, starts the API, then ours."""
    built = deployment.build_api()

    assert built.returncode == 0, built.stderr
    assert CURE in built.stderr


def test_the_api_starts_on_tables_of_a_newer_release(deployment):
    schema.upgrade(deployment.database.engine())
    with deployment.database.transaction() as session:
        session.connection().exec_driver_sql(
            f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"
        )

    built = deployment.build_api()

    assert built.returncode == 0, built.stderr
    assert CURE not in built.stderr


def test_the_api_starts_while_the_database_is_down(deployment, tmp_path):
    (tmp_path / "anycast.db").mkdir()

    built = deployment.build_api()

    assert built.returncode == 0, built.stderr
    assert "The version of our tables is not known" in built.stderr
