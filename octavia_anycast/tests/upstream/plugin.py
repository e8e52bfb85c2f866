# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A pytest plugin: Octavia's own tests get the application that we serve.

``make test-upstream`` runs it. What may differ is in ``expected.py``.
"""

import pecan.testing
import pytest
from oslo_config import cfg
from webtest import TestApp

from octavia_anycast import options
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.tests.upstream import isolation
from octavia_anycast.tests.upstream.expected import EXPECTED
from octavia_anycast.tests.upstream.without import Without
from octavia_anycast.wsgi import api


def pytest_configure():
    """Refuse before a test is imported."""
    complaint = isolation.complaint(isolation.interfaces())
    if complaint:
        raise pytest.UsageError(complaint)


@pytest.fixture(scope="session")
def our_tables(tmp_path_factory):
    """The URL of a database with our tables; Octavia's are the tests' own."""
    connection = f"sqlite:///{tmp_path_factory.mktemp('tables')}/anycast.db"
    schema.upgrade(Database(connection).engine())
    return connection


@pytest.fixture(autouse=True)
def our_application(request, our_tables, monkeypatch):
    """Have a test load ours, with what it expects of Octavia's."""
    options.read(cfg.CONF)  # registers them
    # Octavia's tests reset all overrides at their end.
    cfg.CONF.set_override("connection", our_tables, group=options.GROUP)
    difference = EXPECTED.get("::".join(request.node.nodeid.split("::")[1:]))
    seen = set()

    def load(config, argv):
        application = api.build(list(argv))
        if difference is not None:
            application = Without(application, difference, seen)
        return TestApp(application)

    monkeypatch.setattr(pecan.testing, "load_test_app", load)
    yield
    if difference is not None:
        missing = sorted(difference.attributes - seen)
        assert not missing, "expected.py names what is not there any more"
