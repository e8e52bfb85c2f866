# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cloud for the client: Octavia's real API, the rest made of answers.

cloud    requests go to it; it keeps what was asked
api      Octavia's API with our root, empty, behind the cloud
run      ``openstack ...`` in this process
client   the SDK's proxy
"""

import contextlib
import io
import json
import logging
import re
import sys
from dataclasses import dataclass

import openstack
import pytest
import requests_mock
from fake_cloud import IDENTITY, FakeCloud
from octavia_anycast_client import sdk
from openstackclient import shell

from octavia_anycast.testing import api_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self):
        """What ``-f json`` printed."""
        return json.loads(self.out)


@pytest.fixture
def cloud():
    """Every request of this process goes to it, and nowhere else."""
    made = FakeCloud()
    with requests_mock.Mocker() as mocker:
        mocker.register_uri(
            requests_mock.ANY, re.compile(".*"), json=made.answer
        )
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The API with what another test left in it."""
    with pytest.MonkeyPatch.context() as patch:
        made = api_server.shared(lambda: tmp_path_factory.mktemp("api"))
        patch.setattr(*made.patches())
        yield made


@pytest.fixture
def api(server, cloud):
    """The API with nothing in it, behind the cloud."""
    server.reset()
    cloud.api = server
    return server


@pytest.fixture
def client(cloud):
    """The SDK's proxy as an administrator."""
    connection = openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=IDENTITY,
        username="admin",
        password="admin-password",
        project_name="project",
        user_domain_id="default",
        project_domain_id="default",
        region_name="RegionOne",
    )
    return sdk.add_to(connection).load_balancer


@pytest.fixture
def run(cloud, monkeypatch, tmp_path):
    """Run ``openstack`` with these arguments; it has to end with a code."""
    for name, value in {
        "OS_AUTH_URL": IDENTITY,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "admin-password",
        "OS_PROJECT_NAME": "project",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "RegionOne",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        result = _run([str(argument) for argument in arguments])
        assert result.code == code, result.out + result.err
        return result

    return call


def _run(arguments):
    out, err = io.StringIO(), io.StringIO()
    with (
        _same_logging(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = shell.main(arguments)
        except SystemExit as e:
            code = e.code
    return Result(code=code, out=out.getvalue(), err=err.getvalue())


@contextlib.contextmanager
def _same_logging():
    """Undo what the shell does to the loggers."""
    names = (None, "requests", "cliff", "stevedore", "iso8601")
    loggers = [logging.getLogger(name) for name in names]
    before = [(lg, lg.level, lg.handlers[:]) for lg in loggers]
    try:
        yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
