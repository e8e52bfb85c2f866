# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses of a distributor, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import AuthType, SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Report,
    SessionReport,
)
from octavia_anycast.planning.amphora.rollout import wanted_digest
from octavia_anycast.planning.distributors import (
    ReportedAmphora,
    RolloutPatience,
    RolloutStatus,
    operating_status,
    rollout_verdict,
)
from octavia_anycast.tests.unit.planning.clusters import (
    RACKS,
    desired_cluster,
    distributor,
    with_peers,
)

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
PATIENCE = RolloutPatience(session=60, report=30)
DISTRIBUTOR = distributor(*RACKS)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def amphora(
    *,
    has_wanted=True,
    state=SessionState.ESTABLISHED,
    reported=1.0,
    **changes,
):
    record = AmphoraRecord(
        id="a1",
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=ago(1000),
        availability_zone="rack1",
        applied_at=ago(900),
    )
    record = replace(record, **changes)
    wanted = wanted_digest(DISTRIBUTOR, record)
    return ReportedAmphora(
        record=record,
        reported_at=ago(reported),
        report=Report(
            amphora_id="a1",
            digest="d",
            revision="r",
            gate=GateReport(state=GateState.UP, reason="", since=ago(900)),
            speaker_is_running=True,
            frontend_is_up=True,
            speakers_digest=wanted if has_wanted else "old",
            are_speakers_loaded=True,
            sessions=(
                SessionReport(
                    peer_id="leaf1",
                    peer_ip=ip_address("172.31.0.11"),
                    state=state,
                    since=ago(100),
                ),
            ),
        ),
    )


DOWN = SessionState.ACTIVE
CASES = {
    "nobody": ([], 0, "ACTIVE"),
    "everybody has it": ([amphora()], 0, "ACTIVE"),
    "not yet": ([amphora(has_wanted=False)], 0, "PENDING"),
    "has it, and another one not yet": (
        [amphora(), amphora(has_wanted=False)],
        50,
        "PENDING",
    ),
    "just changed, not up yet": (
        [amphora(state=DOWN, speakers_changed_at=ago(10))],
        10,
        "PENDING",
    ),
    "changed, and up again": (
        [amphora(speakers_changed_at=ago(10))],
        10,
        "ACTIVE",
    ),
    "changed, and down for too long": (
        [amphora(state=DOWN, speakers_changed_at=ago(61))],
        70,
        "ERROR",
    ),
    "down for long, but not by this": ([amphora(state=DOWN)], 70, "ACTIVE"),
    "changed long ago, gone since": (
        [amphora(state=DOWN, speakers_changed_at=ago(99), reported=31)],
        99,
        "ACTIVE",
    ),
    "no session, none wanted": (
        [amphora(speakers_changed_at=ago(99), applied_at=None, state=DOWN)],
        99,
        "ACTIVE",
    ),
    "out of reach for a moment": (
        [amphora(has_wanted=False, reported=31)],
        10,
        "PENDING",
    ),
    "out of reach for long": (
        [amphora(has_wanted=False, reported=99)],
        31,
        "ACTIVE",
    ),
    "boots": (
        [amphora(has_wanted=False, status=AmphoraStatus.BOOTING)],
        0,
        "ACTIVE",
    ),
    "leaves": ([amphora(has_wanted=False, leaving_since=NOW)], 0, "ACTIVE"),
    "keeps what it has for too long": (
        [amphora(has_wanted=False)],
        121,
        "ERROR",
    ),
    "one of many has its turn later": (
        [amphora(), amphora(), amphora(has_wanted=False)],
        121,
        "PENDING",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rollout(name):
    amphorae, waited, wanted = CASES[name]
    verdict = rollout_verdict(
        DISTRIBUTOR,
        amphorae,
        NOW,
        pending_since=ago(waited),
        patience=PATIENCE,
    )
    assert verdict.status is RolloutStatus(wanted)
    assert bool(verdict.reason) is (wanted == "ERROR")


def verdict(*amphorae, waited=70, wanted=DISTRIBUTOR):
    return rollout_verdict(
        wanted,
        amphorae,
        NOW,
        pending_since=ago(waited),
        patience=PATIENCE,
    )


def with_report(found, **changes):
    return replace(found, report=replace(found.report, **changes))


def with_error(found, error):
    (session,) = found.report.sessions
    return with_report(found, sessions=(replace(session, error=error),))


STUCK = amphora(state=DOWN, speakers_changed_at=ago(61))
SIGNED = with_peers(
    desired_cluster(distributor=DISTRIBUTOR),
    name="leaf1",
    auth_type=AuthType.MD5,
    password="x",
).distributor


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        (
            with_error(STUCK, "Received: Bad peer AS"),
            DISTRIBUTOR,
            "Amphora a1 of load balancer lb tries the changed BGP peers out: "
            "peer (172.31.0.11) is Active since 2026-11-22 20:58:20 UTC: "
            "Received: Bad peer AS. The other",
        ),
        (
            with_report(
                STUCK,
                speakers_digest=wanted_digest(SIGNED, STUCK.record),
            ),
            SIGNED,
            "peer leaf1 (172.31.0.11) is Active since 2026-11-22 20:58:20 "
            "UTC: the peer does not answer (suspected: another MD5 password).",
        ),
        (
            with_report(
                amphora(has_wanted=False),
                refusal="bird: line 3: Link-local",
                refused_digest=wanted_digest(
                    DISTRIBUTOR, amphora(has_wanted=False).record
                ),
            ),
            DISTRIBUTOR,
            "keeps the BGP peers that it had: its BGP daemon refuses the new "
            "ones: bird: line 3: Link-local",
        ),
    ],
)
def test_an_error_names_amphora_peer_cause_and_time(found, wanted, sentence):
    seen = verdict(found, wanted=wanted)
    assert seen.status is RolloutStatus.ERROR
    assert sentence in seen.reason


