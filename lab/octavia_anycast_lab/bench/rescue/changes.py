# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What happens to the cluster: planned changes, losses, routers that go.

Each takes the cluster and gives a :class:`held_run.Change` whose victim is
chosen already. A planned change names nobody whose connections may break.
"""

import collections.abc
import functools
import time

from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import cluster as cluster_lib
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import world
from octavia_anycast_lab.bench.events import acts, columns, event_run
from octavia_anycast_lab.bench.rescue import held_run
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

_AMPHORAE = "/v2/octavia/amphorae"
# Longer than any row: its end is not what is measured.
_DRAIN = {"drain": {"timeout": 300}}
_BETWEEN_SECONDS = 5.0
_FOUR_CHANGES_SECONDS = 15.0
_CHANGED_SECONDS = 400.0
LOST_LEAF = settings.RACK_LEAVES[-1]
LOST_SPINE = settings.SPINES[0].name


def planned(
    prepare: event_run.Prepare, cluster: columns.Cluster
) -> held_run.Change:
    """An act that breaks nobody's connections."""
    act = prepare(cluster)

    def do() -> held_run.Ends:
        act.do()
        return {}

    return held_run.Change(do=do, undo=act.undo)


def loss(
    prepare: event_run.Prepare, cluster: columns.Cluster
) -> held_run.Change:
    """An act that breaks the victim's connections."""
    act = prepare(cluster)
    lost = cluster.amphorae()[cluster.victim()].id

    def do() -> held_run.Ends:
        began = world.moment()
        act.do()
        return {lost: began}

    return held_run.Change(do=do, undo=act.undo)


def power_off(cluster: columns.Column) -> event_run.Act:
    """The victim loses its power, links and all."""
    lost = cluster.amphorae()[cluster.victim()].id
    return event_run.Act(do=lambda: cluster.machines.kill(lost))


def drain_and_undo(cluster: columns.Column) -> event_run.Act:
    """One drains, and is back after a while."""
    victim = cluster.victim()

    def do() -> None:
        _drain(cluster, victim)
        _await_paths(cluster, columns.SIZE - 1)
        time.sleep(_BETWEEN_SECONDS)
        _undo_drain(cluster, victim)
        _await_paths(cluster, columns.SIZE)

    return event_run.Act(do=do)


def four_changes(cluster: columns.Column) -> event_run.Act:
    """Two drain and come back, one after the other."""
    first, second = sorted(cluster.amphorae())[:2]
    steps = [(_drain, first), (_drain, second)]
    steps += [(_undo_drain, first), (_undo_drain, second)]

    def do() -> None:
        began = time.monotonic()
        for turn, (step, amphora_id) in enumerate(steps):
            due = began + turn * _FOUR_CHANGES_SECONDS / len(steps)
            time.sleep(max(0.0, due - time.monotonic()))
            step(cluster, amphora_id)
        _await_paths(cluster, columns.SIZE)

    return event_run.Act(do=do)


def fail_over_one(cluster: columns.Column) -> event_run.Act:
    """One amphora's failover by API, until its successor is in its place."""
    victim = cluster.victim()
    old = _front_ends(cluster)[cluster.amphorae()[victim].id]
    path = f"{_AMPHORAE}/{victim}/failover"

    def is_replaced() -> bool:
        used = _used(cluster)
        return len(used) == columns.SIZE and not used & old

    def do() -> None:
        cluster.lab.api.request("PUT", rest.LOAD_BALANCER, path)
        process.wait_until(
            is_replaced, _CHANGED_SECONDS, f"{victim} failed over", 0.5
        )

    return event_run.Act(do=do)


def fail_over_all(cluster: columns.Cluster) -> held_run.Change:
    """All are replaced; what is left may break once its path is gone."""
    front_ends = _front_ends(cluster)
    ends: dict[str, float] = {}

    def is_done() -> bool:
        held = {
            path.next_hop
            for path in observe.amphora_paths(
                cluster.lab.lab, _prefix(cluster)
            )
        }
        for instance_id, addresses in front_ends.items():
            if not addresses & held:
                ends.setdefault(instance_id, world.moment())
        return len(ends) == len(front_ends) and cluster.is_whole()

    def do() -> held_run.Ends:
        acts.request_failover(cluster)
        process.wait_until(
            is_done, _CHANGED_SECONDS, f"{cluster.balancer.id} failed over"
        )
        return ends

    return held_run.Change(do=do)


def leaf_lost(cluster: columns.Cluster) -> held_run.Change:
    """A rack's leaf goes and comes back: who is behind it has no way."""
    behind = [
        amphora.instance.id
        for amphora in _amphorae(cluster)
        if amphora.rack == LOST_LEAF.rack
    ]
    return _router_lost(LOST_LEAF.name, behind, cluster)


def spine_lost(cluster: columns.Cluster) -> held_run.Change:
    """One of two spines goes and comes back: all have another way."""
    return _router_lost(LOST_SPINE, (), cluster)


def _router_lost(
    router: str,
    behind: collections.abc.Iterable[str],
    cluster: columns.Cluster,
) -> held_run.Change:
    lab = cluster.lab

    def do() -> held_run.Ends:
        began = world.moment()
        with faults.router_off(lab.lab, lab.registry, router):
            time.sleep(_BETWEEN_SECONDS)
        cluster.await_whole()
        return dict.fromkeys(behind, began)

    return held_run.Change(do=do)


def _drain(cluster: columns.Column, amphora_id: str) -> None:
    path = f"{_AMPHORAE}/{amphora_id}/drain"
    cluster.lab.api.request("PUT", rest.LOAD_BALANCER, path, _DRAIN)


def _undo_drain(cluster: columns.Column, amphora_id: str) -> None:
    path = f"{_AMPHORAE}/{amphora_id}/drain"
    cluster.lab.api.request("DELETE", rest.LOAD_BALANCER, path)


def _await_paths(cluster: columns.Column, count: int) -> None:
    cluster.lab.await_announced(cluster.balancer, count)


def _prefix(cluster: columns.Column) -> str:
    return f"{cluster.vip}/{cluster.vip.max_prefixlen}"


def _used(cluster: columns.Column) -> frozenset[settings.Address]:
    return observe.announcers(cluster.lab.lab, _prefix(cluster))


def _amphorae(cluster: columns.Column) -> list[cluster_lib.Amphora]:
    """Those of the cluster, and of no other load balancer."""
    own = {instance.id for instance in cluster.amphorae().values()}
    return [
        amphora
        for amphora in cluster_lib.amphorae(cluster.lab.plane, cluster.lab.api)
        if amphora.instance.id in own
    ]


def _front_ends(
    cluster: columns.Column,
) -> dict[str, frozenset[settings.Address]]:
    """Instance id -> its front-end addresses."""
    return {a.instance.id: a.addresses for a in _amphorae(cluster)}


DRAIN_AND_UNDO = functools.partial(planned, drain_and_undo)
FOUR_CHANGES = functools.partial(planned, four_changes)
SCALE_IN = functools.partial(planned, acts.scale_in)
SCALE_OUT = functools.partial(planned, acts.scale_out)
FAIL_OVER_ONE = functools.partial(planned, fail_over_one)
SILENT_LOSS = functools.partial(loss, acts.silence)
HAPROXY_KILLED = functools.partial(loss, acts.kill_haproxy)
POWER_OFF = functools.partial(loss, power_off)
