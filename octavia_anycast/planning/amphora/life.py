# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The life of an amphora: what is the same for whomever it announces.

Layer: planning. Pure. A cluster's amphora serves a load balancer, a
dedicated one announces for others; both are placed, booted, allocated, given
up and dismissed in the same way.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from octavia_anycast.model.actions import (
    AllocateAmphora,
    AmphoraAction,
    DeleteAmphora,
    FailAmphora,
    StartLeaving,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ComputeState,
    ObservedAmphora,
)
from octavia_anycast.model.distributor import Zone
from octavia_anycast.planning.amphora.backoff import fails_now
from octavia_anycast.planning.cluster.assessment import Assessment, Phase


def spread(
    zones: Sequence[Zone], staying: Iterable[Assessment], count: int
) -> tuple[Zone, ...]:
    """Choose the zones of new amphorae: those with the fewest first.

    :param staying: the amphorae that will be beside them
    """
    held = Counter(m.amphora.record.availability_zone for m in staying)
    chosen = []
    for _ in range(count):
        zone = min(zones, key=lambda z: held[z.availability_zone])
        held[zone.availability_zone] += 1
        chosen.append(zone)
    return tuple(chosen)


def new_record(
    owner_id: str,
    load_balancer_id: str | None,
    zone: Zone,
    now: datetime,
    index: int,
) -> AmphoraRecord:
    """The row of an amphora that boots; its id is the same in each plan.

    :param owner_id: the load balancer or the distributor
    :param index: its number among those that boot now
    """
    name = f"{owner_id} {now.isoformat()} {index}"
    return AmphoraRecord(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        load_balancer_id=load_balancer_id,
        status=AmphoraStatus.BOOTING,
        status_since=now,
        availability_zone=zone.availability_zone,
    )


def allocation(amphora: ObservedAmphora) -> tuple[AllocateAmphora, ...]:
    """Take a server that runs and has an address; else nothing."""
    if amphora.compute_state is not ComputeState.ACTIVE:
        return ()
    if amphora.compute_address is None:
        return ()
    return (
        AllocateAmphora(
            amphora_id=amphora.record.id,
            lb_network_ip=amphora.compute_address,
            compute_host=amphora.compute_host,
        ),
    )


def failure(member: Assessment) -> tuple[FailAmphora, ...]:
    """Record that it failed before it ever served, if this is news."""
    if not fails_now(member):
        return ()
    state = member.amphora.compute_state
    return (
        FailAmphora(
            amphora_id=member.id,
            reason=member.reason,
            is_refused=state is ComputeState.ERROR,
        ),
    )


def dismiss(member: Assessment, reason: str) -> AmphoraAction:
    """Have one leave; one that boots just goes."""
    if member.phase is Phase.BOOTING:
        return DeleteAmphora(amphora_id=member.id, reason=reason)
    return StartLeaving(amphora_id=member.id, reason=reason)