def announcing(found, *vips):
    return with_report(
        found,
        paths=tuple(
            PathReport(
                vip_ip=ip_address(vip),
                nexthop_ip=ip_address(vip),
                peer_id="leaf1",
                state=PathState.ADVERTISED,
                reason="",
            )
            for vip in vips
        ),
    )


def other(**changes):
    found = amphora(**changes)
    return replace(found, record=replace(found.record, id="a2"))


KEEPS = "keeps the BGP peers that it had: "


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ((), f"{KEEPS}no other amphora announces 198.51.100.10"),
        (
            (announcing(other(), "198.51.100.10"),),
            f"{KEEPS}it has not been told the new ones yet.",
        ),
        (
            (
                announcing(
                    other(state=DOWN, speakers_changed_at=ago(20)),
                    "198.51.100.10",
                ),
            ),
            f"{KEEPS}it waits for amphora a2, which tries the new ones out: "
            "peer (172.31.0.11) is Active since",
        ),
    ],
)
def test_one_that_waits_says_for_what(others, reason):
    mine = announcing(amphora(has_wanted=False), "198.51.100.10")
    seen = verdict(mine, *others, waited=1000)
    assert seen.status is RolloutStatus.ERROR
    assert reason in seen.reason
    assert ", or " not in seen.reason


@pytest.mark.parametrize(
    ("enabled", "count", "established", "status", "reason"),
    [
        (True, 0, 0, "ONLINE", ""),
        (True, 4, 4, "ONLINE", ""),
        (True, 4, 3, "DEGRADED", "3 of 4 BGP sessions are Established"),
        (True, 4, 0, "ERROR", "0 of 4 BGP sessions are Established"),
        (False, 4, 4, "OFFLINE", "disabled"),
        (False, 0, 0, "OFFLINE", "disabled"),
    ],
)
def test_operating_status(enabled, count, established, status, reason):
    found = operating_status(
        is_enabled=enabled,
        session_count=count,
        established_count=established,
    )
    assert found == (status, reason)
