# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows of a deployment in many states, and what they amount to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from octavia_anycast.db import heartbeat, models
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.bgp import Asn, PeeringNetwork, SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.distributor import DistributorType
from octavia_anycast.model.wire import (
    FlowRescueReport,
    GateReport,
    GateState,
    MemberCounts,
    PathCounts,
    PathReport,
    PathState,
    Probe,
    ProbeReport,
    ProbeVerdict,
    Report,
    RescueState,
    SessionReport,
)

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
VIP = ip_address("198.51.100.10")
UP, DOWN, IDLE = (
    SessionState.ESTABLISHED,
    SessionState.ACTIVE,
    SessionState.IDLE,
)
SENT, KEPT = PathState.ADVERTISED, PathState.WITHDRAWN
STATUSES = {
    "lb1": "ACTIVE",
    "lb2": "PENDING_UPDATE",
    "lb3": "PENDING_DELETE",
    "lb4": "ERROR",
}


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def distributor(session, row_id, operating_status="ONLINE"):
    session.add(
        models.Distributor(
            id=row_id,
            distributor_type=DistributorType.L3_BGP,
            provisioning_status="ACTIVE",
            operating_status=operating_status,
            is_enabled=True,
            is_default=False,
        )
    )
    session.flush()


def peer(session, row_id, name, number=1):
    session.add(
        models.Peer(
            id=row_id,
            name=name,
            peer_ip=ip_address(f"172.31.0.{number}"),
            remote_as=Asn(65001),
            hold_time=3,
            peering_network=PeeringNetwork.MANAGEMENT,
            communities=(),
            as_path_prepend=0,
        )
    )
    session.flush()


def cluster(session, load_balancer_id, desired, operating_status, **changes):
    record = ClusterRecord(
        load_balancer_id=load_balancer_id,
        project_id="project",
        distributor_id="d1",
        size=ClusterSize(desired=desired),
        provisioning_status="ACTIVE",
        operating_status=operating_status,
    )
    clusters.create(session, replace(record, **changes))


def amphora(session, amphora_id, load_balancer_id, zone, **changes):
    """An amphora that was configured long ago and is heard of."""
    record = AmphoraRecord(
        id=amphora_id,
        load_balancer_id=load_balancer_id,
        status=AmphoraStatus.ALLOCATED,
        status_since=ago(1000),
        availability_zone=zone,
        cert_expiration=NOW + timedelta(days=40),
        applied_at=ago(900),
    )
    amphorae.create(session, replace(record, **changes))


def beat(session, amphora_id, seconds=1.0):
    heartbeat.touch(session, amphora_id, ago(seconds), is_beat=True)


def report(amphora_id, sessions=(), paths=(), **changes):
    """What an agent says: of the peers p1 and p2, in this order."""
    said = Report(
        amphora_id=amphora_id,
        digest="d",
        revision="r",
        gate=GateReport(state=GateState.UP, reason="", since=ago(500)),
        speaker_is_running=True,
        frontend_is_up=True,
        sessions=tuple(
            SessionReport(
                peer_id=f"p{number}",
                peer_ip=ip_address(f"172.31.0.{number}"),
                state=state,
                since=ago(500),
            )
            for number, state in enumerate(sessions, start=1)
        ),
        paths=tuple(
            PathReport(
                vip_ip=VIP,
                nexthop_ip=ip_address("10.1.0.5"),
                peer_id=f"p{number}",
                state=state,
                reason="",
            )
            for number, state in enumerate(paths, start=1)
        ),
    )
    return replace(said, **changes)


def say(session, said, seconds=1.0):
    assert reports.save(session, said.amphora_id, said, ago(seconds))


def rescue(state, **counts):
    """Counts of a member, and of none."""
    return FlowRescueReport(
        state=state,
        own=MemberCounts(floods=counts.get("floods", 0)),
        members={"other": MemberCounts(carried=counts.get("carried", 0))},
    )


CLOSED = GateReport(
    state=GateState.DOWN,
    reason="listeners: nothing listens",
    since=ago(120),
    evidence=(
        ProbeReport(
            probe=Probe.PROCESS,
            verdict=ProbeVerdict.GOOD,
            value="",
            since=ago(500),
        ),
        ProbeReport(
            probe=Probe.LISTENERS,
            verdict=ProbeVerdict.BAD,
            value="nothing listens",
            since=ago(120),
        ),
    ),
)


def fill(session):
    """Three load balancers, a distributor's own amphora, one of each state.

    ``a5`` was lost 20 seconds ago, and its last report is a minute old.
    """
    distributor(session, "d1")
    distributor(session, "d2", "DEGRADED")
    peer(session, "p1", "leaf1", 1)
    peer(session, "p2", "", 2)
    cluster(session, "lb1", 2, "ONLINE", spare_count=1)
    cluster(session, "lb2", 3, "DEGRADED")
    cluster(session, "lb3", 4, "OFFLINE", provisioning_status="PENDING_DELETE")
    amphora(
        session,
        "a1",
        "lb1",
        "rack1",
        cert_expiration=NOW + timedelta(days=30),
    )
    amphora(session, "a2", "lb1", "rack2")
    amphora(session, "a3", "lb1", "rack1", spare_since=ago(800))
    amphora(
        session,
        "a4",
        "lb2",
        "rack1",
        drain_wanted_since=ago(60),
        draining_since=ago(59),
    )
    amphora(session, "a5", "lb2", "rack2")
    amphora(
        session,
        "a6",
        "lb2",
        "rack2",
        status=AmphoraStatus.BOOTING,
        status_since=ago(10),
        is_replacing=True,
        applied_at=None,
    )
    amphora(session, "a7", "lb2", "rack1")
    amphora(session, "a8", "lb2", None, status=AmphoraStatus.ERROR)
    amphora(session, "a9", None, "rack1", distributor_id="d1")
    amphora(session, "a10", "lb1", "rack1")
    amphorae.mark_deleted(session, "a10", NOW)
    for amphora_id in ("a1", "a2", "a3", "a4", "a7", "a9"):
        beat(session, amphora_id)
    beat(session, "a5", 20)
    _report_all(session)


def _report_all(session):
    on = rescue(RescueState.ON, carried=100, floods=5)
    unsupported = rescue(RescueState.UNSUPPORTED)
    vip = str(VIP)
    for said in (
        report(
            "a1",
            (UP, UP),
            (SENT, SENT),
            connections={vip: 3},
            flow_rescue=on,
        ),
        report(
            "a2",
            (DOWN, UP),
            (PathState.PENDING, SENT),
            flow_rescue=unsupported,
        ),
        report("a3", (UP, UP), (KEPT, KEPT)),
        report(
            "a4",
            (UP, UP),
            (PathState.DRAINING, PathState.DRAINING),
            connections={vip: 7},
        ),
        report("a7", (UP, IDLE), (KEPT, KEPT), gate=CLOSED),
        report(
            "a9",
            (UP,),
            path_counts=(PathCounts(peer_id="p1", wanted=5, advertised=4),),
        ),
    ):
        say(session, said)
    say(session, report("a5", (UP, UP), (SENT, SENT)), 60)
