# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller on real rows with fake amphorae, which counts what it costs.

``python -m octavia_anycast_lab.bench.simulated.idle_controller OUTPUT LOAD
OCTAVIA-ARGUMENTS``: real database, load balancers, statuses, statistics and
heartbeats; fake compute, network, HAProxy and agents. LOAD is ``idle.Load``
as JSON. Once all load balancers have converged it measures, writes OUTPUT and
ends.
"""

import collections
import dataclasses
import json
import os
import pathlib
import resource
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
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.octavia_adapter.load_balancer import rows
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud, FakeFiles
from octavia_anycast.testing.fakes.fake_meter import FakeMeter
from octavia_anycast_lab.bench.simulated import (
    clones,
    idle,
)
from octavia_anycast_lab.bench.simulated.live_cloud import (
    LiveCloud,
    OneAtATime,
)

# Of the limit for all of it, what convergence may take.
_CONVERGE_SHARE = 0.6
_NOTICE_SECONDS = 120.0
# The first looks after the change have to be over.
_SETTLE_SECONDS = 15.0
# Copies are made and looked at for the first time.
_COPY_SECONDS = 240.0
# All have to be looked at once more, with heartbeats that bear digests.
_REST_SECONDS = 120.0
_CHANGES = 20
_POLL_SECONDS = 0.05
_NEVER_SECONDS = 86_400.0


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
                run["changes"] = _change(world, cloud)
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
    beats = typing.cast(FakeMeter, world.meter)
    received = beats.received
    began, before = time.monotonic(), os.times()
    time.sleep(load.seconds)
    elapsed, after = time.monotonic() - began, os.times()
    cpu = after.user - before.user + after.system - before.system
    queries = dict(meter.queries)
    received = beats.received - received
    return {
        "looks_per_second": (cloud.count() - asked) / load.size / elapsed,
        "at_rest": len(world.at_rest.amphorae()),
        "measured_seconds": round(elapsed, 1),
        "cpu_share": cpu / elapsed,
        "queries_per_second": sum(queries.values()) / elapsed,
        "queries_by_thread": queries,
        "heartbeats_per_second": received / elapsed,
        "heartbeats_lost": beats.lost + _dropped(world),
        "memory_mb": _memory_mb(),
        "resync_interval": world.settings.resync_interval,
        "violations": cloud.violations,
    }


def _dropped(world: World) -> int:
    """Datagrams that the kernel dropped at our socket."""
    port = f":{world.settings.heartbeat_bind_port:04X}"
    return sum(
        int(columns[-1])
        for name in ("udp", "udp6")
        for columns in map(
            str.split,
            pathlib.Path(f"/proc/net/{name}").read_text().split("\n"),
        )
        if columns and columns[1].endswith(port)
    )


def _memory_mb() -> float:
    """The most that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
    time.sleep(_POLL_SECONDS)


def _deeds(cloud: FakeCloud) -> list[str]:
    """What the controller did to the cloud, beside looking."""
    return [
        call
        for call in cloud.calls
        if call != "get report" and not call.startswith("list ")
    ]


def _change(world: World, cloud: LiveCloud) -> dict[str, list[float]]:
    """A user changes some load balancers, one after the other.

    :returns: seconds until each was looked at, and until it was settled
    :raises TimeoutError: one was not.
    """
    took: dict[str, list[float]] = {"begun": [], "settled": []}
    for identifier in sorted(world.load_balancers.all_statuses())[:_CHANGES]:
        ids = [machine.amphora_id for machine in cloud.of(identifier)]
        asked = _asked(cloud, ids)
        _make_pending(identifier)
        began = time.monotonic()
        while _asked(cloud, ids) == asked:
            _check(began + _NOTICE_SECONDS, f"{identifier} is not begun")
        took["begun"].append(round(time.monotonic() - began, 2))
        while _status(identifier) != "ACTIVE":
            _check(began + _NOTICE_SECONDS, f"{identifier} is not settled")
        took["settled"].append(round(time.monotonic() - began, 2))
    return took


def _asked(cloud: LiveCloud, amphora_ids: list[str]) -> int:
    return sum(cloud.asked[i] for i in amphora_ids)


def _make_pending(load_balancer_id: str) -> None:
    """Write what Octavia's API writes when a user changes it."""
    table = models.LoadBalancer
    with rows.transaction() as session:
        session.query(table).filter(table.id == load_balancer_id).update(
            {"provisioning_status": "PENDING_UPDATE"}
        )


def _status(load_balancer_id: str) -> str:
    table = models.LoadBalancer
    with rows.transaction() as session:
        found = session.get(table, load_balancer_id)
        return str(found.provisioning_status)


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
        meter=FakeMeter(),
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
