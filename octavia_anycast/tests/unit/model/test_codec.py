# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Documents of the agent contract: round trip and refusal."""

import copy
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.bgp import AuthType, Peer, SessionState, Speaker
from octavia_anycast.model.codec import (
    desired_state_from,
    digest,
    report_from,
    speakers_digest,
    to_document,
    to_text,
)
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescue,
    FlowRescueReport,
    Frontend,
    FrontendAddress,
    GateReport,
    GateState,
    Intent,
    ListenerSocket,
    LvsReport,
    MachineReport,
    Member,
    MemberCounts,
    MetricsMember,
    PathReport,
    PathState,
    Report,
    RescueState,
    SessionReport,
    TenantMetrics,
    VipState,
)

VIP = ip_address("198.51.100.10")
HOP = ip_address("10.1.0.20")
STATE = DesiredState(
    amphora_id="a1",
    revision="r1",
    router_id="10.0.0.1",
    load_balancer_id="lb",
    speakers=(
        Speaker(
            id="s1",
            ip_version=4,
            local_as=65100,
            peers=(
                Peer(
                    id="p1",
                    peer_ip=ip_address("172.31.0.11"),
                    remote_as=65001,
                    auth_type=AuthType.MD5,
                    password="tops3cret",
                    ttl_hops=1,
                    hold_time=3,
                    communities=("65001:100",),
                ),
            ),
        ),
    ),
    vips=(
        VipState(
            vip_ip=VIP,
            nexthop_ip=HOP,
            load_balancer_id="lb",
            intent=Intent.ADVERTISE,
        ),
    ),
    frontend=Frontend(
        mac_address="fa:16:3e:00:00:01",
        mtu=1500,
        addresses=(
            FrontendAddress(
                ip_address=HOP,
                prefix_length=24,
                gateway=ip_address("10.1.0.1"),
            ),
        ),
    ),
    listeners=(ListenerSocket(listener_id="l1", ip_address=VIP, port=80),),
    lvs_listener_ids=("l2",),
)
REPORT = Report(
    amphora_id="a1",
    digest="d",
    revision="r1",
    gate=GateReport(
        state=GateState.UP,
        reason="all well",
        since=datetime(2026, 1, 1, tzinfo=UTC),
    ),
    speaker_is_running=True,
    frontend_is_up=True,
    sessions=(
        SessionReport(
            peer_id="p1",
            peer_ip=ip_address("172.31.0.11"),
            state=SessionState.ESTABLISHED,
            since=None,
        ),
    ),
    paths=(
        PathReport(
            vip_ip=VIP,
            nexthop_ip=HOP,
            peer_id="p1",
            state=PathState.ADVERTISED,
            reason="",
        ),
    ),
    connections={"198.51.100.10": 3},
    lvs=LvsReport(associations=2, quiet_seconds=1.5),
    machine=MachineReport(
        clock=datetime(2026, 11, 30, tzinfo=UTC),
        image="2026-11-20T08:00:00Z",
        frontend_mtu=1500,
        accepted={"1796040000": 12},
        ttl_drops=0,
    ),
)


def test_desired_state_survives_the_round_trip():
    assert desired_state_from(to_document(STATE)) == STATE


def test_report_survives_the_round_trip():
    assert report_from(to_document(REPORT)) == REPORT


METRICS = TenantMetrics(
    members=(
        MetricsMember(
            id="11111111-1111-4111-8111-111111111111",
            zone='a "zone"',
            addresses=(HOP, ip_address("fd00:10:1::20")),
        ),
    ),
    authority="-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
)


def test_tenant_metrics_survive_the_round_trip():
    told = replace(STATE, tenant_metrics=METRICS)
    assert desired_state_from(to_document(told)) == told
    assert digest(told) != digest(STATE)
    assert "tenant_metrics" not in to_document(STATE)
    knows = replace(REPORT, knows_tenant_metrics=True)
    assert report_from(to_document(knows)) == knows
    assert "knows_tenant_metrics" not in to_document(REPORT)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"authority": "no certificate"}, "tenant_metrics.authority"),
        ({"authority": METRICS.authority * 9_999}, "tenant_metrics.authority"),
        ({"members": METRICS.members * 2}, "tenant_metrics.members"),
    ],
)
def test_tenant_metrics_are_checked(change, field):
    document = to_document(replace(STATE, tenant_metrics=METRICS))
    document["tenant_metrics"] |= {
        name: to_document(value) for name, value in change.items()
    }
    with pytest.raises(InvalidRequest) as refusal:
        desired_state_from(document)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "no id"}, "id"),
        ({"zone": "z" * 256}, "zone"),
        ({"addresses": []}, "addresses"),
    ],
)
def test_members_of_tenant_metrics_are_checked(change, field):
    document = to_document(replace(STATE, tenant_metrics=METRICS))
    document["tenant_metrics"]["members"][0] |= change
    with pytest.raises(InvalidRequest) as refusal:
        desired_state_from(document)
    assert refusal.value.field == f"tenant_metrics.members[0].{field}"


