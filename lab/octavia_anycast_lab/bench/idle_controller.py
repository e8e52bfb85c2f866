# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller on real rows with fake amphorae, which counts what it costs.

``python -m octavia_anycast_lab.bench.idle_controller OUTPUT LOAD
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
import typing

import sqlalchemy
from octavia.common import config as octavia_config
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.cmd import controller
from octavia_anycast.controller.ports import World
from octavia_anycast.db import amphorae
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.testing.fake_cloud import FakeCloud, FakeFiles
from octavia_anycast_lab.bench import idle

# Of the limit for all of it, what convergence may take.
_CONVERGE_SHARE = 0.6
_NOTICE_SECONDS = 120.0
# The first looks after the change have to be over.
_SETTLE_SECONDS = 25.0


class LiveCloud(FakeCloud):
    """The fake cloud with the wall clock."""

    @property
    def now(self) -> datetime.datetime:
        """The time."""
        return controller.utc_now()

    @now.setter
    def now(self, value: datetime.datetime) -> None:
        """Nobody moves this clock."""


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
    """Counts queries by kind of thread, and processor time."""

    def __init__(self) -> None:
        self.queries: collections.Counter[str] = collections.Counter()
        sqlalchemy.event.listen(
            sqlalchemy.engine.Engine, "before_cursor_execute", self._count
        )

    def _count(self, *_: object) -> None:
        self.queries[threading.current_thread().name.split("_")[0]] += 1


def measure(
    world: World, cloud: FakeCloud, load: idle.Load, path: str
) -> None:
    """Wait for convergence, measure, write, end the process."""
    try:
        result = _measure(world, cloud, load)
        if load.loses_one:
            ids = pathlib.Path(f"{path}.ids")
            result["noticed_after_seconds"] = _lose(world, cloud, ids)
    except TimeoutError as error:
        result = {"error": str(error)}
    pathlib.Path(path).write_text(json.dumps(result), "utf-8")
    os.kill(os.getpid(), signal.SIGTERM)


def _measure(
    world: World, cloud: FakeCloud, load: idle.Load
) -> dict[str, object]:
    took = _await_convergence(world, load)
    time.sleep(_SETTLE_SECONDS)
    meter = Meter()
    began, before = time.monotonic(), os.times()
    time.sleep(load.seconds)
    elapsed, after = time.monotonic() - began, os.times()
    cpu = after.user - before.user + after.system - before.system
    queries = dict(meter.queries)
    return {
        "converged_after_seconds": round(took, 1),
        "measured_seconds": round(elapsed, 1),
        "cpu_share": cpu / elapsed,
        "queries_per_second": sum(queries.values()) / elapsed,
        "queries_by_thread": queries,
        "poll_interval": world.settings.poll_interval,
        "resync_interval": world.settings.resync_interval,
        "violations": cloud.violations,
    }


def _lose(world: World, cloud: FakeCloud, ids: pathlib.Path) -> float:
    """An amphora loses power and falls silent: seconds until another boots.

    :raises TimeoutError: nobody noticed.
    """
    with world.database.transaction() as session:
        victim = next(
            record
            for record in amphorae.list_all(session)
            if record.status is AmphoraStatus.ALLOCATED
        )
    owner = str(victim.load_balancer_id)
    before = {machine.server_id for machine in cloud.of(owner)}
    left = [i for i in ids.read_text("utf-8").split() if i != victim.id]
    _write_ids(ids, left)
    for machine in cloud.of(owner):
        if machine.amphora_id == victim.id:
            machine.has_power = False
    began = time.monotonic()
    while time.monotonic() - began < _NOTICE_SECONDS:
        if {machine.server_id for machine in cloud.of(owner)} - before:
            return time.monotonic() - began
        time.sleep(0.1)
    raise TimeoutError(f"nobody replaced amphora {victim.id}")


def _await_convergence(world: World, load: idle.Load) -> float:
    limit = _CONVERGE_SHARE * load.limit_seconds
    began = time.monotonic()
    while True:
        statuses = list(world.load_balancers.all_statuses().values())
        if statuses.count("ACTIVE") == len(statuses) == load.count:
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
        # The defaults of the product, not the lab's hurry.
        poll_interval=0.5,
        resync_interval=10.0,
        heartbeat_interval=load.heartbeat_seconds,
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
        scouts=safe,
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
