# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""After an act: what an outage cost, and whether a deletion left anything."""

from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo import context, load, outage
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.fabric import observe

BFD_DOWN = "Cease/BFD Down"


def judge_loss_of_power(
    stage: context.Stage,
    subject: context.Subject,
    seen: outage.Outage,
    victim: cluster.Amphora,
) -> None:
    """Print what the requests saw; state what has to hold, repaired."""
    _judge_requests(stage, subject, seen)
    stage.screen.claim(
        seen.provisioning == {"ACTIVE"},
        "the load balancer was ACTIVE, so open for changes, all the time",
    )
    judge_repair(stage, subject, victim)


def judge_silence(
    stage: context.Stage,
    subject: context.Subject,
    seen: outage.Outage,
    victim: cluster.Amphora,
    *,
    has_bfd: bool,
) -> None:
    """Print what the requests saw; state who has noticed, and who not."""
    links = outage.links_up(victim)
    _judge_requests(stage, subject, seen)
    stage.screen.claim(
        links == len(victim.instance.nics) > 0,
        f"all {links} links of {victim.label} are up: for the routers' "
        "interfaces nothing has happened",
    )
    stage.screen.claim(
        (seen.verdict == BFD_DOWN) is has_bfd,
        f"why {victim.leaf.name} ended the session: {seen.verdict}",
    )
    missed = sum(seen.split(v)[0].bad for v in seen.seen.records)
    stage.screen.claim(
        missed > 0, f"the traffic met the loss: {missed} requests noticed"
    )


def judge_repair(
    stage: context.Stage, subject: context.Subject, victim: cluster.Amphora
) -> None:
    """State that it is as large as before, without the lost one."""
    labels = [a.label for a in context.amphorae(stage, subject)]
    stage.screen.claim(
        victim.label not in labels and len(labels) == subject.size,
        f"{subject.size} amphorae run again, {victim.label} is not one of "
        "them",
    )


def _judge_requests(
    stage: context.Stage, subject: context.Subject, seen: outage.Outage
) -> None:
    is_served = _show_requests(stage.screen, seen)
    load.show_failed(stage.screen, seen.seen)
    load.show_held(stage.screen, seen.seen)
    stage.screen.claim(
        seen.seen.broken <= seen.owned,
        f"{seen.owned} of these were the lost amphora's: none of the others' "
        "broke",
    )
    stage.screen.claim(
        is_served,
        "once the paths were gone, at least 99 of 100 requests were served "
        "well",
    )
    stage.screen.claim(
        seen.paths_left == subject.size - 1,
        f"the paths shrank to {seen.paths_left}",
    )


def _show_requests(on: Screen, seen: outage.Outage) -> bool:
    """Print what the requests saw; whether it was good in the end."""
    rows, is_served = [], True
    for version in sorted(seen.seen.records):
        early, late = seen.split(version)
        is_served &= late.total > 0 and late.bad * 100 <= late.total
        rows.append(
            (
                f"IPv{version}",
                early.total + late.total,
                early.bad,
                f"{early.seconds:.2f} s",
                f"{late.bad} of {late.total}",
            )
        )
    on.say("bad requests (failed, or lost a packet):")
    on.table(
        (
            "",
            "requests",
            "bad until the paths were gone",
            "from first to last",
            "bad after that",
        ),
        rows,
    )
    return is_served


def check_nothing_left(
    stage: context.Stage, subject: context.Subject, alive: survey.Survey
) -> None:
    """No path, container, process, port or row of it.

    :param alive: taken while the load balancer was there
    """
    left = {
        str(vip): dict(observe.leftovers(stage.lab, context.prefix(vip)))
        for vip in subject.vips
    }
    stage.screen.claim(
        not any(left.values()),
        f"no router holds a path or a route for {' or '.join(left)}"
        if not any(left.values())
        else f"paths or routes are left: {left}",
    )
    earlier = (subject.before, alive)
    after = survey.take(stage.plane, stage.admin)
    stage.screen.table(
        ("what there is in the lab", "before", "with it", "now"),
        [
            (kind, *(len(s.things[kind]) for s in (*earlier, after)))
            for kind in after.things
        ],
    )
    new = {k: sorted(v) for k, v in after.since(subject.before).items() if v}
    stage.screen.claim(
        not new, f"these are left: {new}" if new else "nothing of it is left"
    )
    _check_rows(stage, subject)


def _check_rows(stage: context.Stage, subject: context.Subject) -> None:
    """Octavia's own rows: the last ones go when its housekeeping purges."""
    rows = survey.rows_of(stage.plane, subject.id)
    own = survey.status_of(stage.plane, subject.id)
    if own is None:
        kept: frozenset[str] = frozenset()
        sentence = "no row in Octavia's tables names it"
    else:
        kept = survey.KEPT_UNTIL_PURGED
        sentence = (
            "Octavia keeps its row (with the VIPs' addresses) as DELETED "
            "until it purges it; no other row is left"
        )
    holds = own in (None, "DELETED") and rows.keys() <= kept
    stage.screen.claim(
        holds,
        sentence
        if holds
        else f"rows of it are left: {rows}, its own says {own}",
    )
