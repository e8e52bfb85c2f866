# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae of registered load balancers: what our tables know of them.

Six queries, however many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster_models import (
    Amphora,
    AmphoraHealth,
    AmphoraReport,
    VipRegistration,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
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

    :param heard_since: the silence of all is counted from then at the
        earliest; None: from the last time each was heard
    :param known: reports read before: those as old are not read again
    :param load_balancer_id: only this one's, registered or not
    """
    wanted = _wanted(load_balancer_id)
    records = [
        amphorae.record_of(row)
        for row in session.scalars(
            select(Amphora).where(
                Amphora.status != AmphoraStatus.DELETED.value,
                Amphora.load_balancer_id.in_(wanted),
            )
        )
    ]
    of = _ids(wanted)
    heard = _moments(
        session,
        select(AmphoraHealth.amphora_id, AmphoraHealth.last_update).where(
            AmphoraHealth.amphora_id.in_(of)
        ),
    )
    vips = _vips(session, of)
    said = _reports(session, of, known or {})
    found: dict[str, list[ServingAmphora]] = {}
    for record in records:
        silent = silent_seconds(
            heard.get(record.id), now, counted_from=heard_since
        )
        found.setdefault(record.load_balancer_id or "", []).append(
            _serving(record, vips, said, silent)
        )
    return Serving(
        by_load_balancer={i: tuple(some) for i, some in found.items()},
        reports=said,
    )


def _wanted(load_balancer_id: str | None) -> Select[tuple[str]]:
    if load_balancer_id is None:
        return select(models.RegisteredAmphorae.load_balancer_id)
    return select(Amphora.load_balancer_id).where(  # type: ignore[return-value]
        Amphora.load_balancer_id == load_balancer_id
    )


def _ids(wanted: Select[tuple[str]]) -> Select[tuple[str]]:
    return select(Amphora.id).where(
        Amphora.status != AmphoraStatus.DELETED.value,
        Amphora.load_balancer_id.in_(wanted),
    )


def _moments(
    session: Session, statement: Select[tuple[str, datetime]]
) -> dict[str, datetime]:
    return {amphora_id: at for amphora_id, at in session.execute(statement)}


def _vips(
    session: Session, of: Select[tuple[str]]
) -> dict[str, list[tuple[IPAddress, IPAddress]]]:
    """amphora_id -> what it was last told to announce."""
    rows = session.execute(
        select(
            VipRegistration.amphora_id,
            VipRegistration.vip_ip,
            VipRegistration.nexthop_ip,
        )
        .where(VipRegistration.amphora_id.in_(of))
        .distinct()
    )
    found: dict[str, list[tuple[IPAddress, IPAddress]]] = {}
    for amphora_id, vip_ip, nexthop_ip in rows:
        found.setdefault(amphora_id, []).append((vip_ip, nexthop_ip))
    return found


def _reports(
    session: Session, of: Select[tuple[str]], known: KnownReports
) -> dict[str, tuple[datetime, Report | None]]:
    moments = _moments(
        session,
        select(AmphoraReport.amphora_id, AmphoraReport.reported_at).where(
            AmphoraReport.amphora_id.in_(of)
        ),
    )
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
                AmphoraReport.document,
            ).where(AmphoraReport.amphora_id.in_(missing))
        )
        for amphora_id, moment, document in rows:
            found[amphora_id] = moment, reports.read(document)
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
