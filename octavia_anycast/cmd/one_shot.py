# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What octavia-anycast-manage does in the place of a controller.

Layer: cmd. It imports Octavia and the controller, and so is imported only
when asked for. It takes the locks of the controllers, and no load balancers.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from keystoneauth1.exceptions import ClientException
from octavia.common import config as octavia_config
from oslo_config import cfg

from octavia_anycast import log_lines, options
from octavia_anycast.cmd.controller import STALE_AFTER_INTERVALS, make_world
from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.cluster.reconciler import ClusterReconciler
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.work_queue import Result
from octavia_anycast.controller.housekeeping.housekeeping import (
    Chore,
    lock_name,
)
from octavia_anycast.controller.housekeeping.purge import Purge
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.ports import World
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.errors import Conflict, Permanent
from octavia_anycast.model.housekeeping import Finding, Order, Rotated

THREADS = 8


def reconcile(config_files: list[str], load_balancer_id: str) -> Result:
    """Reconcile one load balancer as far as it gets without waiting.

    :raises Conflict: while a controller is at it.
    :raises AnycastError: if it could not be observed.
    """
    with _bench(config_files) as bench:
        result = bench.reconcile(load_balancer_id)
    if result is None:
        raise Conflict(
            f"A controller is at load balancer {load_balancer_id}; "
            "there is nothing to do for you."
        )
    return result


def purge(
    config_files: list[str], *, is_dry_run: bool, wait_seconds: float
) -> dict[str, int]:
    """Remove records of what is long gone; table -> rows.

    :raises AnycastError: it could not be done.
    """
    with _bench(config_files, wait_seconds) as bench:
        chore = Purge(bench.world)
        if is_dry_run:
            return chore.find()
        with bench.locked(Chore.PURGE):
            return chore.run()


def rotate(
    config_files: list[str],
    order: Order,
    *,
    is_dry_run: bool,
    wait_seconds: float,
) -> tuple[Rotated, ...]:
    """Replace certificates that end soon, or all.

    :raises AnycastError: it could not be done.
    """
    with _bench(config_files, wait_seconds) as bench:
        chore = Rotation(bench.world, bench.lock)
        if is_dry_run:
            return chore.find(order)
        with bench.locked(Chore.CERTIFICATES):
            return chore.run(order)


def sweep(
    config_files: list[str], *, is_dry_run: bool, wait_seconds: float
) -> tuple[Finding, ...]:
    """Find orphans, and remove them.

    What nobody can tell the age of is removed by a running controller only,
    which watches it for a while.

    :raises AnycastError: it could not be done.
    """
    with _bench(config_files, wait_seconds) as bench:
        chore = Sweep(bench.world, bench.reconcile)
        if is_dry_run:
            return chore.find()
        with bench.locked(Chore.SWEEP):
            return chore.run()


@dataclass(frozen=True, slots=True)
class _Bench:
    """A world and its locks, for the length of a command."""

    world: World
    coordination: Coordination
    wait_seconds: float

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock; False if it was not free for so long."""
        return self.coordination.lock(name, self.wait_seconds)

    @contextmanager
    def locked(self, chore: Chore) -> Iterator[None]:
        """Hold the lock of a chore.

        :raises Conflict: somebody else is at it.
        """
        with self.lock(lock_name(chore)) as is_held:
            if not is_held:
                raise Conflict(
                    f"Somebody else is at the same ({chore}): try again "
                    "later, or wait longer with --wait."
                )
            yield

    def reconcile(self, load_balancer_id: str) -> Result | None:
        """Reconcile one load balancer; None while a controller is at it."""
        settings = self.world.settings
        store = HeartbeatStore(
            stale_after=STALE_AFTER_INTERVALS * settings.heartbeat_interval
        )
        with (
            CarryingExecutor(THREADS, "observe") as observers,
            CarryingExecutor(THREADS, "apply") as appliers,
            self.coordination.lock(load_balancer_id) as is_held,
        ):
            if not is_held:
                return None
            return ClusterReconciler(
                self.world,
                Reporter(self.world, store),
                observe_executor=observers,
                apply_executor=appliers,
            ).reconcile(load_balancer_id)


@contextmanager
def _bench(
    config_files: list[str], wait_seconds: float = 0.0
) -> Iterator[_Bench]:
    world = _world(config_files)
    coordination = Coordination(world.settings.coordination_url)
    coordination.connect()
    try:
        yield _Bench(world, coordination, wait_seconds)
    finally:
        coordination.stop()


def _world(config_files: list[str]) -> World:
    octavia_config.init([f"--config-file={path}" for path in config_files])
    # What a command prints may be read by a program.
    cfg.CONF.set_override("use_stderr", True)
    octavia_config.setup_logging(cfg.CONF)
    log_lines.set_up(cfg.CONF)
    try:
        return make_world(options.read(cfg.CONF))
    except ClientException as e:
        raise Permanent(
            f"Neutron cannot be reached as octavia.conf says: {e}"
        ) from e