def test_tenant_metrics_go_with_a_front_end():
    with pytest.raises(InvalidRequest, match="front end"):
        replace(STATE, tenant_metrics=METRICS, frontend=None)


def test_digest_names_the_content():
    same = desired_state_from(to_document(STATE))
    assert digest(same) == digest(STATE)
    assert digest(replace(STATE, revision="r2")) != digest(STATE)


def many(*vips):
    return DesiredState(
        amphora_id="a1",
        revision="r1",
        router_id="10.0.0.1",
        vips=vips,
        is_distributor=True,
    )


TEXTS = st.none() | st.text(max_size=4)
VIPS = st.builds(
    VipState,
    vip_ip=st.integers(0, 2**32 - 1).map(IPv4Address),
    nexthop_ip=st.integers(0, 3).map(IPv4Address),
    load_balancer_id=TEXTS,
    intent=st.sampled_from(Intent),
    peer_ids=st.none() | st.lists(st.text(max_size=4), max_size=2).map(tuple),
    amphora_id=TEXTS,
) | st.builds(
    VipState,
    vip_ip=st.integers(0, 2**128 - 1).map(IPv6Address),
    nexthop_ip=st.integers(0, 3).map(IPv6Address),
    load_balancer_id=TEXTS,
    intent=st.sampled_from(Intent),
)


@given(st.lists(VIPS, max_size=8, unique_by=lambda vip: vip.vip_ip))
def test_the_text_is_that_of_the_document(vips):
    """Both ends make it in their own way, and compare its digest."""
    state = many(*vips)
    document = to_document(state)
    assert to_text(state) == json.dumps(document, sort_keys=True)
    for name in ("speakers", "driver", "keeps_speakers", "kept_peer_ids"):
        del document[name]
    text = json.dumps(document, sort_keys=True)
    assert digest(state) == hashlib.sha256(text.encode()).hexdigest()


def test_the_text_of_a_whole_state():
    for state in (STATE, replace(STATE, tenant_metrics=METRICS)):
        text = to_text(state)
        assert text == json.dumps(to_document(state), sort_keys=True)
        assert desired_state_from(json.loads(text)) == state


def test_a_state_with_other_vips_has_another_text():
    first = many(*STATE.vips)
    drained = many(replace(STATE.vips[0], intent=Intent.DRAIN))
    assert to_text(first) != to_text(drained)
    assert digest(first) == digest(many(*STATE.vips)) != digest(drained)


def test_speakers_have_a_digest_of_their_own():
    document = to_document(STATE)
    document["speakers"][0]["peers"][0]["password"] = "other"
    changed = desired_state_from(document)
    assert digest(changed) == digest(STATE)
    assert speakers_digest(changed.speakers) != speakers_digest(STATE.speakers)


def test_speakers_are_kept_or_given():
    document = to_document(STATE) | {"keeps_speakers": True}
    with pytest.raises(InvalidRequest) as caught:
        desired_state_from(document)
    assert caught.value.field == "keeps_speakers"
    kept = desired_state_from(document | {"speakers": []})
    assert digest(kept) == digest(STATE)


def assign(document, path, value):
    """Set a value deep inside a document."""
    *parents, last = path
    for step in parents:
        document = document[step]
    document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["surprise"], 1, "surprise"),
        (["version"], "2.0", "version"),
        (["amphora_id"], 7, "amphora_id"),
        (["vips"], {}, "vips"),
        (["vips", 0, "vip_ip"], "nonsense", "vips[0].vip_ip"),
        (["vips", 0, "vip_ip"], 3325256714, "vips[0].vip_ip"),
        (["vips", 0, "nexthop_ip"], "fd00::1", "vips[0].nexthop_ip"),
        (["vips", 0, "intent"], "shout", "vips[0].intent"),
        (["speakers", 0, "local_as"], 0, "speakers[0].local_as"),
        (["speakers", 0, "local_as"], True, "speakers[0].local_as"),
        (
            ["speakers", 0, "peers", 0, "hold_time"],
            2,
            "speakers[0].peers[0].hold_time",
        ),
        (
            ["speakers", 0, "peers", 0, "x"],
            2,
            "speakers[0].peers[0].x",
        ),
        (["frontend", "mac_address"], "FA:16", "frontend.mac_address"),
        (["frontend", "mtu"], 100, "frontend.mtu"),
        (
            ["frontend", "addresses", 0, "prefix_length"],
            33,
            "frontend.addresses[0].prefix_length",
        ),
        (["gate", "interval_ms"], 1, "gate.interval_ms"),
        (["listeners", 0, "port"], 0, "listeners[0].port"),
        (["frontend"], [], "frontend"),
    ],
)
def test_bad_document_is_refused_by_the_path_of_its_field(path, value, field):
    document = copy.deepcopy(to_document(STATE))
    assign(document, path, value)
    with pytest.raises(InvalidRequest) as caught:
        desired_state_from(document)
    assert caught.value.field == field


