# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows for lists to be long: written straight into the tables.

What a thousand distributors' creation costs is another question. Nothing
acts on them: the controller is stopped meanwhile.
"""

import contextlib
import datetime
import ipaddress
from collections.abc import Iterator

import sqlalchemy
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.engine import Database
from octavia_anycast.model import bgp, wire
from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import database

COUNT = 1000
AMPHORAE = 250
_NAME = "bench-row"
_SPEAKER_AS = 65100
_PROFILE_DATA = '{"cluster_size": 2}'
# An id that tells where it comes from, and is one.
_LOAD_BALANCER = "00000000-bbbb-4000-8000-000000000000"


@contextlib.contextmanager
def filled(plane: deployment.Deployment) -> Iterator[str]:
    """A thousand more distributors, and one with a thousand paths: its id.

    And as many flavor profiles of Octavia's, the peer.
    """
    own = Database(plane.connection("octavia"))
    try:
        with own.transaction() as session:
            busy = _fill(session)
        _fill_profiles(plane)
        yield busy
    finally:
        with own.transaction() as session:
            _empty(session)
        _empty_profiles(plane)


def _fill(session: Session) -> str:
    peers = [_peer(index) for index in (1, 2)]
    session.add_all(peers)
    session.flush()
    made = [_distributor(number, peers) for number in range(COUNT)]
    session.add_all(made)
    session.flush()
    busy = made[0]
    now = datetime.datetime.now(datetime.UTC)
    for number in range(AMPHORAE):
        amphora_id = models.new_id()
        session.add(_amphora(amphora_id, now))
        session.add(
            models.AmphoraRegistration(
                amphora_id=amphora_id,
                load_balancer_id=_LOAD_BALANCER,
                distributor_id=busy.id,
            )
        )
        session.flush()
        report = _report(amphora_id, number, peers, now)
        reports.save(session, amphora_id, report, now)
    return str(busy.id)


def _peer(index: int) -> models.Peer:
    return models.Peer(
        id=models.new_id(),
        name=f"{_NAME}-{index}",
        peer_ip=ipaddress.ip_address(f"172.31.0.{90 + index}"),
        remote_as=65090 + index,
        hold_time=90,
        peering_network="management",
        communities=(),
        as_path_prepend=0,
    )


def _distributor(number: int, peers: list[models.Peer]) -> models.Distributor:
    speaker = models.Speaker(
        ip_version=4,
        local_as=_SPEAKER_AS,
        driver="exabgp",
        registrations=[
            models.PeerRegistration(peer_id=peer.id, position=position)
            for position, peer in enumerate(peers)
        ],
    )
    return models.Distributor(
        name=f"{_NAME}-{number:04}",
        distributor_type="L3_BGP",
        provisioning_status="ACTIVE",
        operating_status="ONLINE",
        is_enabled=True,
        speakers=[speaker],
    )


def _amphora(amphora_id: str, now: datetime.datetime) -> models.Amphora:
    return models.Amphora(
        id=amphora_id,
        load_balancer_id=_LOAD_BALANCER,
        service_type="loadbalancer",
        status="ALLOCATED",
        status_since=now,
        generation=0,
        member_network_ids=(),
        applied_revision="",
        reason="",
    )


def _report(
    amphora_id: str,
    number: int,
    peers: list[models.Peer],
    now: datetime.datetime,
) -> wire.Report:
    hop = ipaddress.ip_address("10.1.0.0") + number + 1
    vips = [ipaddress.ip_address(f"198.51.100.{last}") for last in (10, 11)]
    return wire.Report(
        amphora_id=amphora_id,
        digest="",
        revision="",
        gate=wire.GateReport(state=wire.GateState.UP, reason="", since=now),
        speaker_is_running=True,
        frontend_is_up=True,
        sessions=tuple(
            wire.SessionReport(
                peer_id=peer.id,
                peer_ip=peer.peer_ip,
                state=bgp.SessionState.ESTABLISHED,
                since=now,
            )
            for peer in peers
        ),
        paths=tuple(
            wire.PathReport(
                vip_ip=vip,
                nexthop_ip=hop,
                peer_id=peer.id,
                state=wire.PathState.ADVERTISED,
                reason="",
            )
            for vip in vips
            for peer in peers
        ),
    )


def _empty(session: Session) -> None:
    """Take all of them away, children first."""
    named = models.Distributor.name.startswith(f"{_NAME}-")
    own = sqlalchemy.select(models.Distributor.id).where(named)
    speakers = sqlalchemy.select(models.Speaker.id).where(
        models.Speaker.distributor_id.in_(own)
    )
    amphorae = sqlalchemy.select(models.Amphora.id).where(
        models.Amphora.load_balancer_id == _LOAD_BALANCER
    )
    for table, condition in (
        (
            models.AmphoraReport,
            models.AmphoraReport.amphora_id.in_(amphorae),
        ),
        (
            models.AmphoraRegistration,
            models.AmphoraRegistration.load_balancer_id == _LOAD_BALANCER,
        ),
        (
            models.Amphora,
            models.Amphora.load_balancer_id == _LOAD_BALANCER,
        ),
        (
            models.PeerRegistration,
            models.PeerRegistration.speaker_id.in_(speakers),
        ),
        (models.Speaker, models.Speaker.distributor_id.in_(own)),
        (models.Distributor, named),
        (models.Peer, models.Peer.name.startswith(f"{_NAME}-")),
    ):
        session.execute(
            sqlalchemy.delete(table)
            .where(condition)
            .execution_options(synchronize_session=False)
        )


def _fill_profiles(plane: deployment.Deployment) -> None:
    rows = ", ".join(
        f"('{models.new_id()}', '{_NAME}-{number:04}', 'anycast', "
        f"'{_PROFILE_DATA}')"
        for number in range(COUNT)
    )
    database.query(
        plane,
        "octavia",
        "INSERT INTO flavor_profile (id, name, provider_name, flavor_data) "
        f"VALUES {rows}",
    )


def _empty_profiles(plane: deployment.Deployment) -> None:
    database.query(
        plane,
        "octavia",
        f"DELETE FROM flavor_profile WHERE name LIKE '{_NAME}-%'",
    )
