# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registrations: who serves what, and what each speaker announces."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import Session

from octavia_anycast.db.cluster_models import (
    AmphoraRegistration,
    SpeakerRegistration,
    VipRegistration,
)
from octavia_anycast.model.bgp import IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedVip:
    """A VIP that the speaker of an amphora announces.

    ``load_balancer_id`` None: an external VIP; ``peer_id`` None: all peers.
    """

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    load_balancer_id: str | None = None
    peer_id: str | None = None


def register(
    session: Session,
    amphora_id: str,
    *,
    load_balancer_id: str,
    distributor_id: str,
    speaker_ids: Iterable[str],
) -> None:
    """Record whom an amphora serves and which speakers it runs, whole."""
    _delete_bindings(session, amphora_id)
    session.add(
        AmphoraRegistration(
            amphora_id=amphora_id,
            load_balancer_id=load_balancer_id,
            distributor_id=distributor_id,
        )
    )
    session.add_all(
        SpeakerRegistration(amphora_id=amphora_id, speaker_id=speaker_id)
        for speaker_id in speaker_ids
    )
    session.flush()


def replace_vips(
    session: Session, amphora_id: str, rows: Iterable[AnnouncedVip]
) -> None:
    """Record what an amphora announces, whole, if that is news.

    Read first: rewriting the same rows in parallel deadlocks in InnoDB.
    """
    wanted = set(rows)
    if wanted == set(list_vips(session, amphora_id)):
        return
    _delete_vips(session, amphora_id)
    session.add_all(
        VipRegistration(
            amphora_id=amphora_id,
            load_balancer_id=row.load_balancer_id,
            vip_ip=row.vip_ip,
            nexthop_ip=row.nexthop_ip,
            peer_id=row.peer_id,
        )
        for row in sorted(wanted, key=str)
    )
    session.flush()


def list_vips(session: Session, amphora_id: str) -> list[AnnouncedVip]:
    """What an amphora announces."""
    rows = session.scalars(
        select(VipRegistration)
        .where(VipRegistration.amphora_id == amphora_id)
        .order_by(VipRegistration.vip_ip, VipRegistration.peer_id)
    )
    return [
        AnnouncedVip(
            vip_ip=row.vip_ip,
            nexthop_ip=row.nexthop_ip,
            load_balancer_id=row.load_balancer_id,
            peer_id=row.peer_id,
        )
        for row in rows
    ]


def list_external_vips(session: Session) -> dict[str, set[IPAddress]]:
    """amphora_id -> addresses announced for no load balancer; one query."""
    rows = session.execute(
        select(VipRegistration.amphora_id, VipRegistration.vip_ip).where(
            VipRegistration.load_balancer_id.is_(None)
        )
    )
    found: dict[str, set[IPAddress]] = {}
    for amphora_id, vip_ip in rows:
        found.setdefault(amphora_id, set()).add(vip_ip)
    return found


def delete_for_amphora(session: Session, amphora_id: str) -> None:
    """Forget all registrations of an amphora."""
    _delete_bindings(session, amphora_id)
    _delete_vips(session, amphora_id)


def _delete_bindings(session: Session, amphora_id: str) -> None:
    for model in (AmphoraRegistration, SpeakerRegistration):
        session.execute(
            delete_rows(model).where(model.amphora_id == amphora_id)
        )


def _delete_vips(session: Session, amphora_id: str) -> None:
    session.execute(
        delete_rows(VipRegistration).where(
            VipRegistration.amphora_id == amphora_id
        )
    )
