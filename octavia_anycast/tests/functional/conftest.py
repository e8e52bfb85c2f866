# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The API over WSGI, one application for all functional tests."""

import pytest

from octavia_anycast.testing import api_server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The API with what another test left in it."""
    with pytest.MonkeyPatch.context() as patch:
        server = api_server.shared(lambda: tmp_path_factory.mktemp("api"))
        patch.setattr(*server.patches())
        yield server


@pytest.fixture
def api(server):
    """The API with nothing in it."""
    server.reset()
    return server
