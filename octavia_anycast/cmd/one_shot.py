# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What octavia-anycast-manage does in the place of a controller.

Layer: cmd. It imports Octavia and the controller, and so is imported only when
it is needed. It takes the locks of the controllers, and owns no load balancer.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from keystoneauth1.exceptions import ClientException
from oslo_config import cfg

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
from octavia_anycast.controller.ports import Agents, World
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.doctor import tables
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import AnycastError, Conflict, Permanent
from octavia_anycast.model.housekeeping import Order
from octavia_anycast.octavia_adapter.cloud import open_ports
from octavia_anycast.octavia_adapter.cloud.answer_limit import limit_answers
from octavia_anycast.options import Settings
from octavia_anycast.planning.doctor.seen import Seen, SeenAmphora

THREADS = 8
# An agent that does not answer holds one for as long as agent_timeout.
ASKING_THREADS = 32


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


def look(
    config_files: list[str], distributor: str | None, *, is_asking: bool
) -> Seen:
    """Look at one distributor, or at all, for the doctor.

    :param distributor: its name or id; None: all
    :param is_asking: ask the agents now; else what they said last counts
    :raises Permanent: there is no such distributor, or several.
    """
    settings = _configure(config_files)
    database = Database(settings.connection or cfg.CONF.database.connection)
    with database.transaction() as session:
        found = distributors.list_all(session, WithoutPasswords())
        distributor_id = distributor and _chosen(distributor, found)
        seen = tables.read(
            session,
            controller.utc_now(),
            settings.doctor_limits(cfg.CONF.certificates.cert_validity_time),
            distributor_id,
        )
        owners = tables.owners(session, distributor_id)
    if is_asking:
        seen = _asked(seen, controller.make_agents(settings))
    try:
        limit_answers(cfg.CONF)
        groups = open_ports.look(
            owners, opens_rescue_port=settings.flow_rescue
        )
    except (AnycastError, ClientException) as e:
        return replace(seen, why_no_groups=str(e))
    return replace(seen, groups=groups)


def _chosen(name_or_id: str, found: list[Distributor]) -> str:
    ids = [x.id for x in found if name_or_id in (x.id, x.name)]
    if len(ids) != 1:
        how_many = f"{len(ids)} distributors have" if ids else "none has"
        raise Permanent(f"{how_many} the name or id {name_or_id!r}")
    return ids[0]


def _asked(seen: Seen, agents: Agents) -> Seen:
    """Ask the agents of all amphorae that are to serve.

    ``now`` stays the time at which the tables were read: agents that do not
    answer take a while, and heartbeats of the others are not read again.
    """

    def ask(amphora: SeenAmphora) -> SeenAmphora:
        address = amphora.record.lb_network_ip
        if amphora.id not in in_use or address is None:
            return amphora
        try:
            report = agents.get_report(amphora.id, address)
        except AnycastError as e:
            return replace(amphora, report=None, error=str(e))
        at = controller.utc_now()
        return replace(amphora, report=report, reported_at=at, answered_at=at)

    in_use = {amphora.id for amphora in seen.in_use()}
    with ThreadPoolExecutor(ASKING_THREADS) as executor:
        amphorae = tuple(executor.map(ask, seen.amphorae))
    return replace(seen, amphorae=amphorae)


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
                holds=self.coordination.holds,
            ).reconcile(load_balancer_id)


def _configure(config_files: list[str]) -> Settings:
    # What a command prints may be read by a program.
    return controller.configure(
        [f"--config-file={path}" for path in config_files], use_stderr=True
    )


@contextmanager
def _bench(
    config_files: list[str], wait_seconds: float = 0.0
) -> Iterator[_Bench]:
    settings = _configure(config_files)
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
