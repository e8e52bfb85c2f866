# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors with amphorae of their own: what their rows say."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping, models
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.db.models import Amphora, AmphoraReport, VipRegistration
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.wire import Report

_ROW = models.Distributor
_STATUS = _ROW.provisioning_status
_VERSIONED = (
    _ROW.id,
    _ROW.dedicated_count,
    _ROW.vips_revision,
    _STATUS,
    _ROW.updated_at,
)


def distributor_versions(session: Session) -> dict[str, str]:
    """distributor_id -> a text that each change of its row makes another.

    Of all distributors; one query.
    """
    rows = session.execute(select(*_VERSIONED))
    return {row.id: f"{tuple(row[1:])}" for row in rows}


def row_versions(session: Session) -> dict[str, str]:
    """distributor_id -> a text that each change makes a different one.

    Of distributors that have or are to have amphorae of their own; two
    queries, however many there are.
    """
    amphorae = session.execute(
        select(
            Amphora.distributor_id,
            Amphora.id,
            Amphora.status,
            Amphora.failover_wanted,
            Amphora.agent_update_wanted,
            Amphora.drain_wanted_since,
            Amphora.stand_in_wanted,
        )
        .where(Amphora.distributor_id.is_not(None), ~Amphora.is_deleted)
        .order_by(Amphora.id)
    )
    held = mapping.grouped((row[0], str(tuple(row[1:]))) for row in amphorae)
    found = {i: " ".join(texts) for i, texts in held.items()}
    is_concerned = or_(_ROW.dedicated_count > 0, _ROW.id.in_(list(held)))
    for row in session.execute(select(*_VERSIONED).where(is_concerned)):
        found[row.id] = f"{tuple(row[1:])} {found.get(row.id, '')}"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a distributor's row says about amphorae of its own.

    ``is_going``: it is to be deleted, even if that has failed so far.
    ``vips_revision``: of its external VIPs and registrations. ``epoch``:
    counts the plans that were begun; None: it has no row.
    """

    is_new: bool = False
    is_going: bool = True
    vips_revision: int = 0
    failures: tuple[ActionFailure, ...] = ()
    epoch: int | None = None


def standing(session: Session, distributor_id: str) -> Standing:
    """Read it; a distributor without a row may keep no amphora."""
    statement = select(
        (_STATUS == lifecycle.PENDING_CREATE).label("is_new"),
        or_(_ROW.deletion_wanted, _STATUS == lifecycle.PENDING_DELETE).label(
            "is_going"
        ),
        _ROW.vips_revision,
        _ROW.failures,
        _ROW.epoch,
    ).where(_ROW.id == distributor_id)
    return (mapping.made(session, Standing, statement) or [Standing()])[0]


def record_failures(
    session: Session, distributor_id: str, failures: tuple[ActionFailure, ...]
) -> None:
    """Store what fails now; ``updated_at`` stays as it is."""
    session.execute(
        update_rows(_ROW)
        .where(_ROW.id == distributor_id)
        .values(failures=failures, updated_at=_ROW.updated_at)
        .execution_options(synchronize_session=False)
    )


def has_amphorae(session: Session, distributor_id: str) -> bool:
    """Whether the distributor has amphorae of its own."""
    found = select(Amphora.id).where(
        Amphora.distributor_id == distributor_id, ~Amphora.is_deleted
    )
    return session.scalar(found.limit(1)) is not None


def wanted(session: Session) -> dict[str, int]:
    """distributor_id -> how many are wanted, of those that want any."""
    count = _ROW.dedicated_count
    rows = session.execute(select(_ROW.id, count).where(count > 0))
    return {distributor_id: wanted for distributor_id, wanted in rows}


def counts_with_session(
    session: Session, fresh_since: datetime
) -> dict[str, int]:
    """distributor_id -> how many of its own have an established session.

    An amphora that last reported before ``fresh_since`` does not count.
    """
    rows = session.execute(
        select(Amphora.distributor_id, func.count())
        .join(AmphoraReport, AmphoraReport.amphora_id == Amphora.id)
        .where(
            Amphora.distributor_id.is_not(None),
            Amphora.is_allocated,
            AmphoraReport.reported_at >= fresh_since,
            AmphoraReport.established_count > 0,
        )
        .group_by(Amphora.distributor_id)
    )
    return {str(distributor_id): count for distributor_id, count in rows}


def reports_of(session: Session, distributor_id: str) -> list[Report]:
    """The last reports of a distributor's own amphorae."""
    rows = session.scalars(
        select(AmphoraReport.report)
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(Amphora.distributor_id == distributor_id, Amphora.is_allocated)
        .order_by(Amphora.id)
    )
    return [report for report in rows if report is not None]


def announced_paths(
    session: Session, distributor_id: str
) -> dict[str, list[AnnouncedVip]]:
    """amphora_id of its own -> paths of registered amphorae it confirmed."""
    rows = session.execute(
        mapping.select_fields(VipRegistration, AnnouncedVip)
        .add_columns(VipRegistration.amphora_id)
        .join(Amphora, Amphora.id == VipRegistration.amphora_id)
        .where(Amphora.distributor_id == distributor_id, Amphora.is_allocated)
    )
    return mapping.grouped(
        (row.pop("amphora_id"), AnnouncedVip(**row))
        for row in map(dict, rows.mappings())
    )
