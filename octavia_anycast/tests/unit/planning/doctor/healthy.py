# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A healthy deployment as the doctor sees it, to plant faults in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    BfdTimers,
    Peer,
    SessionState,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import (
    ACCEPTED_PERIODS,
    ACCEPTED_SECONDS,
    Frontend,
    FrontendAddress,
    GateReport,
    GateState,
    GatewayReport,
    MachineReport,
    PathReport,
    PathState,
    Probe,
    ProbeReport,
    ProbeVerdict,
    Report,
    SessionReport,
)
from octavia_anycast.planning.doctor.checks import examine
from octavia_anycast.planning.doctor.seen import (
    Seen,
    SeenAmphora,
    SeenGroup,
    Severity,
)

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=5)
LATELY = NOW - timedelta(seconds=2)
LEAF = ip_address("172.31.0.11")
GATEWAY = ip_address("10.1.0.1")
VIPS = (ip_address("198.51.100.10"), ip_address("2001:db8:100::10"))
IMAGE = "2026-11-20T08:00:00Z"
PEER = Peer(
    id="leaf1",
    name="tor1",
    peer_ip=LEAF,
    remote_as=Asn(65_001),
    auth_type=AuthType.MD5,
    password="secret",
    ttl_hops=1,
    hold_time=3,
    bfd=BfdTimers(),
)
FABRIC = Distributor(
    id="fabric",
    name="fabric",
    is_default=True,
    speakers=(
        Speaker(
            id="speaker",
            ip_version=4,
            local_as=Asn(65_100),
            driver=SpeakerDriver.BIRD,
            peers=(PEER,),
        ),
    ),
)


def session(**changes):
    """An Established session, but for the changes."""
    made = SessionReport(
        peer_id=PEER.id,
        peer_ip=LEAF,
        state=SessionState.ESTABLISHED,
        since=LONG_AGO,
        ip_versions=(4, 6),
        bfd="Up",
    )
    return replace(made, **changes)


def accepted(count):
    """So many connections in each period."""
    end = int(NOW.timestamp()) // ACCEPTED_SECONDS
    return {
        str((end - number) * ACCEPTED_SECONDS): count
        for number in range(1, ACCEPTED_PERIODS + 1)
    }


def machine(**changes):
    """A machine without a fault."""
    made = MachineReport(
        clock=LATELY,
        image=IMAGE,
        frontend_mtu=1500,
        gateways=(
            GatewayReport(gateway=GATEWAY, answers=True, answers_full=True),
        ),
        accepted=accepted(100),
        ttl_drops=0,
    )
    return replace(made, **changes)


def next_hop(number):
    """The front-end address of an amphora."""
    return ip_address(f"10.1.0.{100 + number}")


def report(number=1, **changes):
    """The report of an amphora that announces."""
    made = Report(
        amphora_id=f"amp{number}",
        digest="d",
        revision="r",
        gate=GateReport(
            state=GateState.UP,
            reason="",
            since=LONG_AGO,
            evidence=(
                ProbeReport(
                    probe=Probe.GATEWAY,
                    verdict=ProbeVerdict.GOOD,
                    value="",
                    since=LONG_AGO,
                ),
            ),
        ),
        speaker_is_running=True,
        frontend_is_up=True,
        sessions=(session(),),
        paths=tuple(
            PathReport(
                vip_ip=vip,
                nexthop_ip=next_hop(number),
                peer_id=PEER.id,
                state=PathState.ADVERTISED,
                reason="",
            )
            for vip in VIPS
        ),
        machine=machine(),
    )
    return replace(made, **changes)


def amphora(number=1, of_report=None, of_record=None, **changes):
    """An amphora without a fault, but for the changes."""
    record = AmphoraRecord(
        id=f"amp{number}",
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=LONG_AGO,
        availability_zone="rack1",
        lb_network_ip=ip_address(f"172.31.1.{number}"),
        cert_expiration=NOW + timedelta(days=29),
        frontend=Frontend(
            mac_address="fa:16:3e:00:00:01",
            mtu=1500,
            addresses=(
                FrontendAddress(
                    ip_address=next_hop(number),
                    prefix_length=24,
                    gateway=GATEWAY,
                ),
            ),
        ),
        frontend_port_id="port",
        applied_revision="r",
        applied_at=LONG_AGO,
    )
    made = SeenAmphora(
        record=replace(record, **(of_record or {})),
        distributor_id=FABRIC.id,
        beat_at=LATELY,
        reported_at=LATELY,
        report=report(number, **(of_report or {})),
    )
    return replace(made, **changes)


def seen(*amphorae, **changes):
    """What is seen of these amphorae; of three without a fault."""
    made = Seen(
        now=NOW,
        distributors=(FABRIC,),
        amphorae=amphorae or tuple(amphora(n) for n in (1, 2, 3)),
        has_default=True,
        groups=(
            SeenGroup(
                load_balancer_id="lb",
                distributor_id=FABRIC.id,
                name="lb-lb",
                id="group",
            ),
        ),
    )
    return replace(made, **changes)


def found(what):
    """(check, severity, summary, remedy) of all that is not well."""
    return [
        (one.check, one.severity, one.summary, one.remedy)
        for one in examine(what)
        if one.severity is not Severity.OK
    ]


def only(what, check, severity=Severity.ERROR):
    """The one finding of a fault: (summary, remedy)."""
    ((name, how, summary, remedy),) = found(what)
    assert (name, how) == (check, severity), summary
    return summary, remedy
