# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an operator and a tenant plan, under traffic: nobody is to notice.

A drain and its undo, one amphora more, one fewer, one that is replaced by
another (a failover). Connections that are held
open go on: amphorae hand their packets to the one that has them (ADR 0120).
"""

import dataclasses

from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.demo import context, load
from octavia_anycast_lab.demo.screen import Clock, Screen
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import flows, traffic_record

RESETS_IN = 200
_DRAIN_SECONDS = 1
_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_COUNTED = 50


def show(stage: context.Stage, subject: context.Subject) -> None:
    """All of it, with one load that goes through."""
    screen = stage.screen
    screen.act("an amphora is drained and comes back, under traffic")
    load.explain(screen)
    with load.flowing(stage, subject) as traffic:
        _drain(stage, subject)
        judge(screen, traffic.take())
        screen.act("scale out, under the same traffic")
        _scale_out(stage, subject)
        judge(screen, traffic.take())
        screen.act("scale in, under the same traffic")
        _scale_in(stage, subject)
        judge(screen, traffic.take())
        screen.act("failover of an amphora, under the same traffic")
        _fail_over(stage, subject)
        judge(screen, traffic.stop())


def judge(on: Screen, seen: load.Seen) -> None:
    """Nothing is lost; what was under way may be reset.

    A request that is merely late is none of these: the machine boots an
    amphora beside it.
    """
    load.show(on, seen)
    others = seen.outcomes
    reset = others.pop(traffic_record.Outcome.RESET, 0)
    lost = sum(
        record.outcome is traffic_record.Outcome.OK and record.lost_syns > 0
        for records in seen.records.values()
        for record in records
    )
    is_clean = not (others or lost)
    on.claim(
        seen.total > 0 and is_clean and reset * RESETS_IN <= seen.total,
        f"{seen.total} new requests: none failed"
        if is_clean and not reset
        else f"{seen.total} new requests: {reset} reset in the instant of "
        f"the change, {dict(others) or 'none'} failed otherwise"
        + (f", {lost} asked twice" if lost else ""),
    )
    on.claim(
        not seen.broken,
        f"{seen.held_before} connections were held open: "
        f"{seen.broken or 'none'} broke",
    )


def _drain(stage: context.Stage, subject: context.Subject) -> None:
    victim = context.amphorae(stage, subject)[0]
    amphora_id = context.amphora_ids(stage, subject)[victim.instance.id]
    clock = Clock(stage.screen)
    stage.operator.run(
        *("loadbalancer", "amphora", "drain", amphora_id),
        *("--timeout", str(_DRAIN_SECONDS)),
    )
    _await_used(stage, subject, victim, used=False)
    clock.say(f"the leaves use no path to {victim.label} any more")
    flows.reset(stage.lab)
    path = f"/v2/octavia/amphorae/{amphora_id}/drain"
    process.wait_until(
        lambda: _drain_state(stage, path) == "DRAINED",
        _SECONDS,
        "the end of the drain",
        _LOOK_SECONDS,
    )
    clock.say("it is withdrawn: DRAINED")
    taken = _taken(stage, subject)
    stage.operator.run("loadbalancer", "amphora", "undrain", amphora_id)
    _await_used(stage, subject, victim, used=True)
    clock.say("its paths are back")
    stage.screen.claim(
        not taken[victim.label] and sum(taken.values()) > 0,
        f"meanwhile it got {taken[victim.label]} of "
        f"{sum(taken.values())} new connections",
    )


def _scale_out(stage: context.Stage, subject: context.Subject) -> None:
    old = {a.label for a in context.amphorae(stage, subject)}
    clock = Clock(stage.screen)
    _resize(stage, subject, subject.size + 1)
    clock.say(f"{subject.size + 1} announce each VIP")
    (newcomer,) = (
        a.label for a in context.amphorae(stage, subject) if a.label not in old
    )
    flows.reset(stage.lab)
    process.wait_until(
        lambda: sum(_taken(stage, subject).values()) >= _COUNTED,
        _SECONDS,
        "new connections",
        _LOOK_SECONDS,
    )
    taken = _taken(stage, subject)
    stage.screen.claim(
        taken[newcomer] > 0,
        f"{newcomer} is new, and got {taken[newcomer]} of the next "
        f"{sum(taken.values())} new connections",
    )


def _scale_in(stage: context.Stage, subject: context.Subject) -> None:
    clock = Clock(stage.screen)
    before = _announcing(stage, subject)
    _resize(stage, subject, subject.size)
    clock.say(f"{subject.size} announce each VIP")
    gone = before - _announcing(stage, subject)
    stage.screen.claim(
        len(gone) == 1,
        f"{', '.join(gone)} leaves: it drains before it is deleted",
    )


def _fail_over(stage: context.Stage, subject: context.Subject) -> None:
    # Not one which leaves anyway, as the cluster became smaller.
    staying = _announcing(stage, subject)
    victim = next(
        a for a in context.amphorae(stage, subject) if a.label in staying
    )
    amphora_id = context.amphora_ids(stage, subject)[victim.instance.id]
    old = {a.label for a in context.amphorae(stage, subject)}
    clock = Clock(stage.screen)
    stage.operator.run("loadbalancer", "amphora", "failover", amphora_id)

    def labels() -> set[str]:
        return {a.label for a in context.amphorae(stage, subject)}

    process.wait_until(
        lambda: victim.label not in labels(),
        _SECONDS,
        f"{victim.label} replaced",
        _LOOK_SECONDS,
    )
    context.await_announced(stage, subject)
    clock.say(f"{victim.label} is deleted; {subject.size} announce each VIP")
    new = labels() - old
    stage.screen.claim(
        len(new) == 1, f"{', '.join(new)} announced before it and stays"
    )


def _resize(stage: context.Stage, subject: context.Subject, size: int) -> None:
    """By the tenant; until the leaves use as many paths."""
    context.await_active(stage, subject, _SECONDS)
    stage.client.run(
        *("loadbalancer", "cluster", "set", subject.name),
        *("--desired-size", str(size)),
    )
    context.await_announced(stage, dataclasses.replace(subject, size=size))


def _announcing(stage: context.Stage, subject: context.Subject) -> set[str]:
    """The amphorae to which the leaves use a path for each VIP."""
    hops = context.next_hops(stage, subject)
    return {
        amphora.label
        for amphora in context.amphorae(stage, subject)
        if all(hop & amphora.addresses for hop in hops)
    }


def _await_used(
    stage: context.Stage,
    subject: context.Subject,
    amphora: cluster.Amphora,
    *,
    used: bool,
) -> None:
    """Until the leaves use its paths for all VIPs, or for none."""
    process.wait_until(
        lambda: all(
            bool(hops & amphora.addresses) is used
            for hops in context.next_hops(stage, subject)
        ),
        _SECONDS,
        f"paths to {amphora.label} {'used' if used else 'not used'}",
        _LOOK_SECONDS,
    )


def _taken(stage: context.Stage, subject: context.Subject) -> dict[str, int]:
    """Amphora -> new connections to all VIPs since the last reset."""
    amphorae = context.amphorae(stage, subject)
    found = [cluster.shares(stage.lab, amphorae, vip) for vip in subject.vips]
    return {
        a.label: sum(shares[a.label] for shares in found) for a in amphorae
    }


def _drain_state(stage: context.Stage, path: str) -> str:
    return str(stage.admin.get(rest.LOAD_BALANCER, path)["drain"]["state"])
