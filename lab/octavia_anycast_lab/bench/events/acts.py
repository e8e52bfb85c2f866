# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What happens to a column: losses, kills, planned changes.

Each takes the column and gives an :class:`event_run.Act` whose victim is
chosen already: nothing has to be looked up once the load flows.
"""

import contextlib
import functools
import time

from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench.events import columns, event_run
from octavia_anycast_lab.cloud import controller, database, stock
from octavia_anycast_lab.host import netns, process

BIRD = "bird.service"
# The agent's two processes (ADR 0010), and Octavia's own on the peer.
AGENTS = ("octavia-anycast-agent.service", "octavia-anycast-speakerd.service")
STOCK_AGENT = "amphora-agent.service"
_NO_PID = "0"
DOWN_SECONDS = 60.0
DRAIN_SECONDS = 3
_CHANGED_SECONDS = 400.0


def silence(column: columns.Column) -> event_run.Act:
    """All links of the amphora swallow all frames; nobody's goes down."""
    return silence_one(column, column.victim())


def silence_one(
    column: columns.Column, amphora_id: str, bridge: str | None = None
) -> event_run.Act:
    """All links of this one swallow all frames, or that to ``bridge``."""
    lab = column.lab.lab
    instance = column.amphorae()[amphora_id]
    places = [
        (nic.wire.namespace.removeprefix(lab.namespace_prefix), nic.tap)
        for nic in instance.nics
        if bridge in (None, nic.wire.bridge)
    ]
    if not places:
        raise RuntimeError(f"{instance.id} has no link to {bridge}")

    def do() -> None:
        for role, tap in places:
            faults.silence_bridge_port(lab, role, tap)

    def undo() -> None:
        for role, tap in places:
            # It may have been replaced by now, links and all.
            with contextlib.suppress(netns.NamespaceError):
                faults.end_bridge_port_silence(lab, role, tap)

    return event_run.Act(do=do, undo=undo)


def silence_front_end(column: columns.Column) -> event_run.Act:
    """Only the front-end link does."""
    return silence_one(column, column.victim(), settings.FRONT_END_BRIDGE)


def kill_haproxy(column: columns.Column) -> event_run.Act:
    """SIGKILL all of HAProxy; systemd is free to start it again."""
    return _kill(column, column.haproxy)


def kill_speaker(column: columns.Column) -> event_run.Act:
    """SIGKILL BIRD, or keepalived, which announces the peer's VIP."""
    return _kill(column, BIRD if _is_ours(column) else columns.KEEPALIVED)


def kill_agent(column: columns.Column) -> event_run.Act:
    """SIGKILL the agent in the amphora, with what drives the speaker."""
    return _kill(column, *(AGENTS if _is_ours(column) else (STOCK_AGENT,)))


def _is_ours(column: columns.Column) -> bool:
    return isinstance(column, columns.Cluster)


def _kill(column: columns.Column, *units: str) -> event_run.Act:
    """SIGKILL all processes of these units of the victim.

    :raises RuntimeError: one does not run, or (on undo) it was not killed.
    """
    victim = column.victim()
    before = {unit: _main_pid(column, victim, unit) for unit in units}
    idle = [unit for unit, pid in before.items() if pid == _NO_PID]
    if idle:
        raise RuntimeError(f"{victim} does not run {idle}")

    def undo() -> None:
        alive = [
            unit
            for unit, pid in before.items()
            if _main_pid(column, victim, unit) == pid
        ]
        if alive:
            raise RuntimeError(f"{alive} of {victim} lived through SIGKILL")
        column.inside(victim, "systemctl", "start", *units)

    return event_run.Act(
        do=lambda: _ignore(
            column.inside(victim, "systemctl", "kill", "-s", "KILL", *units)
        ),
        undo=undo,
    )


def _main_pid(column: columns.Column, amphora_id: str, unit: str) -> str:
    argv = ("systemctl", "show", "-p", "MainPID", "--value", unit)
    return column.inside(amphora_id, *argv).strip()


def drain(column: columns.Column) -> event_run.Act:
    """Take an amphora out of service by API, until it announces nothing."""
    path = f"/v2/octavia/amphorae/{column.victim()}/drain"
    api = column.lab.api
    body = {"drain": {"timeout": DRAIN_SECONDS}}

    def do() -> None:
        api.request("PUT", rest.LOAD_BALANCER, path, body)
        _await_paths(column, columns.SIZE - 1)

    return event_run.Act(
        do=do,
        undo=lambda: _ignore(api.request("DELETE", rest.LOAD_BALANCER, path)),
    )


def scale_in(column: columns.Column) -> event_run.Act:
    """One amphora fewer."""
    return _scale(column, columns.SIZE - 1)


def scale_out(column: columns.Column) -> event_run.Act:
    """One amphora more."""
    return _scale(column, columns.SIZE + 1)


def _scale(column: columns.Column, size: int) -> event_run.Act:
    def ask(wanted: int) -> None:
        column.lab.api.request(
            "PUT",
            rest.LOAD_BALANCER,
            f"/v2/lbaas/loadbalancers/{column.balancer.id}/cluster",
            {"cluster": {"desired_size": wanted, "cooldown": 0}},
        )

    def do() -> None:
        ask(size)
        _await_paths(column, size)

    return event_run.Act(do=do, undo=lambda: ask(columns.SIZE))


def _await_paths(column: columns.Column, count: int) -> None:
    column.lab.await_announced(column.balancer, count)


def fail_over(column: columns.Column) -> event_run.Act:
    """All amphorae of the load balancer are replaced, by its API."""
    old = set(column.amphorae())
    balancer = column.balancer

    def do() -> None:
        request_failover(column)
        process.wait_until(
            lambda: not old & set(column.amphorae()) and column.is_whole(),
            _CHANGED_SECONDS,
            f"{balancer.id} failed over",
            1.0,
        )

    return event_run.Act(do=do)


def request_failover(column: columns.Column) -> None:
    """Ask for it, and do not wait."""
    path = f"/v2/lbaas/loadbalancers/{column.balancer.id}/failover"
    column.lab.api.request("PUT", column.balancer.service, path)


def control_plane_down(more: str, column: columns.Column) -> event_run.Act:
    """Neither controllers nor database, for both columns, for a minute."""
    lab = column.lab

    def do() -> None:
        controller.stop(lab.registry)
        stock.stop(lab.plane, lab.registry)
        process.stop(lab.registry, database.LABEL)
        time.sleep(DOWN_SECONDS)

    def undo() -> None:
        database.start(lab.plane, lab.registry)
        controller.start(lab.plane, lab.registry)
        stock.start(lab.plane, lab.registry, more)

    return event_run.Act(do=do, undo=undo)


def _ignore(_: object) -> None:
    """A value which nobody needs."""


CONTROL_PLANE_DOWN = functools.partial(control_plane_down, columns.TOPOLOGY)
