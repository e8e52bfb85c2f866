# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue in a cluster: who its members are, and who may announce yet.

Layer: planning. Pure. An amphora is a member from its front end on until it
is deleted, whatever its phase: one that drains or leaves has connections yet,
and one that is silent may.

Invariant 6: an amphora begins to announce only when every member of its
cluster knows it. Else its first connections, moved by the next change, would
be reset by those who never heard of it.
"""

import hashlib
import hmac
from datetime import datetime

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    ComputeState,
    ObservedAmphora,
)
from octavia_anycast.model.wire import (
    SECRET_BYTES,
    FlowRescue,
    Member,
    Report,
    RescueState,
)
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing_any,
)
from octavia_anycast.planning.cluster.members import addresses_of, told_of

_EPOCH_SECONDS = 86_400
_NOT_ASKED = (Phase.SILENT, Phase.MUTE, Phase.FAILED, Phase.SICK)


def secrets_at(
    key: bytes, load_balancer_id: str, now: datetime
) -> tuple[str, str]:
    """The secret that a cluster's amphorae send now, and the other they take.

    Each is valid for a day. From the middle of a day on the next one is taken
    already, and until the middle of the next day this one is still, so no
    packet is lost while amphorae change one after the other. Each cluster has
    another midnight, so they do not all change at once.
    """
    digest = hashlib.sha256(load_balancer_id.encode()).digest()
    offset = int.from_bytes(digest[:4], "big") % _EPOCH_SECONDS
    epoch, passed = divmod(int(now.timestamp()) + offset, _EPOCH_SECONDS)
    other = epoch + 1 if 2 * passed >= _EPOCH_SECONDS else epoch - 1
    return (
        _secret(key, f"flow rescue {load_balancer_id} {epoch}"),
        _secret(key, f"flow rescue {load_balancer_id} {other}"),
    )


def _secret(key: bytes, purpose: str) -> str:
    return hmac.digest(key, purpose.encode(), "sha256")[:SECRET_BYTES].hex()


def wanted_rescue(
    cluster: Cluster, record: AmphoraRecord, report: Report | None
) -> FlowRescue | None:
    """What an amphora is told of flow rescue; None: nothing.

    One whose agent does not know flow rescue would refuse the document.
    """
    secrets = cluster.desired.rescue_secrets
    if not secrets or report is None or report.flow_rescue is None:
        return None
    if record.frontend is None:
        return None
    members = _members(cluster, record.id)
    return FlowRescue(members=members, secrets=secrets)


def may_begin(cluster: Cluster, member: Assessment) -> bool:
    """Whether an amphora that does not announce may begin to (invariant 6).

    Where nobody announces there is no connection to be kept. Who cannot be
    told, because it is silent or its agent is mute, holds nobody back, nor
    does one whose gate is closed: it gets no packets. A spare was told of to
    all before it stood by, so who does not answer just now knows it.
    """
    amphora = member.amphora
    if wanted_rescue(cluster, amphora.record, amphora.report) is None:
        return True
    if is_announcing_any(cluster.desired, amphora):
        return True
    others = [m for m in cluster.members if m.id != member.id]
    if not any(is_announcing_any(cluster.desired, m.amphora) for m in others):
        return True
    if not _is_member(cluster, member) or not _is_set_up(amphora):
        return not _can_rescue(amphora)
    is_spare = amphora.record.spare_since is not None
    return all(
        _knows(other.amphora, member.id)
        for other in others
        if _is_member(cluster, other)
        and other.phase not in _NOT_ASKED
        and not (is_spare and other.amphora.report is None)
    )


def _members(cluster: Cluster, own_id: str) -> tuple[Member, ...]:
    known = told_of(
        (m for m in cluster.members if _is_member(cluster, m)), own_id
    )
    return tuple(
        Member(id=member.id, addresses=addresses_of(member))
        for member in known
    )


def _is_member(cluster: Cluster, member: Assessment) -> bool:
    """Whether the others hand packets to it.

    Of one that does not answer it is not known whether it can take them: it
    stays what it is to the others.
    """
    amphora = member.amphora
    if amphora.record.frontend is None:
        return False
    if amphora.report is not None:
        return _can_rescue(amphora)
    if amphora.compute_state in (ComputeState.GONE, ComputeState.ERROR):
        return False
    return any(_knows(other.amphora, member.id) for other in cluster.members)


def _can_rescue(amphora: ObservedAmphora) -> bool:
    report = amphora.report
    return (
        report is not None
        and report.flow_rescue is not None
        and report.flow_rescue.state is not RescueState.UNSUPPORTED
    )


def _is_set_up(amphora: ObservedAmphora) -> bool:
    """Whether it rescues for others, or has said that it fails to."""
    report = amphora.report
    return (
        report is not None
        and report.flow_rescue is not None
        and report.flow_rescue.state is not RescueState.OFF
    )


def _knows(amphora: ObservedAmphora, member_id: str) -> bool:
    report = amphora.report
    return (
        report is not None
        and report.flow_rescue is not None
        and (
            member_id in report.flow_rescue.members
            # One that fails is not waited for.
            or report.flow_rescue.state is RescueState.FAILED
        )
    )
