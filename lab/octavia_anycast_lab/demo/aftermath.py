# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""After an act: what an outage cost, and whether a deletion left anything."""

from octavia_anycast_lab import observe
from octavia_anycast_lab.demo import cluster, context, outage, survey


def judge_outage(
    stage: context.Stage,
    subject: context.Subject,
    seen: outage.Outage,
    victim: cluster.Amphora,
) -> None:
    """Print what the requests saw; state what has to hold."""
    screen = stage.screen
    for version in sorted(seen.records):
        early, late = seen.split(version)
        screen.say(
            f"IPv{version}: of {early.total + late.total} requests "
            f"{early.bad} were bad (failed, or slower than 0.2 s) until the "
            "paths were gone,"
        )
        screen.say(
            f"      the window from first to last {early.seconds:.2f} s; "
            f"after that {late.bad} of {late.total}"
        )
        screen.claim(
            late.total > 0 and late.bad * 100 <= late.total,
            f"IPv{version}: once the paths were gone, at least 99 of 100 "
            "requests were served well",
        )
    screen.claim(
        seen.paths_left == subject.size - 1,
        f"the paths shrank to {seen.paths_left} and grew to {subject.size} "
        "again",
    )
    screen.claim(
        seen.provisioning == {"ACTIVE"},
        "the load balancer was ACTIVE, so open for changes, all the time",
    )
    labels = [a.label for a in context.amphorae(stage, subject)]
    screen.claim(
        victim.label not in labels and len(labels) == subject.size,
        f"{subject.size} amphorae run again, {victim.label} is not one of "
        "them",
    )


def check_nothing_left(stage: context.Stage, subject: context.Subject) -> None:
    """No path, container, process, port or row of it."""
    screen = stage.screen
    for vip in subject.vips:
        left = observe.leftovers(stage.lab, context.prefix(vip))
        screen.claim(
            not left,
            f"no router holds a path or a route for {vip}"
            if not left
            else f"paths or routes of {vip} are left: {dict(left)}",
        )
    new = survey.take(stage.plane, stage.admin).since(subject.before)
    for kind, ids in new.items():
        screen.claim(
            not ids,
            f"nothing of it among the lab's {kind}"
            if not ids
            else f"{kind} are left: {', '.join(sorted(ids))}",
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
            "until it purges it; no other"
        )
    holds = own in (None, "DELETED") and rows.keys() <= kept
    stage.screen.claim(
        holds,
        sentence
        if holds
        else f"rows of it are left: {rows}, its own says {own}",
    )
