# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Makes what serves the controller's metrics, if they are wanted.

Layer: cmd.
"""

import time
from dataclasses import replace

from oslo_log import log as logging

from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.daemon import Daemon
from octavia_anycast.controller.metrics.application import (
    Application,
    Page,
)
from octavia_anycast.controller.metrics.exposition import Exposition
from octavia_anycast.controller.metrics.health import Health, Troubled
from octavia_anycast.controller.metrics.kept import Kept
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.controller.metrics.server import MetricsServer
from octavia_anycast.controller.picture.site import FOLDER, Site
from octavia_anycast.controller.ports import World
from octavia_anycast.db.engine import StatementTimer
from octavia_anycast.octavia_adapter.load_balancer.shown import ShownRows

LOG = logging.getLogger(__name__)
METRICS_SECONDS = 5.0
HEALTH_SECONDS = 1.0


def metered(world: World) -> World:
    """Give the world a meter that counts, if metrics are to be served."""
    if not world.settings.metrics_bind_port:
        if world.settings.picture:
            LOG.warning(
                "The picture is not served (picture): metrics_bind_port is 0."
            )
        return world
    return replace(world, meter=ProcessMetrics())


def timers(world: World) -> tuple[StatementTimer, ...]:
    """Make what tells the meter how long statements take, if it counts."""
    process = world.meter
    if not isinstance(process, ProcessMetrics):
        return ()
    return (StatementTimer(process.statement),)


def servers(
    world: World,
    coordination: Coordination,
    daemon: Daemon,
    receiver: Troubled,
    spare_monitor: Troubled,
) -> tuple[MetricsServer, ...]:
    """Make what serves metrics and health; nothing, if it is not wanted.

    :param world: with the meter that :func:`metered` gave it
    """
    process, settings = world.meter, world.settings
    if not isinstance(process, ProcessMetrics):
        return ()
    health = Health(
        database=world.database,
        coordination=coordination,
        daemon=daemon,
        receiver=receiver,
        spare_monitor=spare_monitor,
    )
    troubles = Kept(health.troubles, HEALTH_SECONDS, time.monotonic)
    exposition = Exposition(
        world,
        process,
        backlogs=daemon.backlogs,
        troubles=troubles.get,
        clock=time.monotonic,
    )
    text = Kept(exposition.text, METRICS_SECONDS, time.monotonic)
    return (
        MetricsServer(
            settings.metrics_bind_ip,
            settings.metrics_bind_port,
            Application(text.get, troubles.get, _folders(world)),
        ),
    )


def _folders(world: World) -> dict[str, Page]:
    """The picture, if it is wanted."""
    if not world.settings.picture:
        return {}
    site = Site(world, ShownRows(), time.monotonic)
    return {FOLDER: site.answer}
