# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer made through the real API, and a controller for it."""

from dataclasses import dataclass
from typing import Any

import pytest
from octavia.db import api as octavia_db
from octavia.db import models
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.testing import samples
from octavia_anycast.testing.api_server import ApiServer
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud

LB = "/v2/lbaas/loadbalancers"
PLENTY = 10
COUNTED = (
    "load_balancer",
    "listener",
    "pool",
    "member",
    "health_monitor",
    "l7policy",
    "l7rule",
)


@dataclass
class Stage:
    """What a test of the controller acts on."""

    api: ApiServer
    cloud: FakeCloud
    controller: ControllerProcess
    load_balancer_id: str

    def restart(self) -> None:
        """The controller died; a new one starts."""
        self.controller.stop()
        self.cloud.revive()
        self.controller = ControllerProcess(self.cloud, options.read(cfg.CONF))

    def run(self, seconds: float = 60) -> None:
        """Run until settled, with nothing that must never happen."""
        is_settled = self.controller.run(self.load_balancer_id, seconds)
        assert is_settled, self.controller.errors
        assert self.cloud.violations == []

    def show(self) -> Any:
        """The load balancer as the API shows it."""
        return self.api.call("GET", f"{LB}/{self.load_balancer_id}").body[
            "loadbalancer"
        ]

    def add_listener(self, port: int = 80, **fields: Any) -> Any:
        """Make a listener through the API."""
        return self.api.create(
            "/v2/lbaas/listeners",
            {
                "listener": {
                    "loadbalancer_id": self.load_balancer_id,
                    "protocol": "HTTP",
                    "protocol_port": port,
                }
                | fields
            },
        )

    def delete(self) -> None:
        """Ask the API to delete everything."""
        self.cloud.stopping = frozenset({self.load_balancer_id})
        answer = self.api.call(
            "DELETE", f"{LB}/{self.load_balancer_id}?cascade=true"
        )
        assert answer.status == 204, answer.text

    def count(self, model: Any) -> int:
        """How many of Octavia's rows there are."""
        session = octavia_db.get_session()
        with session.begin():
            return int(session.query(model).count())

    def quota(self) -> Any:
        """The project's quota row; everything began with PLENTY in use.

        Without authentication Octavia counts nothing upwards; what of it
        is counted anew is what exists.
        """
        session = octavia_db.get_session()
        with session.begin():
            row = session.get(models.Quotas, self.api.project_id)
            session.expunge(row)
            return row


@pytest.fixture
def stage(api):
    """A load balancer just created, nothing done for it yet."""
    _, (v4, v6) = api.neutron.add_network(
        "198.51.100.0/24", "2001:db8:100::/64"
    )
    api.create("/v2/lbaas/distributors", samples.distributor(is_default=True))
    created = api.create(
        LB,
        {
            "loadbalancer": {
                "vip_subnet_id": v4,
                "additional_vips": [{"subnet_id": v6}],
                "project_id": api.project_id,
            }
        },
    )
    session = octavia_db.get_session()
    with session.begin():
        in_use = {f"in_use_{name}": PLENTY for name in COUNTED}
        session.add(models.Quotas(project_id=api.project_id, **in_use))
    cloud = FakeCloud(api.database)
    controller = ControllerProcess(cloud, options.read(cfg.CONF))
    made = Stage(api, cloud, controller, created["id"])
    yield made
    made.controller.stop()
