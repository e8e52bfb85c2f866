# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows of amphorae that serve, and of one that announces them as well."""

from datetime import UTC, datetime
from ipaddress import ip_address

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.registration import registrations
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ServiceType,
)
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathCounts,
    PathReport,
    PathState,
    Report,
)

FIRST, SECOND = (
    f"7d3c9a52-0000-4000-8000-00000000000{number}" for number in (1, 2)
)
ANNOUNCER = "7d3c9a52-0000-4000-8000-000000000009"
NEXT_HOPS = {FIRST: "10.1.0.1", SECOND: "10.1.0.2"}


def serve(api, balancer, amphora_id, gate=GateState.UP, announces=True):
    """An amphora that was told to announce, and what it said of it."""
    now = datetime.now(UTC)
    vip = ip_address(balancer["vip_address"])
    next_hop = ip_address(NEXT_HOPS[amphora_id])
    with api.database.transaction() as session:
        if amphorae.get(session, amphora_id) is None:
            amphorae.create(
                session,
                AmphoraRecord(
                    id=amphora_id,
                    load_balancer_id=balancer["id"],
                    status=AmphoraStatus.ALLOCATED,
                    status_since=now,
                ),
            )
        registrations.replace_vips(
            session,
            amphora_id,
            [
                AnnouncedVip(
                    vip_ip=vip,
                    nexthop_ip=next_hop,
                    load_balancer_id=balancer["id"],
                )
            ],
        )
        said = Report(
            amphora_id=amphora_id,
            digest="",
            revision="r1",
            gate=GateReport(state=gate, reason="because", since=now),
            speaker_is_running=True,
            frontend_is_up=True,
            paths=(
                PathReport(
                    vip_ip=vip,
                    nexthop_ip=next_hop,
                    peer_id="p",
                    state=PathState.ADVERTISED
                    if announces
                    else PathState.PENDING,
                    reason="",
                ),
            ),
        )
        reports.save(session, amphora_id, said, now)
        heartbeat.touch(session, amphora_id, now)


def announce(api, made, balancer, *amphora_ids):
    """An amphora of the distributor's own that confirmed these paths."""
    now = datetime.now(UTC)
    peer_id = made["speakers"][0]["peers"][0]["id"]
    count = len(amphora_ids)
    with api.database.transaction() as session:
        if amphorae.get(session, ANNOUNCER) is None:
            amphorae.create(
                session,
                AmphoraRecord(
                    id=ANNOUNCER,
                    load_balancer_id=None,
                    distributor_id=made["id"],
                    service_type=ServiceType.DISTRIBUTOR,
                    status=AmphoraStatus.ALLOCATED,
                    status_since=now,
                ),
            )
        registrations.replace_vips(
            session,
            ANNOUNCER,
            [
                AnnouncedVip(
                    vip_ip=ip_address(balancer["vip_address"]),
                    nexthop_ip=ip_address(NEXT_HOPS[amphora_id]),
                    load_balancer_id=balancer["id"],
                )
                for amphora_id in amphora_ids
            ],
        )
        said = Report(
            amphora_id=ANNOUNCER,
            digest="",
            revision="1",
            gate=GateReport(state=GateState.UP, reason="", since=now),
            speaker_is_running=True,
            frontend_is_up=False,
            path_counts=(
                PathCounts(peer_id=peer_id, wanted=count, advertised=count),
            ),
        )
        reports.save(session, ANNOUNCER, said, now)