def test_a_document_from_before_lvs_listeners_is_read():
    for read, sent in (
        (desired_state_from, STATE),
        (report_from, replace(REPORT, lvs_listener_ids=("l2",))),
    ):
        document = to_document(sent)
        assert document.pop("lvs_listener_ids") == ["l2"]
        assert read(document) == replace(sent, lvs_listener_ids=())


@pytest.mark.parametrize("name", ["amphora_id", "revision", "router_id"])
def test_missing_key_is_named(name):
    document = to_document(STATE)
    del document[name]
    with pytest.raises(InvalidRequest) as caught:
        desired_state_from(document)
    assert caught.value.field == name


def test_the_same_vip_twice_is_refused():
    document = to_document(STATE)
    document["vips"] *= 2
    with pytest.raises(InvalidRequest, match="once"):
        desired_state_from(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted(to_document(STATE)))


@given(key=KEYS, value=JSON)
def test_any_value_anywhere_is_taken_or_refused_but_never_breaks(key, value):
    document = to_document(STATE)
    document[key] = value
    try:
        state = desired_state_from(document)
    except InvalidRequest as e:
        refused = e.field
    else:
        refused = ""
        assert to_document(state)[key] == value or key == "gate"
    assert refused or state


def test_report_date_without_zone_is_refused():
    document = to_document(REPORT)
    document["gate"]["since"] = "2026-01-01T00:00:00"
    with pytest.raises(InvalidRequest) as caught:
        report_from(document)
    assert caught.value.field == "gate.since"


def test_draining_counts_as_announcing_and_pending_does_not():
    for state, expected in (
        (PathState.ADVERTISED, True),
        (PathState.DRAINING, True),
        (PathState.PENDING, False),
        (PathState.WITHDRAWN, False),
    ):
        path = replace(REPORT.paths[0], state=state)
        assert replace(REPORT, paths=(path,)).is_announcing(VIP) is expected


RESCUE = FlowRescue(
    members=(
        Member(
            id="6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            addresses=(ip_address("10.1.0.21"), ip_address("fd00::21")),
        ),
    ),
    secrets=("0123456789abcdef0123",),
)


def test_flow_rescue_round_trips():
    state = replace(STATE, flow_rescue=RESCUE)
    assert desired_state_from(to_document(state)) == state
    report = replace(
        REPORT,
        flow_rescue=FlowRescueReport(
            state=RescueState.ON,
            learned=3,
            members={RESCUE.members[0].id: MemberCounts(carried=7)},
        ),
    )
    assert report_from(to_document(report)) == report


def test_an_older_release_meets_no_field_that_it_does_not_know():
    """And the digest of a state without it is the one that it computes."""
    assert "flow_rescue" not in to_document(STATE)
    assert "flow_rescue" not in to_document(REPORT)
    document = {
        name: value
        for name, value in to_document(STATE).items()
        if name
        not in ("speakers", "driver", "keeps_speakers", "kept_peer_ids")
    }
    text = json.dumps(document, sort_keys=True)
    assert digest(STATE) == hashlib.sha256(text.encode()).hexdigest()
    assert digest(replace(STATE, flow_rescue=RESCUE)) != digest(STATE)


def test_a_secret_of_flow_rescue_is_in_no_complaint():
    document = to_document(replace(STATE, flow_rescue=RESCUE))
    for secrets in (["tops3cret"], "tops3cret", [{"tops3cret": 1}]):
        document["flow_rescue"]["secrets"] = secrets
        with pytest.raises(InvalidRequest) as caught:
            desired_state_from(document)
        assert caught.value.field.startswith("flow_rescue.secrets")
        assert "tops3cret" not in str(caught.value)
