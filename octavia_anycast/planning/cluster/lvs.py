# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""UDP and SCTP listeners where an amphora's image cannot serve them.

Layer: planning. Pure. Each agent reports what it lacks (ADR 0134):

* All that answer lack something: the listeners go to ERROR and are left out.
* Some do: those serve the rest, and announce a VIP only while nobody does who
  serves all. They are not replaced: another boot of the same image would not
  help.

An agent that does not say is taken to lack nothing.
"""

from collections.abc import Iterable

from octavia_anycast.model.actions import RefuseListeners
from octavia_anycast.model.cluster import DesiredCluster, ObservedAmphora
from octavia_anycast.model.wire import Report
from octavia_anycast.planning.amphora.agent_state import Configuration
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Paths,
    Phase,
    holds_revision,
    is_incomplete,
    lack_of,
    went_without,
)


def left_out(
    desired: DesiredCluster, amphora: ObservedAmphora
) -> tuple[str, ...]:
    """The listeners that it is not given."""
    return desired.lvs_listener_ids if lack_of(desired, amphora) else ()


def has_healed(desired: DesiredCluster, amphora: ObservedAmphora) -> bool:
    """Whether it can be given now what it went without."""
    return (
        went_without(desired, amphora)
        and amphora.report is not None
        and not lack_of(desired, amphora)
    )


def servable(
    desired: DesiredCluster, amphora: ObservedAmphora
) -> Configuration:
    """What is wanted, as far as it can serve it."""
    wanted = Configuration.of(desired)
    if is_incomplete(desired, amphora):
        return wanted.without(desired.lvs_listener_ids)
    return wanted


def left_to_others(cluster: Cluster, member: Assessment) -> Paths:
    """The VIPs that it does not announce: others serve all listeners there.

    Also while those are given another configuration: it must not be announced
    for that moment. It stays so while one of them does not answer but is not
    silent either: a slow answer is no reason to lose datagrams. A VIP that
    none of them announces it does announce: to serve a part is better than
    nothing.
    """
    if not is_incomplete(cluster.desired, member.amphora):
        return frozenset()
    others = [
        other
        for other in cluster.members
        if other.id != member.id and cluster.serves_all(other)
    ]
    left = frozenset().union(*(cluster.announced(o.amphora) for o in others))
    if any(
        other.amphora.report is None and other.phase is not Phase.MUTE
        for other in others
    ):
        left |= cluster.all_paths() - cluster.announced(member.amphora)
    return left


def stands_back(cluster: Cluster, member: Assessment) -> bool:
    """Whether it announces nothing, because others serve all listeners."""
    return left_to_others(cluster, member) >= cluster.all_paths()


def is_at_rest(cluster: Cluster, member: Assessment) -> bool:
    """Whether it leaves VIPs to others and has all that it can have."""
    amphora = member.amphora
    left = left_to_others(cluster, member)
    return (
        bool(left)
        and holds_revision(cluster.desired, amphora)
        and not has_healed(cluster.desired, amphora)
        and cluster.announced(amphora) == cluster.all_paths() - left
    )


def is_settling(cluster: Cluster) -> bool:
    """Whether one still announces what it is to leave to others."""
    return any(
        left_to_others(cluster, member) & cluster.announced(member.amphora)
        for member in cluster.members
    )


def leave_out(cluster: Cluster) -> tuple[RefuseListeners, ...]:
    """Give up the listeners that none of its amphorae can serve."""
    desired = cluster.desired
    lacks = [
        lack_of(desired, member.amphora)
        for member in cluster.members
        if member.phase is not Phase.FAILED and _counts(desired, member)
    ]
    if not lacks or not all(lacks):
        return ()
    return (
        RefuseListeners(
            load_balancer_id=desired.load_balancer_id,
            listener_ids=desired.lvs_listener_ids,
            sentence=_sentence(lacks),
        ),
    )


def _counts(desired: DesiredCluster, member: Assessment) -> bool:
    """Whether it says what it lacks, or may lack nothing, unheard of.

    One that boots says nothing yet.
    """
    amphora = member.amphora
    if amphora.report is not None:
        return True
    return (
        amphora.record.was_configured
        and not went_without(desired, amphora)
        and member.phase is not Phase.SILENT
    )


def refusal(reports: Iterable[Report]) -> str:
    """Why a load balancer with these amphorae takes no UDP or SCTP listener.

    Empty: it takes one, or nothing is known of its amphorae.
    """
    lacks = [report.lvs.lack if report.lvs else "" for report in reports]
    return _sentence(lacks) if lacks and all(lacks) else ""


def _sentence(lacks: list[str]) -> str:
    different = sorted(set(lacks))
    return f"no amphora can serve it: {'; '.join(different)}"
