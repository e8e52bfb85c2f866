# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors with amphorae of their own, for the controller and the API."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.cluster_models import (
    Amphora,
    AmphoraReport,
    VipRegistration,
)
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.cluster import ActionFailure, AmphoraStatus
from octavia_anycast.model.wire import Report

_EXISTS = Amphora.status != AmphoraStatus.DELETED.value


def row_versions(session: Session) -> dict[str, str]:
    """distributor_id -> a text that is another one after each change.

    Of those that are to have amphorae of their own, or have some; two
    queries, however many there are.
    """
    held: dict[str, list[str]] = {}
    for held_by, *rest in session.execute(
        select(
            Amphora.distributor_id,
            Amphora.id,
            Amphora.status,
            Amphora.failover_wanted,
            Amphora.agent_update_wanted,
        )
        .where(Amphora.distributor_id.is_not(None), _EXISTS)
        .order_by(Amphora.id)
    ):
        held.setdefault(str(held_by), []).append(str(rest))
    found = {i: " ".join(texts) for i, texts in held.items()}
    row_of = models.Distributor
    for row in session.execute(
        select(
            row_of.id,
            row_of.dedicated_count,
            row_of.vips_revision,
            row_of.provisioning_status,
            row_of.updated_at,
        ).where(or_(row_of.dedicated_count > 0, row_of.id.in_(list(held))))
    ):
        found[row.id] = f"{tuple(row[1:])} {found.get(row.id, '')}"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands with a distributor and amphorae of its own.

    ``is_going``: it is to be deleted; in ERROR, if that has failed so far.
    ``vips_revision``: of its external VIPs and registrations.
    """

    is_new: bool = False
    is_going: bool = True
    vips_revision: int = 0
    failures: tuple[ActionFailure, ...] = ()


def standing(session: Session, distributor_id: str) -> Standing:
    """Read it; of one that is not there no amphora may be left."""
    row_of = models.Distributor
    row = session.execute(
        select(
            row_of.provisioning_status,
            row_of.deletion_wanted,
            row_of.vips_revision,
            row_of.failures,
        ).where(row_of.id == distributor_id)
    ).one_or_none()
    if row is None:
        return Standing()
    status = row.provisioning_status
    return Standing(
        is_new=status == lifecycle.PENDING_CREATE,
        is_going=row.deletion_wanted or status == lifecycle.PENDING_DELETE,
        vips_revision=row.vips_revision,
        failures=row.failures,
    )


def record_failures(
    session: Session,
    distributor_id: str,
    failures: tuple[ActionFailure, ...],
) -> None:
    """Write down what fails now; it is no change of the distributor."""
    session.execute(
        update_rows(models.Distributor)
        .where(models.Distributor.id == distributor_id)
        .values(
            failures=failures or None, updated_at=models.Distributor.updated_at
        )
        .execution_options(synchronize_session=False)
    )


def has_amphorae(session: Session, distributor_id: str) -> bool:
    """Whether amphorae of its own are left."""
    return (
        session.scalar(
            select(Amphora.id)
            .where(Amphora.distributor_id == distributor_id, _EXISTS)
            .limit(1)
        )
        is not None
    )


def wanted(session: Session) -> dict[str, int]:
    """distributor_id -> how many are wanted, of those that want any."""
    rows = session.execute(
        select(
            models.Distributor.id, models.Distributor.dedicated_count
        ).where(models.Distributor.dedicated_count > 0)
    )
    return {row.id: row.dedicated_count for row in rows}


def counts_with_session(
    session: Session, fresh_since: datetime
) -> dict[str, int]:
    """distributor_id -> how many of its own have an established session.

    One that last reported before ``fresh_since`` has none.
    """
    rows = session.execute(
        select(Amphora.distributor_id, func.count())
        .join(AmphoraReport, AmphoraReport.amphora_id == Amphora.id)
        .where(
            Amphora.distributor_id.is_not(None),
            Amphora.status == AmphoraStatus.ALLOCATED.value,
            AmphoraReport.reported_at >= fresh_since,
            AmphoraReport.established_count > 0,
        )
        .group_by(Amphora.distributor_id)
    )
    return {str(distributor_id): count for distributor_id, count in rows}


def reports_of(session: Session, distributor_id: str) -> list[Report]:
    """What the agents of a distributor's own amphorae said last."""
    rows = session.scalars(
        select(AmphoraReport.document)
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(
            Amphora.distributor_id == distributor_id,
            Amphora.status == AmphoraStatus.ALLOCATED.value,
        )
        .order_by(Amphora.id)
    )
    found = (reports.read(document) for document in rows)
    return [report for report in found if report is not None]


def announced_paths(
    session: Session, distributor_id: str
) -> dict[str, list[AnnouncedVip]]:
    """amphora_id of its own -> paths of registered amphorae it confirmed."""
    rows = session.execute(
        select(
            VipRegistration.amphora_id,
            VipRegistration.vip_ip,
            VipRegistration.nexthop_ip,
            VipRegistration.load_balancer_id,
            VipRegistration.peer_id,
        )
        .join(Amphora, Amphora.id == VipRegistration.amphora_id)
        .where(
            Amphora.distributor_id == distributor_id,
            Amphora.status == AmphoraStatus.ALLOCATED.value,
        )
    )
    found: dict[str, list[AnnouncedVip]] = {}
    for amphora_id, vip_ip, nexthop_ip, load_balancer_id, peer_id in rows:
        path = AnnouncedVip(
            vip_ip=vip_ip,
            nexthop_ip=nexthop_ip,
            load_balancer_id=load_balancer_id,
            peer_id=peer_id,
        )
        found.setdefault(amphora_id, []).append(path)
    return found
