# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which load balancers may rest: nobody is asked until somebody says so.

One rests only if what its amphorae report is all that may change. Where a
decision waits for time, or for something that heartbeats do not tell of, it
is looked at as often as ever (ADR 0157).

Layer: planning. Pure.
"""

from collections.abc import Mapping

from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    DesiredCluster,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.model.wire import GateState

# Of distributors: no change is on its way to the amphorae.
_QUIET = ("ACTIVE", "PENDING_CREATE")
_OPEN = (GateState.UP, GateState.DISABLED)


def digests_to_rest_on(
    desired: DesiredCluster, observed: ObservedCluster
) -> Mapping[str, str]:
    """Return what each amphora says while all is as it is now.

    :param desired: of a load balancer that is settled, with nothing to do
    :returns: amphora_id -> digest of its report; empty: it may not rest
    """
    if (
        not observed.amphorae
        or observed.failures
        or desired.autoscale is not None  # its load is measured at each look
        or desired.distributor.provisioning_status not in _QUIET
        or not all(_is_steady(amphora) for amphora in observed.amphorae)
    ):
        return {}
    return {
        amphora.record.id: amphora.report.report_digest
        for amphora in observed.amphorae
        if amphora.report is not None
    }


def _is_steady(amphora: ObservedAmphora) -> bool:
    """Whether nothing of it waits for time to pass."""
    report = amphora.report
    return (
        report is not None
        and bool(report.report_digest)
        and not amphora.is_agent_mute
        and not amphora.heartbeat_trouble
        and report.gate.state in _OPEN
        and not report.refusal
        and all(
            session.state is SessionState.ESTABLISHED
            for session in report.sessions
        )
        and _is_undisturbed(amphora.record)
    )


def _is_undisturbed(record: AmphoraRecord) -> bool:
    waits = (
        record.leaving_since,
        record.drain_wanted_since,
        record.speakers_changed_at,
        record.mute_since,
        record.stale_since,
        record.failover_wanted,
        record.agent_update_wanted,
        record.refused_revision,
        record.unread,
    )
    return record.status is AmphoraStatus.ALLOCATED and not any(waits)
