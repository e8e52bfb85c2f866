# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The API over WSGI, one application for all; our tables by themselves."""

import pytest

from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.testing import api_server, samples
from octavia_anycast.tests.functional import object_tree
from octavia_anycast.tests.functional.balancers import DISTRIBUTORS


@pytest.fixture
def database(tmp_path):
    """An upgraded database with nothing in it."""
    database = Database(f"sqlite:///{tmp_path}/anycast.db")
    schema.upgrade(database.engine())
    return database


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


@pytest.fixture(scope="module")
def built(server):
    """One of each, built once; a test gets the databases as they are then."""
    server.reset()
    t = object_tree.make_load_balancer(server)
    object_tree.add_one_of_each(t)
    return t, server.snapshot()


@pytest.fixture
def tree(built):
    """A load balancer with one of each."""
    tree, snapshot = built
    tree.api.restore(snapshot)
    return tree


@pytest.fixture
def empty(api):
    """A load balancer with nothing on it."""
    return object_tree.make_load_balancer(api)


@pytest.fixture
def fabric(api):
    """A distributor with one speaker and one peer."""
    made = api.create(DISTRIBUTORS, samples.distributor(is_default=True))
    api.settle()
    return made


@pytest.fixture
def bare(api):
    """A distributor without speakers."""
    made = api.create(DISTRIBUTORS, samples.distributor(speakers=[]))
    api.settle()
    return made


@pytest.fixture
def load_balancer(api, fabric):
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    return api.create(
        "/v2/lbaas/loadbalancers",
        {"loadbalancer": {"vip_subnet_id": subnet_id}},
    )
