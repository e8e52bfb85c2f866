# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How many established connections an event breaks, with flow rescue or not.

The same cluster, in turns: ``ours`` is with flow rescue, ``peer`` is without.
"""

import collections.abc
import contextlib
import dataclasses

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import acts, columns, event_run
from octavia_anycast_lab.host import process

_SECONDS = 5.0
_SWITCHED_SECONDS = 60.0
# Of a lost amphora, its own connections: a quarter of them, unevenly spread.
_SHARE = 0.35


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row; ``broken``: connections that may break with flow rescue."""

    prepare: event_run.Prepare
    expected: str
    broken: float = 0.0


EVENTS: collections.abc.Mapping[str, Event] = {
    "drain": Event(prepare=acts.drain, expected="0; without: about 100"),
    "scale-in": Event(prepare=acts.scale_in, expected="0; without: about 100"),
    "scale-out": Event(
        prepare=acts.scale_out, expected="0; without: about 100"
    ),
    "failover": Event(
        prepare=acts.fail_over,
        expected="0, as HAProxy ends kept-open connections tidily; without: "
        "all",
    ),
    "silent-loss": Event(
        prepare=acts.silence,
        expected="those of the lost one; without: some of the others' too",
        broken=_SHARE * event_run.FLOWS,
    ),
    "haproxy-killed": Event(
        prepare=acts.kill_haproxy,
        expected="those of the killed one; without: some of the others' too",
        broken=_SHARE * event_run.FLOWS,
    ),
}


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Each event as often as was asked for, with and without."""
    found = []
    with _standing(lab) as cluster:
        for name, event in EVENTS.items():
            before = result.load()
            pairs = [_pair(cluster, name, event) for _ in range(lab.runs)]
            found += _answers(name, event, pairs, before)
    return tuple(found)


@contextlib.contextmanager
def _standing(
    lab: world.World,
) -> collections.abc.Iterator[columns.Cluster]:
    with columns.distributor(lab) as distributor_id:
        made = lab.create(
            columns.SIZE, "bench-rescue", distributor_id=distributor_id
        )
        try:
            lab.await_active(made)
            yield columns.Cluster(lab=lab, balancer=made)
        finally:
            lab.delete(made)


def _pair(
    cluster: columns.Cluster, name: str, event: Event
) -> tuple[event_run.Cost, event_run.Cost]:
    costs = []
    for is_on in (True, False):
        _switch(cluster, is_on)
        cost = event_run.measure(cluster, event.prepare, _SECONDS)
        word = "with" if is_on else "without"
        cluster.lab.say(
            f"{name} {word}: {cost.broken_flows} of {cost.flows} connections "
            f"broken, {cost.failed} of {cost.total} new requests failed"
        )
        costs.append(cost)
    ours, control = costs
    return ours, control


def _switch(cluster: columns.Cluster, is_on: bool) -> None:
    """Switch flow rescue, and wait until each amphora says so."""
    api = cluster.lab.api
    path = f"/v2/lbaas/loadbalancers/{cluster.balancer.id}/cluster"
    body = {"cluster": {"flow_rescue": is_on}}
    api.request("PUT", rest.LOAD_BALANCER, path, body)
    wanted = {"on" if is_on else "off"}

    def is_switched() -> bool:
        shown = api.get(rest.LOAD_BALANCER, path)["cluster"]["amphorae"]
        states = [(one["flow_rescue"] or {}).get("state") for one in shown]
        return len(states) == columns.SIZE and set(states) == wanted

    process.wait_until(
        is_switched, _SWITCHED_SECONDS, f"flow rescue {wanted}", 0.5
    )


def _answers(
    name: str,
    event: Event,
    pairs: collections.abc.Sequence[tuple[event_run.Cost, event_run.Cost]],
    load_before: float,
) -> list[result.Result]:
    broken = result.Question(
        name=f"rescue_{name}_broken_of_{event_run.FLOWS}",
        unit="connections",
        expected=event.expected,
        target=result.Target(quantity="ours", limit=event.broken),
    )
    runs = [
        result.Run(
            ours=float(ours.broken_flows),
            peer=float(control.broken_flows),
            detail={
                "on": dataclasses.asdict(ours),
                "off": dataclasses.asdict(control),
            },
        )
        for ours, control in pairs
    ]
    return [broken.answer(runs, load_before)]
