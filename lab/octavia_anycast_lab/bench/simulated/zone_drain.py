# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone of two hundred amphorae is drained, and comes back.

A hundred clusters of four have half of their amphorae in each of two zones.
These are simulated (``beside_controller``). Beside them are two real clusters
of four, under new requests and held connections: one controller drains them
all by one zone drain.
"""

import collections.abc
import contextlib
import dataclasses
import functools
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import typing

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.simulated import (
    beside_controller,
)
from octavia_anycast_lab.cloud import controller, service
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import (
    clients,
    held,
    http_probe,
    traffic_record,
)

COUNT = 100
SIZE = 4
REAL = 2
ZONE = "rack1"
RATE_PER_SECOND = 200.0
_TIMEOUT_SECONDS = 60
_READY_SECONDS = 500.0
_DRAINED_SECONDS = 400.0
_QUIET_SECONDS = 6.0  # each held connection asks once
_LONGEST_SECONDS = 900.0
_PATH = "/v2/lbaas/zone-drains"

FAILED = result.Question(
    name="zone_drain_failed_new_requests",
    unit="requests",
    expected="0: each leaf goes on until the spines have left it",
    target=result.Target(quantity="ours", limit=0),
)
BROKEN = result.Question(
    name="zone_drain_broken_held_connections",
    unit="connections",
    expected="0: the other rack hands on what is not its own, until HAProxy "
    "has ended each connection",
    target=result.Target(quantity="ours", limit=0),
)
DRAINED = result.Question(
    name="zone_drain_of_200_drained_after",
    unit="s",
    expected="15-40: marks in 2 s, 102 looks of some 50 ms in turns, the "
    "fabric's time, 5 s until held connections have asked; another look",
)
BACK = result.Question(
    name="zone_drain_of_200_ended_after",
    unit="s",
    expected="10-30: marks are taken back, and 102 looks",
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """As often as was asked for, in one deployment; there is no peer."""
    before = result.load()
    found = []
    with contextlib.ExitStack() as standing:
        made = [
            standing.enter_context(lab.serving(SIZE, f"bench-zone-{number}"))
            for number in range(REAL)
        ]
        standing.enter_context(_simulated(lab))
        for turn in range(lab.runs):
            run = _once(lab, made)
            lab.say(f"run {turn + 1}: {run}")
            found.append(run)
    return tuple(
        question.answer(
            [
                result.Run(ours=float(run[key]), detail=dict(run))
                for run in found
            ],
            before,
        )
        for question, key in (
            (FAILED, "failed"),
            (BROKEN, "broken"),
            (DRAINED, "drained_seconds"),
            (BACK, "ended_seconds"),
        )
    )


def _once(
    lab: world.World, made: collections.abc.Sequence[world.LoadBalancer]
) -> dict[str, typing.Any]:
    """Drain the zone and end that, under load.

    :raises RuntimeError: it did not drain all that it should.
    """
    with contextlib.ExitStack() as running:
        flows = clients.start_held(
            lab.lab, lab.registry, _places(made), lab.held, _LONGEST_SECONDS
        )
        running.callback(process.stop, lab.registry, flows.label)
        streams = [_stream(lab, vip, running) for vip in _vips(made)]
        time.sleep(_QUIET_SECONDS)
        began = world.moment()
        shown = _drain(lab)
        drained = world.moment()
        _check(lab, made, shown)
        time.sleep(_QUIET_SECONDS)
        ends = world.moment()
        _end(lab, shown["id"])
        ended = world.moment()
        for one in made:
            lab.await_announced(one, SIZE)
        time.sleep(_QUIET_SECONDS)
        new = [record for stream in streams for record in stream.stop()]
        process.stop(lab.registry, flows.label, flows.grace_seconds)
    failed = bad(new, began)
    broken = bad(flows.records(), began)
    return {
        "amphorae": shown["amphora_count"],
        "drained_seconds": round(drained - began, 1),
        "ended_seconds": round(ended - ends, 1),
        "requests": len(new),
        "failed": len(failed),
        "outcomes": dict(traffic_record.summarize(failed).outcomes),
        "lost_syns": sum(r.lost_syns for r in new if r.start >= began),
        "held": lab.held,
        "broken": len(broken),
        "before": len(bad(new, 0.0)) - len(failed),
    }


def bad(
    records: collections.abc.Sequence[traffic_record.Record], began: float
) -> list[traffic_record.Record]:
    """What went wrong, of what ended after that moment."""
    return [
        one
        for one in records
        if one.outcome is not traffic_record.Outcome.OK
        and one.start + one.duration_ms / 1000 >= began
    ]


def _vips(
    made: collections.abc.Iterable[world.LoadBalancer],
) -> list[str]:
    return [str(vip) for one in made for vip in one.vips]


def _places(
    made: collections.abc.Iterable[world.LoadBalancer],
) -> tuple[held.Place, ...]:
    return tuple(
        held.Place(address=vip, port=world.PORT, is_tcp=False)
        for vip in _vips(made)
    )


def _stream(
    lab: world.World, vip: str, running: contextlib.ExitStack
) -> clients.Generator:
    stream = clients.start_stream(
        lab.lab,
        lab.registry,
        http_probe.Target(address=vip, port=world.PORT),
        RATE_PER_SECOND / (2 * REAL),
        _LONGEST_SECONDS,
    )
    running.callback(process.stop, lab.registry, stream.label)
    return stream


def _drain(lab: world.World) -> dict[str, typing.Any]:
    """Ask for it, and wait until nobody in the zone announces."""
    wanted = {
        "availability_zone": ZONE,
        "duration": 3600,
        "reason": "bench",
        "timeout": _TIMEOUT_SECONDS,
    }
    made = lab.api.request(
        "POST", rest.LOAD_BALANCER, _PATH, {"zone_drain": wanted}
    )["zone_drain"]
    expected = COUNT * SIZE // 2 + REAL * SIZE // 2

    def is_drained() -> bool:
        shown = _show(lab, made["id"])
        return shown["state"] == "DRAINED" and (
            int(shown["drained_count"]) >= expected
        )

    process.wait_until(
        is_drained, _DRAINED_SECONDS, f"{expected} amphorae drained", 0.5
    )
    return _show(lab, made["id"])


def _check(
    lab: world.World,
    made: collections.abc.Iterable[world.LoadBalancer],
    shown: dict[str, typing.Any],
) -> None:
    left = {
        vip: len(observe.announcers(lab.lab, f"{vip}/{vip.max_prefixlen}"))
        for one in made
        for vip in one.vips
    }
    if set(left.values()) != {SIZE // 2}:
        raise RuntimeError(f"the leaves use {left} paths; {shown}")


def _end(lab: world.World, drain_id: str) -> None:
    lab.api.request("DELETE", rest.LOAD_BALANCER, f"{_PATH}/{drain_id}")
    process.wait_until(
        lambda: _show(lab, drain_id)["state"] == "ENDED",
        _DRAINED_SECONDS,
        "the end of the zone drain",
        0.5,
    )


def _show(lab: world.World, drain_id: str) -> dict[str, typing.Any]:
    found = lab.api.get(rest.LOAD_BALANCER, f"{_PATH}/{drain_id}")
    return dict(found["zone_drain"])


@contextlib.contextmanager
def _simulated(lab: world.World) -> collections.abc.Iterator[None]:
    """A controller for what is simulated as well, in the lab's one's place."""
    with contextlib.ExitStack() as running:
        home = pathlib.Path(
            running.enter_context(
                tempfile.TemporaryDirectory(prefix="octavia-anycast-zone-")
            )
        )
        controller.stop(lab.registry)
        running.callback(controller.start, lab.plane, lab.registry)
        template = lab.create(SIZE, "bench-zone-simulated")
        running.callback(lab.request_deletion, template)
        output = home / "result.json"
        running.enter_context(_beats(lab, output))
        order = beside_controller.Order(
            template_id=template.id, count=COUNT, size=SIZE
        )
        running.enter_context(_controller(lab, output, order))
        yield


@contextlib.contextmanager
def _controller(
    lab: world.World, output: pathlib.Path, order: beside_controller.Order
) -> collections.abc.Iterator[None]:
    with lab.plane.log("beside-controller").open("ab") as log:
        running = subprocess.Popen(
            [
                *_module(lab, beside_controller.__name__),
                *(str(output), json.dumps(dataclasses.asdict(order))),
                *controller.config_arguments(lab.plane),
            ],
            env=service.environment(lab.plane),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        process.wait_until(
            functools.partial(_is_ready, running, output),
            _READY_SECONDS,
            f"{order.count} simulated load balancers",
            0.5,
        )
        yield
    finally:
        pathlib.Path(f"{output}.end").touch()
        try:
            running.wait(60.0)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _is_ready(
    running: "subprocess.Popen[bytes]", output: pathlib.Path
) -> bool:
    if running.poll() is not None:
        raise RuntimeError(f"the controller has ended: {running.returncode}")
    if not output.exists():
        return False
    found = json.loads(output.read_text("utf-8"))
    if "error" in found:
        raise RuntimeError(found["error"])
    return True


@contextlib.contextmanager
def _beats(
    lab: world.World, output: pathlib.Path
) -> collections.abc.Iterator[None]:
    """Heartbeats of those that are simulated."""
    running = subprocess.Popen(
        [
            *_module(lab, "octavia_anycast_lab.bench.simulated.heartbeats"),
            *(f"{output}.ids", lab.plane.address),
            str(deployment.ANYCAST_HEARTBEAT_PORT),
            str(beside_controller.HEARTBEAT_SECONDS),
        ],
        stdin=subprocess.PIPE,
    )
    try:
        assert running.stdin is not None
        running.stdin.write(f"{lab.plane.secrets.heartbeat_key}\n".encode())
        running.stdin.close()
        yield
    finally:
        running.kill()
        running.wait()


def _module(lab: world.World, name: str) -> list[str]:
    enter = ["nsenter", f"--net={netns.path(lab.plane.namespace)}", "--"]
    return [*enter, sys.executable, "-m", name]
