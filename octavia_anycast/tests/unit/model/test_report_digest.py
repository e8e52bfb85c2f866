# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What changes the digest of a report, and what does not."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import SessionState, SpeakerDriver
from octavia_anycast.model.codec import report_digest, report_from, to_document
from octavia_anycast.model.wire import (
    CpuTime,
    FlowRescueReport,
    GateReport,
    GateState,
    GatewayReport,
    ListenerSocket,
    LvsReport,
    MachineReport,
    MemberCounts,
    PathCounts,
    PathReport,
    PathState,
    Report,
    RescueState,
    SessionReport,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VIP, HOP = ip_address("198.51.100.1"), ip_address("10.1.0.1")
GATE = GateReport(state=GateState.UP, reason="", since=NOW)
SESSION = SessionReport(
    peer_id="p", peer_ip=HOP, state=SessionState.ESTABLISHED, since=NOW
)
PATH = PathReport(
    vip_ip=VIP,
    nexthop_ip=HOP,
    peer_id="p",
    state=PathState.ADVERTISED,
    reason="",
)
MACHINE = MachineReport(clock=NOW, image="i", accepted={"1": 2}, ttl_drops=0)
RESCUE = FlowRescueReport(
    state=RescueState.ON, members={"m": MemberCounts(carried=1)}
)
REPORT = Report(
    amphora_id="a",
    digest="d",
    revision="r",
    gate=GATE,
    speaker_is_running=True,
    frontend_is_up=True,
    sessions=(SESSION,),
    paths=(PATH,),
    connections={str(VIP): 1},
    flow_rescue=RESCUE,
    lvs=LvsReport(associations=1, quiet_seconds=2.0),
    machine=MACHINE,
)
COUNTED = [
    {"connections": {str(VIP): 2}},
    {"cpu": CpuTime(busy_seconds=1.0, total_seconds=2.0)},
    {"machine": replace(MACHINE, clock=NOW + timedelta(seconds=1))},
    {"machine": replace(MACHINE, accepted={"2": 2}, ttl_drops=1)},
    {"lvs": LvsReport(associations=2, quiet_seconds=0.0)},
    {
        "flow_rescue": replace(
            RESCUE,
            learned=1,
            own=MemberCounts(floods=1),
            members={"m": MemberCounts(carried=2)},
        )
    },
    {"report_digest": "itself"},
]
SAID = [
    {"amphora_id": "b"},
    {"digest": "e"},
    {"revision": "s"},
    {"gate": replace(GATE, state=GateState.DOWN)},
    {"gate": replace(GATE, reason="HAProxy is dead")},
    {"gate": replace(GATE, since=NOW + timedelta(seconds=1))},
    {"speaker_is_running": False},
    {"frontend_is_up": False},
    {"listeners": (ListenerSocket(listener_id="l", ip_address=VIP, port=1),)},
    {"lvs_listener_ids": ("l",)},
    {"sessions": (replace(SESSION, state=SessionState.IDLE),)},
    {"sessions": (replace(SESSION, since=NOW + timedelta(seconds=1)),)},
    {"sessions": (replace(SESSION, bfd="Down"),)},
    {"paths": ()},
    {"paths": (replace(PATH, state=PathState.PENDING),)},
    {"speakers_digest": "s"},
    {"are_speakers_loaded": True},
    {"peer_digests": {"p": "x"}},
    {"driver": SpeakerDriver.BIRD},
    {"refusal": "no"},
    {"refused_digest": "x"},
    {"path_counts": (PathCounts(peer_id="p", wanted=1, advertised=0),)},
    {"flow_rescue": replace(RESCUE, state=RescueState.FAILED)},
    {"flow_rescue": replace(RESCUE, members={})},
    {"flow_rescue": None},
    {"lvs": LvsReport(lack="no ip_vs")},
    {"machine": replace(MACHINE, image="j")},
    {"machine": replace(MACHINE, frontend_mtu=1400)},
    {
        "machine": replace(
            MACHINE,
            gateways=(
                GatewayReport(gateway=HOP, answers=True, answers_full=False),
            ),
        )
    },
    {"knows_tenant_metrics": True},
]


@pytest.mark.parametrize("change", COUNTED, ids=str)
def test_what_is_counted_does_not_change_it(change):
    assert report_digest(replace(REPORT, **change)) == report_digest(REPORT)


@pytest.mark.parametrize("change", SAID, ids=str)
def test_what_is_said_changes_it(change):
    assert report_digest(replace(REPORT, **change)) != report_digest(REPORT)


def test_each_field_is_one_or_the_other():
    """A new field of the report belongs into one of the lists above."""
    named = {name for change in (*COUNTED, *SAID) for name in change}
    assert named | {"version"} == {f.name for f in fields(Report)}


def test_members_are_in_no_order():
    one, two = MemberCounts(carried=1), MemberCounts(carried=2)
    forth = replace(RESCUE, members={"m": one, "n": two})
    back = replace(RESCUE, members={"n": two, "m": one})
    assert report_digest(replace(REPORT, flow_rescue=forth)) == report_digest(
        replace(REPORT, flow_rescue=back)
    )


def test_a_report_bears_it_only_if_there_is_one():
    """An older controller refuses what it does not know."""
    assert "report_digest" not in to_document(REPORT)
    bearing = replace(REPORT, report_digest=report_digest(REPORT))
    assert report_from(to_document(bearing)) == bearing
