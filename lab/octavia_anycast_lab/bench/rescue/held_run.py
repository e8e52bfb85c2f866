# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Let something happen while connections are held, and count who broke.

New connections to both VIPs at a steady rate beside those which are held.
Each of these has an owner, the amphora that has its socket: a change says
from which moment an owner's connections may break, and all others are counted.
"""

import collections.abc
import contextlib
import dataclasses
import time

from octavia_anycast_lab.amphora import sockets
from octavia_anycast_lab.bench import world
from octavia_anycast_lab.bench.events import columns, event_run
from octavia_anycast_lab.bench.rescue import standing
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record
from octavia_anycast_lab.traffic import held as held_traffic

Owners = collections.abc.Mapping[sockets.Connection, frozenset[str]]
Ends = collections.abc.Mapping[str, float]
_LONGEST_SECONDS = 600.0
_QUIET_SECONDS = 6.0  # each connection asks once


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens, and how it is undone once nobody watches.

    ``do`` gives instance id -> from when (epoch) its connections may break.
    """

    do: collections.abc.Callable[[], Ends]
    undo: collections.abc.Callable[[], None] = lambda: None


Prepare = collections.abc.Callable[[columns.Cluster], Change]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it cost; ``broken`` does not count what the change may break.

    ``excused``: how many broke that may; ``before``: before it began.
    ``shared``: how many several amphorae had among their sockets.
    """

    held: int
    broken: int
    excused: int
    before: int
    broken_outcomes: collections.abc.Mapping[str, int]
    owned: collections.abc.Mapping[str, int]
    shared: int
    new: event_run.Cost


def measure(
    cluster: columns.Cluster, prepare: Prepare, seconds: float
) -> Cost:
    """Once, on a whole cluster: load, let it happen, wait, undo."""
    change = prepare(cluster)
    lab, balancer = cluster.lab, cluster.balancer
    with contextlib.ExitStack() as running:
        running.callback(change.undo)
        held = clients.start_held(
            lab.lab,
            lab.registry,
            standing.places(balancer),
            lab.held,
            _LONGEST_SECONDS,
        )
        running.callback(process.stop, lab.registry, held.label)
        streams = _streams(cluster, running)
        time.sleep(_QUIET_SECONDS)
        owners = owners_of(cluster)
        began = world.moment()
        ends = change.do()
        took = world.moment() - began
        time.sleep(seconds)
        new = [record for stream in streams for record in stream.stop()]
        process.stop(lab.registry, held.label, held.grace_seconds)
        return judge(
            event_run.judge(new, (), began, took),
            held.records(),
            standing.places(cluster.balancer),
            owners,
            ends,
            began,
        )


def _streams(
    cluster: columns.Cluster, running: contextlib.ExitStack
) -> list[clients.Generator]:
    lab, vips = cluster.lab, cluster.balancer.vips
    rate = event_run.RATE_PER_SECOND / len(vips)
    found = []
    for vip in vips:
        target = http_probe.Target(address=str(vip), port=world.PORT)
        stream = clients.start_stream(
            lab.lab, lab.registry, target, rate, _LONGEST_SECONDS
        )
        running.callback(process.stop, lab.registry, stream.label)
        found.append(stream)
    return found


def judge(
    new: event_run.Cost,
    held: collections.abc.Sequence[traffic_record.Record],
    places: collections.abc.Sequence[held_traffic.Place],
    owners: Owners,
    ends: Ends,
    began: float,
) -> Cost:
    """What an event that began then (epoch) broke; pure.

    Of a connection with several owners one is real, and it is not known which:
    it may break with any of them.

    :param places: where the flows go, round and round
    :param owners: connection -> instance ids
    """
    bad = [r for r in held if r.outcome is not traffic_record.Outcome.OK]
    after = [r for r in bad if _end(r) >= began]
    broken = [
        record
        for record in after
        if _end(record)
        < min(
            (
                ends.get(owner, _NEVER)
                for owner in owners.get(_connection(record, places), ())
            ),
            default=_NEVER,
        )
    ]
    counted = collections.Counter(
        owner for found in owners.values() for owner in found
    )
    return Cost(
        held=len({record.flow for record in held}) - (len(bad) - len(after)),
        broken=len(broken),
        excused=len(after) - len(broken),
        before=len(bad) - len(after),
        broken_outcomes=traffic_record.summarize(broken).outcomes,
        owned=dict(counted),
        shared=sum(len(found) > 1 for found in owners.values()),
        new=new,
    )


_NEVER = float("inf")


def _end(record: traffic_record.Record) -> float:
    return record.start + record.duration_ms / 1000


def _connection(
    record: traffic_record.Record,
    places: collections.abc.Sequence[held_traffic.Place],
) -> sockets.Connection:
    place = places[(record.flow or 0) % len(places)]
    return sockets.Connection(place.address, place.port, record.port or 0)


def owners_of(cluster: columns.Cluster) -> Owners:
    """Each established connection -> ids of the instances that have it.

    One of them, as a rule. A connection whose client is gone stays with its
    amphora where the client's last packets went to another one, until HAProxy
    gives it up. A new one from the same port may be another amphora's.
    """
    found = collections.defaultdict[sockets.Connection, set[str]](set)
    for instance in cluster.amphorae().values():
        for connection in sockets.established(cluster.machines, instance):
            if connection.vip_port in (world.PORT, standing.TCP_PORT):
                found[connection].add(instance.id)
    return {one: frozenset(ids) for one, ids in found.items()}
