# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How much hangs on distributors: four queries for any number of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from octavia_anycast.db.cluster_models import (
    AmphoraRegistration,
    Cluster,
    VipRegistration,
)
from octavia_anycast.db.models import ExternalVip


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of a distributor: load balancers that use it, their amphorae and its
    own, and the VIPs that these announce, each counted once."""

    load_balancers: int = 0
    amphorae: int = 0
    vips: int = 0


def of_distributors(
    session: Session, distributor_ids: Sequence[str]
) -> dict[str, Counts]:
    """distributor_id -> its counts."""
    clusters = _counted(
        session,
        select(Cluster.distributor_id, func.count()),
        Cluster.distributor_id,
        distributor_ids,
    )
    amphorae = _counted(
        session,
        select(AmphoraRegistration.distributor_id, func.count()),
        AmphoraRegistration.distributor_id,
        distributor_ids,
    )
    vips = _counted(
        session,
        select(
            AmphoraRegistration.distributor_id,
            func.count(VipRegistration.vip_ip.distinct()),
        ).join(
            VipRegistration,
            VipRegistration.amphora_id == AmphoraRegistration.amphora_id,
        ),
        AmphoraRegistration.distributor_id,
        distributor_ids,
    )
    external = _counted(
        session,
        select(ExternalVip.distributor_id, func.count()),
        ExternalVip.distributor_id,
        distributor_ids,
    )
    return {
        distributor_id: Counts(
            load_balancers=clusters.get(distributor_id, 0),
            amphorae=amphorae.get(distributor_id, 0),
            vips=vips.get(distributor_id, 0) + external.get(distributor_id, 0),
        )
        for distributor_id in distributor_ids
    }


def _counted(
    session: Session,
    statement: Select[Any],
    column: Any,
    distributor_ids: Sequence[str],
) -> dict[str, int]:
    rows = session.execute(
        statement.where(column.in_(distributor_ids)).group_by(column)
    )
    return {distributor_id: count for distributor_id, count in rows}
