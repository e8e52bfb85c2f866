# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae of registered load balancers, from our tables.

Six queries, however many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping, models
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraReport,
    VipRegistration,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.registration import ServingAmphora
from octavia_anycast.model.wire import Report
from octavia_anycast.planning.heartbeat import silent_seconds

# amphora_id -> (when it was reported, the report): reading one is work.
KnownReports = Mapping[str, tuple[datetime, Report | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """``by_load_balancer``: load_balancer_id -> its amphorae;
    ``reports``: their last reports."""

    by_load_balancer: dict[str, tuple[ServingAmphora, ...]]
    reports: KnownReports


def registered(
    session: Session,
    now: datetime,
    *,
    heard_since: datetime | None = None,
    known: KnownReports | None = None,
    load_balancer_id: str | None = None,
) -> Serving:
    """The amphorae of load balancers that are registered anywhere.

    :param heard_since: no silence is counted from before this time; None: it
        is counted from the last time that each was heard of
    :param known: reports that were read before; unless there is a newer one,
        a report is not read again
    :param load_balancer_id: only this one's, registered or not
    """
    is_wanted = _is_wanted(load_balancer_id)
    rows = session.scalars(select(Amphora).where(*is_wanted))
    records = [amphorae.record_of(row) for row in rows]
    of = select(Amphora.id).where(*is_wanted)
    heard = _by_amphora(session, of, AmphoraHealth.last_update)
    vips = _vips(session, of)
    said = _reports(session, of, known or {})
    found = mapping.grouped(
        (
            record.load_balancer_id,
            _serving(
                record,
                vips,
                said,
                silent_seconds(
                    heard.get(record.id), now, counted_from=heard_since
                ),
            ),
        )
        for record in records
    )
    return Serving(
        by_load_balancer={i: tuple(some) for i, some in found.items()},
        reports=said,
    )


def _is_wanted(load_balancer_id: str | None) -> tuple[Any, ...]:
    owner = Amphora.load_balancer_id
    if load_balancer_id is not None:
        return ~Amphora.is_deleted, owner == load_balancer_id
    registered = select(models.RegisteredAmphorae.load_balancer_id)
    return ~Amphora.is_deleted, owner.in_(registered)


def _by_amphora(
    session: Session, of: Select[tuple[str]], column: Any
) -> dict[str, datetime]:
    """amphora_id -> a column of a table with one row for each amphora."""
    key = column.class_.amphora_id
    rows = session.execute(select(key, column).where(key.in_(of)))
    return {amphora_id: moment for amphora_id, moment in rows}


def _vips(
    session: Session, of: Select[tuple[str]]
) -> dict[str, list[tuple[IPAddress, IPAddress]]]:
    """amphora_id -> (VIP, next hop) that it was last told to announce."""
    rows = session.execute(
        select(
            VipRegistration.amphora_id,
            VipRegistration.vip_ip,
            VipRegistration.nexthop_ip,
        )
        .where(VipRegistration.amphora_id.in_(of))
        .distinct()
    )
    return mapping.grouped(
        (amphora_id, (vip, next_hop)) for amphora_id, vip, next_hop in rows
    )


def _reports(
    session: Session, of: Select[tuple[str]], known: KnownReports
) -> dict[str, tuple[datetime, Report | None]]:
    moments = _by_amphora(session, of, AmphoraReport.reported_at)
    found = {
        amphora_id: known[amphora_id]
        for amphora_id, moment in moments.items()
        if amphora_id in known and known[amphora_id][0] == moment
    }
    missing = sorted(set(moments) - set(found))
    if missing:
        rows = session.execute(
            select(
                AmphoraReport.amphora_id,
                AmphoraReport.reported_at,
                AmphoraReport.report,
            ).where(AmphoraReport.amphora_id.in_(missing))
        )
        for amphora_id, moment, report in rows:
            found[amphora_id] = moment, report
    return found


def _serving(
    record: AmphoraRecord,
    vips: Mapping[str, list[tuple[IPAddress, IPAddress]]],
    said: KnownReports,
    silent: float | None,
) -> ServingAmphora:
    report = said[record.id][1] if record.id in said else None
    return ServingAmphora(
        record=record,
        vips=tuple(vips.get(record.id, ())),
        gate=report.gate.state if report else None,
        gate_reason=report.gate.reason if report else "",
        silent_seconds=silent,
    )
