# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is in the answer of a PROMETHEUS listener.

Layer: planning. Pure. Every amphora of the cluster that has a front end, until
it is deleted, so that one that is silent, or of an older image, is shown as
one that does not answer. One whose server is gone is not: its replacement is.
"""

from octavia_anycast.model.cluster import AmphoraRecord, ComputeState
from octavia_anycast.model.wire import MetricsMember, Report, TenantMetrics
from octavia_anycast.planning.amphora.assessment import Assessment, Cluster
from octavia_anycast.planning.cluster.members import addresses_of, told_of

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
    shown = told_of(
        (m for m in cluster.members if m.amphora.compute_state not in _GONE),
        record.id,
    )
    return TenantMetrics(
        members=tuple(map(_member, shown)), authority=authority
    )


def _member(member: Assessment) -> MetricsMember:
    return MetricsMember(
        id=member.id,
        zone=member.amphora.record.availability_zone or "",
        addresses=addresses_of(member),
    )
