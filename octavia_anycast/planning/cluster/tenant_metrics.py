# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is in the answer of a PROMETHEUS listener.

Layer: planning. Pure. Every amphora of the cluster that has a front end, until
it is deleted, so that one that is silent, or of an older image, is shown as
one that does not answer. One whose server is gone is not: its replacement is.
"""

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    ComputeState,
    ObservedAmphora,
)
from octavia_anycast.model.wire import MetricsMember, Report, TenantMetrics
from octavia_anycast.planning.amphora.assessment import Cluster

_GONE = (ComputeState.GONE, ComputeState.ERROR)


def wanted_metrics(
    cluster: Cluster, record: AmphoraRecord, report: Report | None
) -> TenantMetrics | None:
    """What an amphora is told of tenants' metrics; None: nothing.

    One whose agent does not know them would refuse the document.
    """
    authority = cluster.desired.metrics_authority
    if not authority or report is None or not report.knows_tenant_metrics:
        return None
    if record.frontend is None:
        return None
    return TenantMetrics(members=_members(cluster), authority=authority)


def _members(cluster: Cluster) -> tuple[MetricsMember, ...]:
    return tuple(
        _member(member.amphora)
        for member in sorted(cluster.members, key=lambda m: m.id)
        if member.amphora.record.frontend is not None
        and member.amphora.compute_state not in _GONE
    )


def _member(amphora: ObservedAmphora) -> MetricsMember:
    record = amphora.record
    assert record.frontend is not None
    return MetricsMember(
        id=record.id,
        zone=record.availability_zone or "",
        addresses=tuple(a.ip_address for a in record.frontend.addresses),
    )
