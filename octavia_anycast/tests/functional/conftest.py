# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The API over WSGI, one application for all functional tests."""

import pytest

from octavia_anycast.testing import api_server, samples
from octavia_anycast.tests.functional.balancers import DISTRIBUTORS


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


@pytest.fixture
def vip(api):
    """The VIP's network: its id and its subnets."""
    return api.neutron.add_network("198.51.100.0/24", "2001:db8:100::/64")


@pytest.fixture
def front(api):
    """A front-end network with both families."""
    return api.neutron.add_network("10.1.0.0/24", "fd00:10:1::/64")


@pytest.fixture
def default(api):
    return api.create(DISTRIBUTORS, samples.distributor(is_default=True))


@pytest.fixture
def other(api, default):
    return api.create(DISTRIBUTORS, samples.distributor(name="other"))
