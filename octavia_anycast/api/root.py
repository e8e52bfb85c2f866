# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The Pecan root: Octavia's own, with our collections put in.

Nothing of Octavia is patched. What is not named here is Octavia's.
"""

from octavia.api import root_controller
from octavia.api.v2 import controllers
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.api import policies
from octavia_anycast.api.amphora.controller import AmphoraeController
from octavia_anycast.api.bgp.peer import PeersController
from octavia_anycast.api.bgp.speaker import SpeakersController
from octavia_anycast.api.content import (
    HealthMonitorsController,
    ListenersController,
    PoliciesController,
    PoolsController,
)
from octavia_anycast.api.distributor import DistributorsController
from octavia_anycast.api.doctor.check import ChecksController
from octavia_anycast.api.fleet.change import (
    FleetChangesController,
    FleetController,
)
from octavia_anycast.api.fleet.zone_drain import ZoneDrainsController
from octavia_anycast.api.load_balancer import LoadBalancersController
from octavia_anycast.api.openapi import DocumentController
from octavia_anycast.db.engine import Database

VERSION_PATHS = ("v2", "v2.0")


class V2Controller(controllers.V2Controller):
    """``/v2``, with our collections below ``lbaas``."""

    def __init__(self, settings: options.Settings) -> None:
        super().__init__()
        shared: str = cfg.CONF.database.connection
        connection = settings.connection or shared
        database = Database(connection)
        # Octavia serves some of its collections below /v2, too.
        self.loadbalancers = LoadBalancersController(
            database, settings, is_shared=connection == shared
        )
        self.lbaas.loadbalancers = self.loadbalancers
        for collections in (self, self.lbaas):
            collections.listeners = ListenersController()
            collections.pools = PoolsController()
            collections.l7policies = PoliciesController()
            collections.healthmonitors = HealthMonitorsController()
        self.octavia.amphorae = AmphoraeController(database, settings)
        for name, kind in (
            ("distributors", DistributorsController),
            ("distributor-checks", ChecksController),
            ("bgp-peers", PeersController),
            ("bgp-speakers", SpeakersController),
            ("fleet", FleetController),
            ("fleet-changes", FleetChangesController),
            ("zone-drains", ZoneDrainsController),
        ):
            setattr(self.lbaas, name, kind(database, settings))
        # Pecan takes the .json of openapi.json away.
        self.lbaas.openapi = DocumentController()


class RootController(root_controller.RootController):
    """``/``; Pecan makes it, by its name, without arguments."""

    def __init__(self) -> None:
        super().__init__()
        policies.register()
        settings = options.read(cfg.CONF)
        for path in VERSION_PATHS:
            setattr(self, path, V2Controller(settings))
