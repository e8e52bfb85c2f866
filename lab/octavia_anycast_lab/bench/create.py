# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""From the POST to the first 200 through the VIP: four amphorae against one.

The peer is Octavia's own SINGLE load balancer, by its unmodified worker, with
the same network driver, compute driver and containers, in the same minutes.
"""

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

RUNS = 3
CLUSTER_SIZE = 4
_RATE_PER_SECOND = 20.0
_DEADLINE_SECONDS = 240.0
QUESTION = result.Question(
    name="create_to_first_200",
    unit="s",
    expected="7-12 s against 8-11 s: four boots share two cores, but no "
    "flow waits for another amphora",
    target=result.Target(quantity="ratio", limit=1.0),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Alternate ours and stock."""
    before = result.load()
    runs = []
    with lab.stock():
        for turn in range(RUNS):
            ours = _once(lab, CLUSTER_SIZE, f"bench-ours-{turn}")
            peer = _once(lab, None, f"bench-stock-{turn}")
            lab.say(f"run {turn + 1}: {ours:.1f} s, stock {peer:.1f} s")
            runs.append(result.Run(ours=ours, peer=peer))
    return (QUESTION.answer(runs, before),)


def _once(lab: world.World, size: int | None, name: str) -> float:
    began = world.moment()
    balancer = lab.create(size, name)
    try:
        target = http_probe.Target(
            address=str(balancer.vips[0]),
            port=world.PORT,
            timeout_seconds=1.0,
        )
        with clients.streaming(
            lab.lab, lab.registry, target, _RATE_PER_SECOND
        ) as stream:
            process.wait_until(
                lambda: _first(stream.records()) is not None,
                _DEADLINE_SECONDS,
                f"an answer of {name}",
                0.2,
            )
            first = _first(stream.records())
        assert first is not None
        lab.await_active(balancer)
    finally:
        lab.delete(balancer)
    return first - began


def _first(
    records: tuple[traffic_record.Record, ...],
) -> float | None:
    """When the first good answer was complete."""
    done = [
        record.start + record.duration_ms / 1000
        for record in records
        if record.outcome is traffic_record.Outcome.OK
    ]
    return min(done, default=None)
