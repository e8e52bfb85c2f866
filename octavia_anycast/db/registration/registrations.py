# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whom each amphora serves, its speakers, and what they announce."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import (
    AmphoraRegistration,
    SpeakerRegistration,
    VipRegistration,
)
from octavia_anycast.model.bgp import IPAddress

_BINDINGS = (AmphoraRegistration, SpeakerRegistration)


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
    """Replace what is stored of whom an amphora serves, and its speakers."""
    _delete(session, amphora_id, _BINDINGS)
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
    """Replace what is stored of what an amphora announces, if it is news.

    Read first: rewriting the same rows in parallel deadlocks in InnoDB.
    """
    wanted = set(rows)
    if wanted == set(list_vips(session, amphora_id)):
        return
    _delete(session, amphora_id, (VipRegistration,))
    session.add_all(
        VipRegistration(
            amphora_id=amphora_id, **mapping.columns_of(VipRegistration, row)
        )
        for row in sorted(wanted, key=str)
    )
    session.flush()


def list_vips(session: Session, amphora_id: str) -> list[AnnouncedVip]:
    """What an amphora announces."""
    statement = (
        mapping.select_fields(VipRegistration, AnnouncedVip)
        .where(VipRegistration.amphora_id == amphora_id)
        .order_by(VipRegistration.vip_ip, VipRegistration.peer_id)
    )
    return mapping.made(session, AnnouncedVip, statement)


def list_external_vips(session: Session) -> dict[str, set[IPAddress]]:
    """amphora_id -> addresses announced for no load balancer; one query."""
    rows = session.execute(
        select(VipRegistration.amphora_id, VipRegistration.vip_ip).where(
            VipRegistration.load_balancer_id.is_(None)
        )
    )
    return {one: set(some) for one, some in mapping.grouped(rows).items()}


def delete_for_amphora(session: Session, amphora_id: str) -> None:
    """Delete all registrations of an amphora."""
    _delete(session, amphora_id, (*_BINDINGS, VipRegistration))


def _delete(session: Session, amphora_id: str, tables: Iterable[Any]) -> None:
    """Delete the rows that there are.

    A DELETE looks at rows of other amphorae, too, and locks them: of a hundred
    that boot at the same time each would wait for all others, and some for one
    another.
    """
    for table in tables:
        is_its = table.amphora_id == amphora_id
        if session.scalar(select(table.amphora_id).where(is_its).limit(1)):
            session.execute(delete_rows(table).where(is_its))
