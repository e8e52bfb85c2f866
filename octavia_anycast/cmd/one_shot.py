# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What octavia-anycast-manage does in the place of a controller.

Layer: cmd. It imports Octavia and the controller, and so is imported only when
it is needed. It takes the locks of the controllers, and owns no load balancer.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException

from octavia_anycast.cmd import controller
from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.cluster.reconciler import ClusterReconciler
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.work_queue import Result
from octavia_anycast.controller.housekeeping.housekeeping import (
    Chore,
    Purge,
    lock_name,
)
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.ports import World
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.errors import Conflict, Permanent
from octavia_anycast.model.housekeeping import Order

THREADS = 8


def reconcile(config_files: list[str], load_balancer_id: str) -> Result:
    """Reconcile one load balancer as far as it gets without waiting.

    :raises Conflict: a controller is working on it.
    :raises AnycastError: if it could not be observed.
    """
    with _bench(config_files) as bench:
        result = bench.reconcile(load_balancer_id)
    if result is None:
        raise Conflict(
            f"A controller is working on load balancer {load_balancer_id}; "
            "nothing was done."
        )
    return result


def do_chore(
    config_files: list[str],
    chore: str,
    *,
    is_dry_run: bool,
    wait_seconds: float,
    order: Order | None,
) -> Any:
    """Do a chore of housekeeping, or find out what it would do.

    A sweep keeps what has no known age: a running controller watches it for
    a while and removes it then.

    :param chore: as on the command line
    :param order: whose certificates are replaced; None for other chores
    :raises AnycastError: it could not be done.
    """
    with _bench(config_files, wait_seconds) as bench:
        worker: Any
        if chore == "purge":
            worker, kind = Purge(bench.world), Chore.PURGE
        elif chore == "sweep":
            worker, kind = Sweep(bench.world, bench.reconcile), Chore.SWEEP
        else:
            worker = Rotation(bench.world, bench.lock)
            kind = Chore.CERTIFICATES
        arguments = () if order is None else (order,)
        if is_dry_run:
            return worker.find(*arguments)
        with bench.lock(lock_name(kind)) as is_held:
            if not is_held:
                raise Conflict(
                    f"Another process does the same work ({kind}): try again "
                    "later, or wait longer with --wait."
                )
            return worker.run(*arguments)


@dataclass(frozen=True, slots=True)
class _Bench:
    """A world and its locks, for one command."""

    world: World
    coordination: Coordination
    wait_seconds: float

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock; False if it was not free in time."""
        return self.coordination.lock(name, self.wait_seconds)

    def reconcile(self, load_balancer_id: str) -> Result | None:
        """Reconcile one load balancer; None while a controller does so."""
        interval = self.world.settings.heartbeat_interval
        store = HeartbeatStore(
            stale_after=controller.STALE_AFTER_INTERVALS * interval
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
    # What a command prints may be read by a program.
    settings = controller.configure(
        [f"--config-file={path}" for path in config_files], use_stderr=True
    )
    try:
        world = controller.make_world(settings)
    except ClientException as e:
        raise Permanent(
            f"Neutron cannot be reached with the settings of octavia.conf: {e}"
        ) from e
    coordination = Coordination(settings.coordination_url)
    coordination.connect()
    try:
        yield _Bench(world, coordination, wait_seconds)
    finally:
        coordination.stop()
