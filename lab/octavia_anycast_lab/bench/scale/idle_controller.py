# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller on real rows with fake amphorae, which counts what it costs.

``python -m octavia_anycast_lab.bench.scale.idle_controller OUTPUT LOAD
OCTAVIA-ARGUMENTS``: real database, load balancers, statuses, statistics and
heartbeats; fake compute, network, HAProxy and agents. LOAD is ``idle.Load``
as JSON. Once all load balancers have converged it measures, writes OUTPUT and
ends.
"""

import collections
import dataclasses
import datetime
import json
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
import typing

import sqlalchemy
from octavia.common import config as octavia_config
from octavia.db import models
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd import controller
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.engine import Database
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import Report
from octavia_anycast.octavia_adapter.load_balancer import rows
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud, FakeFiles
from octavia_anycast.testing.fakes.fake_machine import Machine
from octavia_anycast_lab.bench.scale import clones, idle

# Of the limit for all of it, what convergence may take.
_CONVERGE_SHARE = 0.6
_NOTICE_SECONDS = 120.0
# The first looks after the change have to be over.
_SETTLE_SECONDS = 15.0
# Copies are made and looked at for the first time.
_COPY_SECONDS = 240.0
# All have to be looked at once more, with heartbeats that bear digests.
_REST_SECONDS = 120.0
_CHANGES = 5
_NEVER_SECONDS = 86_400.0


class LiveCloud(FakeCloud):
    """The fake cloud with the wall clock, quick with thousands."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # amphora_id -> how often it was asked
        self.asked: collections.Counter[str] = collections.Counter()
        self._index: dict[str, Machine] = {}
        self._reports: dict[str, tuple[object, Report]] = {}

    @property
    def now(self) -> datetime.datetime:
        """The time."""
        return controller.utc_now()

    @now.setter
    def now(self, value: datetime.datetime) -> None:
        """Nobody moves this clock."""

    def get_report(self, amphora_id: str, address: IPAddress) -> Report:
        """The same, from memory: to think is an agent's cost, not ours."""
        machine = self._by_address(amphora_id, address)
        self.asked[amphora_id] += 1
        key = (machine.state, machine.pushes, machine.frontend_port)
        kept = self._reports.get(amphora_id)
        if kept is None or kept[0] != key:
            kept = key, super().get_report(amphora_id, address)
            self._reports[amphora_id] = kept
        return kept[1]

    def beating(self) -> list[str]:
        """The lines of those who send heartbeats: id, digest of the report.

        Whose agent was never asked bears none.
        """
        reports = dict(self._reports)
        living = [
            machine.amphora_id
            for machine in list(self.machines.values())
            if machine.has_power
        ]
        return sorted(
            f"{i} {reports[i][1].report_digest}" if i in reports else i
            for i in living
        )

    def count(self) -> int:
        """How often any was asked; other threads go on asking meanwhile."""
        return sum(dict(self.asked).values())

    def _by_address(self, amphora_id: str, address: IPAddress) -> Machine:
        machine = self._index.get(amphora_id)
        if machine is None or machine.server_id not in self.machines:
            self._index = {m.amphora_id: m for m in self.machines.values()}
            return super()._by_address(amphora_id, address)
        if not machine.has_power:
            raise Retryable(f"amphora {amphora_id} does not answer")
        return machine


