# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What octavia-anycast-manage does in the place of a controller.

Layer: cmd. It imports Octavia and the controller, and so is imported only
when asked for.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from keystoneauth1.exceptions import ClientException
from octavia.common import config as octavia_config
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd.controller import STALE_AFTER_INTERVALS, make_world
from octavia_anycast.controller.heartbeat_store import HeartbeatStore
from octavia_anycast.controller.membership import Membership
from octavia_anycast.controller.ports import World
from octavia_anycast.controller.reconciler import Reconciler, Result
from octavia_anycast.controller.report import Reporter
from octavia_anycast.controller.sweep import Orphans, Sweep
from octavia_anycast.model.errors import Conflict, Permanent

THREADS = 8


def reconcile(config_files: list[str], load_balancer_id: str) -> Result:
    """Reconcile one load balancer as far as it gets without waiting.

    :raises Conflict: while a controller is at it.
    :raises AnycastError: if it could not be observed.
    """
    world = _world(config_files)
    settings = world.settings
    store = HeartbeatStore(
        stale_after=STALE_AFTER_INTERVALS * settings.heartbeat_interval
    )
    with (
        ThreadPoolExecutor(THREADS, "observe") as observers,
        ThreadPoolExecutor(THREADS, "apply") as appliers,
        _locked(settings.coordination_url, load_balancer_id),
    ):
        return Reconciler(
            world,
            Reporter(world, store),
            observe_executor=observers,
            apply_executor=appliers,
        ).reconcile(load_balancer_id)


def sweep(config_files: list[str], *, is_dry_run: bool) -> Orphans:
    """Find orphaned records, and remove them.

    Orphaned ports are found by a running controller only, which watches
    them for a while.

    :raises Retryable: a service did not answer.
    """
    sweeper = Sweep(_world(config_files))
    return sweeper.find() if is_dry_run else sweeper.run()


def _world(config_files: list[str]) -> World:
    octavia_config.init([f"--config-file={path}" for path in config_files])
    octavia_config.setup_logging(cfg.CONF)
    try:
        return make_world(options.read(cfg.CONF))
    except ClientException as e:
        raise Permanent(
            f"Neutron cannot be reached as octavia.conf says: {e}"
        ) from e


@contextmanager
def _locked(url: str, load_balancer_id: str) -> Iterator[None]:
    membership = Membership(url)
    membership.start()
    try:
        with membership.lock(load_balancer_id) as is_held:
            if not is_held:
                raise Conflict(
                    f"A controller is at load balancer {load_balancer_id}; "
                    "there is nothing to do for you."
                )
            yield
    finally:
        membership.stop()
