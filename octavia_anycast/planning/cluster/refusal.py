# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Refusal: what follows when an amphora refuses its configuration.

Layer: planning. Pure. A refusal is of the content, or of one amphora:

* Nobody holds the configuration and everybody who was given it refused it.
  Then the objects to blame are sought, at one of those that refused. They
  go to ERROR, and the rest is another configuration.
* Others hold the configuration, or the amphora refuses even one without any
  object. Then the amphora is to blame, and another one takes its place. No
  object goes to ERROR for it.
"""

from datetime import timedelta

from octavia_anycast.model.actions import (
    Action,
    FailAmphora,
    FindCulprits,
    StartLeaving,
)
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    DesiredCluster,
    ObservedAmphora,
)
from octavia_anycast.planning.amphora.agent_state import Configuration
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    holds_partially,
    holds_revision,
    is_announcing_any,
    lack_of,
)
from octavia_anycast.planning.cluster.lvs import left_out, servable
from octavia_anycast.planning.cluster.peer_groups import wanted_peers

PUSHES_MAX = 3  # of one configuration to one amphora that refuses it


def has_refused(cluster: Cluster, member: Assessment) -> bool:
    """Whether it refused the configuration that is wanted now."""
    record = member.amphora.record
    return bool(record.refused_revision) and (
        record.refused_revision == cluster.desired.revision
    )


def may_be_given(cluster: Cluster, member: Assessment) -> bool:
    """Whether the configuration may be pushed to it, now.

    One that was refused, only where the amphora is to blame and nobody
    replaces it: after a wait that doubles, and PUSHES_MAX times in all.
    """
    record = member.amphora.record
    if not has_refused(cluster, member):
        return True
    if cluster.desired.is_managed or record.refused_at is None:
        return False
    if record.refusal_count >= PUSHES_MAX or not is_to_blame(cluster, member):
        return False
    wait = cluster.desired.policy.backoff_base * 2**record.refusal_count
    return cluster.now >= record.refused_at + timedelta(seconds=wait)


def is_to_blame(cluster: Cluster, member: Assessment) -> bool:
    """Whether it is the amphora that is wrong, and not the content."""
    if not has_refused(cluster, member):
        return False
    return member.amphora.record.refuses_anything or any(
        holds_revision(cluster.desired, other.amphora)
        and not has_refused(cluster, other)
        for other in cluster.members
        if other.id != member.id and other.phase is not Phase.FAILED
    )


def serves_the_rest(
    cluster: Cluster, member: Assessment
) -> Configuration | None:
    """What it may be announced with while secrets cannot be read.

    One that serves all listeners, some of them as before, is as good as any.
    One that lacks a listener is announced only where nobody else is that
    lacks none: to serve the rest is better than to serve nothing then.
    """
    desired, record = cluster.desired, member.amphora.record
    if not holds_partially(desired, member.amphora):
        return None
    rest = servable(desired, member.amphora).without(
        record.lacking_listener_ids
    )
    if not rest.listeners and not rest.lvs_listener_ids:
        return None
    if record.lacking_listener_ids and any(
        is_announcing_any(desired, other.amphora)
        and not _lacks_any(desired, other.amphora)
        for other in cluster.members
        if other.id != member.id
    ):
        return None
    return rest


def _lacks_any(desired: DesiredCluster, amphora: ObservedAmphora) -> bool:
    return holds_partially(desired, amphora) and bool(
        amphora.record.lacking_listener_ids
    )


def complaint(cluster: Cluster, member: Assessment) -> str:
    """What it refuses, as a remark on the amphora; empty: nothing."""
    if holds_partially(cluster.desired, member.amphora):
        return member.amphora.record.unread
    if not has_refused(cluster, member):
        lack = lack_of(cluster.desired, member.amphora)
        return f"it cannot serve UDP and SCTP: {lack}" if lack else ""
    record = member.amphora.record
    if record.refuses_anything:
        return f"its HAProxy refuses any configuration: {record.refusal}"
    if is_to_blame(cluster, member):
        return f"it refuses what others run: {record.refusal}"
    return f"it refuses the configuration: {record.refusal}"


def follow_up(cluster: Cluster) -> tuple[Action, ...]:
    """Seek the culprits, or replace the amphorae that are to blame."""
    refusing = [m for m in cluster.live if has_refused(cluster, m)]
    guilty = [m for m in refusing if is_to_blame(cluster, m)]
    if guilty and cluster.desired.is_managed:
        return tuple(_replace(cluster, member) for member in guilty)
    asked = [m for m in refusing if _answers(m) and m not in guilty]
    if not asked or guilty or _is_waited_for(cluster):
        return ()
    return (
        FindCulprits(
            amphora_id=asked[0].id,
            revision=cluster.desired.revision,
            peer_ids=wanted_peers(cluster, asked[0]),
            left_out_ids=left_out(cluster.desired, asked[0].amphora),
        ),
    )


def _is_waited_for(cluster: Cluster) -> bool:
    """Whether somebody has the configuration, or is about to be given it."""
    return any(
        not has_refused(cluster, member)
        and (
            holds_revision(cluster.desired, member.amphora)
            or _can_be_given(member)
        )
        for member in cluster.live
    )


def _can_be_given(member: Assessment) -> bool:
    """Whether its turn is now; one that boots is not waited for."""
    record, report = member.amphora.record, member.amphora.report
    return (
        report is not None
        and _answers(member)
        and record.status is AmphoraStatus.ALLOCATED
        and record.frontend is not None
        and (report.frontend_is_up or record.was_configured)
    )


def _answers(member: Assessment) -> bool:
    amphora = member.amphora
    return amphora.report is not None and not amphora.is_agent_mute


def _replace(cluster: Cluster, member: Assessment) -> Action:
    """One that serves leaves in order; one that never did has failed."""
    reason = complaint(cluster, member)
    if member.amphora.record.was_configured:
        return StartLeaving(amphora_id=member.id, reason=reason)
    return FailAmphora(amphora_id=member.id, reason=reason)