class OneAtATime:
    """Passes calls on, one at a time: the fake was made for one thread."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> typing.Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: typing.Any, **named: typing.Any) -> typing.Any:
            with self._lock:
                return found(*arguments, **named)

        return call


class Meter:
    """Counts queries by kind of thread; many rows at once are many."""

    def __init__(self) -> None:
        self.queries: collections.Counter[str] = collections.Counter()
        sqlalchemy.event.listen(
            sqlalchemy.engine.Engine, "before_cursor_execute", self._count
        )

    def _count(self, *about: typing.Any) -> None:
        *_, parameters, _context, are_many = about
        name = threading.current_thread().name.split("_")[0]
        self.queries[name] += len(parameters) if are_many else 1


def measure(
    world: World, cloud: LiveCloud, load: idle.Load, path: str
) -> None:
    """Wait for convergence, measure, write, end the process."""
    copies = None
    try:
        made = 1 if load.are_copies else load.count
        took = _await_convergence(world, made, load)
        if load.are_copies:
            copies = _copy(world, cloud, load)
        meter = Meter()
        found = []
        ids = pathlib.Path(f"{path}.ids")
        for turn in range(load.runs):
            _write_ids(ids, cloud.beating())
            time.sleep(_SETTLE_SECONDS)
            _await_rest(world, load)
            run = _measure(world, cloud, load, meter)
            run["converged_after_seconds"] = round(took, 1)
            if load.loses_one:
                run["settled_after_seconds"] = _change(world)
                run["noticed_after_seconds"] = _lose(world, cloud, ids, turn)
            found.append(run)
    except Exception as error:  # noqa: BLE001 - whoever waits has to hear
        traceback.print_exc()
        found = [{"error": f"{type(error).__name__}: {error}"}]
    pathlib.Path(path).write_text(json.dumps(found), "utf-8")
    if copies is not None:
        copies.remove_patiently()
    os.kill(os.getpid(), signal.SIGTERM)


def _await_rest(world: World, load: idle.Load) -> None:
    """Wait until all are at rest, but not for ever: some may never be."""
    limit = time.monotonic() + _REST_SECONDS
    while time.monotonic() < limit:
        if len(world.at_rest.amphorae()) >= load.count:
            return
        time.sleep(0.5)


def _measure(
    world: World, cloud: LiveCloud, load: idle.Load, meter: Meter
) -> dict[str, object]:
    meter.queries.clear()
    asked = cloud.count()
    began, before = time.monotonic(), os.times()
    time.sleep(load.seconds)
    elapsed, after = time.monotonic() - began, os.times()
    cpu = after.user - before.user + after.system - before.system
    queries = dict(meter.queries)
    return {
        "looks_per_second": (cloud.count() - asked) / load.size / elapsed,
        "at_rest": len(world.at_rest.amphorae()),
        "measured_seconds": round(elapsed, 1),
        "cpu_share": cpu / elapsed,
        "queries_per_second": sum(queries.values()) / elapsed,
        "queries_by_thread": queries,
        "resync_interval": world.settings.resync_interval,
        "violations": cloud.violations,
    }


def _copy(world: World, cloud: LiveCloud, load: idle.Load) -> clones.Clones:
    """Copy the one that has converged, and have each copy looked at.

    :raises TimeoutError: not all of them were.
    :raises RuntimeError: there was something to be done for one of them.
    """
    (template_id,) = world.load_balancers.all_statuses()
    limit = time.monotonic() + _COPY_SECONDS
    while len(cloud.announcers(template_id)) < load.size:
        _check(limit, "not all amphorae of the first one announce")
    time.sleep(_SETTLE_SECONDS)
    copies = clones.Clones(world, cloud, template_id)
    copies.make(load.count - 1)
    done = len(_deeds(cloud))
    cloud.asked.clear()
    while len(cloud.asked) < load.count * load.size:
        _check(limit, f"only {len(cloud.asked)} amphorae were asked")
    if deeds := _deeds(cloud)[done:]:
        raise RuntimeError(f"copies were not converged: {set(deeds)}")
    return copies


def _check(limit: float, complaint: str) -> None:
    """Wait a moment.

    :raises TimeoutError: it is over.
    """
    if time.monotonic() > limit:
        raise TimeoutError(complaint)
    time.sleep(0.2)


def _deeds(cloud: FakeCloud) -> list[str]:
    """What the controller did to the cloud, beside looking."""
    return [
        call
        for call in cloud.calls
        if call != "get report" and not call.startswith("list ")
    ]


def _change(world: World) -> list[float]:
    """A user changes some load balancers: seconds until each is settled.

    :raises TimeoutError: one was not.
    """
    table = models.LoadBalancer
    took = []
    for identifier in sorted(world.load_balancers.all_statuses())[:_CHANGES]:
        with rows.transaction() as session:
            session.query(table).filter(table.id == identifier).update(
                {"provisioning_status": "PENDING_UPDATE"}
            )
        began = time.monotonic()
        while world.load_balancers.all_statuses()[identifier] != "ACTIVE":
            _check(began + _NOTICE_SECONDS, f"{identifier} is not settled")
        took.append(round(time.monotonic() - began, 2))
    return took


def _lose(
    world: World, cloud: LiveCloud, ids: pathlib.Path, turn: int
) -> float:
    """An amphora loses power and falls silent: seconds until another boots.

    It is one of another cluster in each turn.

    :raises TimeoutError: nobody noticed.
    """
    owner = sorted(world.load_balancers.all_statuses())[_CHANGES + turn]
    machines = {m.amphora_id: m for m in cloud.of(owner)}
    victim, machine = min(machines.items())
    machine.has_power = False
    _write_ids(ids, cloud.beating())
    began = time.monotonic()
    while time.monotonic() - began < _NOTICE_SECONDS:
        booted = {m.amphora_id for m in cloud.of(owner)} - machines.keys()
        if booted:
            took = time.monotonic() - began
            _write_ids(ids, cloud.beating())
            return took
        time.sleep(0.1)
    raise TimeoutError(f"nobody replaced amphora {victim}")


def _await_convergence(world: World, count: int, load: idle.Load) -> float:
    limit = _CONVERGE_SHARE * load.limit_seconds
    began = time.monotonic()
    while True:
        statuses = list(world.load_balancers.all_statuses().values())
        if statuses.count("ACTIVE") == len(statuses) == count:
            return time.monotonic() - began
        if time.monotonic() - began > limit:
            found = dict(collections.Counter(statuses))
            raise TimeoutError(f"load balancers are {found}")
        time.sleep(0.5)


def write_ids(
    world: World, path: pathlib.Path, wanted: int, stop: threading.Event
) -> None:
    """Keep a file with the ids of the living amphorae, for heartbeats."""
    while not stop.wait(1.0):
        with world.database.transaction() as session:
            ids = [
                record.id
                for record in amphorae.list_all(session)
                if record.status is AmphoraStatus.ALLOCATED
            ]
        _write_ids(path, ids)
        if len(ids) >= wanted:
            return


def _write_ids(path: pathlib.Path, ids: list[str]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text("\n".join(ids), "utf-8")
    draft.replace(path)


def main() -> None:
    """Run the daemon with the measurement beside it."""
    output, load = sys.argv[1], idle.Load(**json.loads(sys.argv[2]))
    octavia_config.init(sys.argv[3:])
    octavia_config.setup_logging(cfg.CONF)
    read = options.read(cfg.CONF)
    settings = dataclasses.replace(
        read,
        policy=dataclasses.replace(read.policy, dead_after=15.0),
        coordination_url=f"file://{output}.coordination",
        # The default of the product, not the lab's hurry.
        resync_interval=10.0,
        rest_interval=load.rest_seconds,
        heartbeat_interval=load.heartbeat_seconds,
        # The fake cloud has no ports of copies: they would be replaced.
        sweep_interval=_NEVER_SECONDS,
        # Its secrets hang on the load balancer's id and on the time, so that
        # copies would not have converged.
        flow_rescue=False,
    )
    world = controller.make_world(settings)
    cloud = LiveCloud(world.database)
    safe: typing.Any = OneAtATime(cloud)
    world = dataclasses.replace(
        world,
        compute=safe,
        network=safe,
        haproxy=safe,
        agents=safe,
        fast_agents=safe,
        files=FakeFiles(),
    )
    stop = threading.Event()
    ids = pathlib.Path(f"{output}.ids")
    for target, arguments in (
        (measure, (world, cloud, load, output)),
        (write_ids, (world, ids, load.count * load.size, stop)),
    ):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    controller.run(world, settings)
    stop.set()


if __name__ == "__main__":
    main()
