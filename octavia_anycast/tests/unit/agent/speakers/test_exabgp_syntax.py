# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ExaBGP's syntax: golden file, commands, answers."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.exabgp import exabgp_syntax as syntax
from octavia_anycast.model.bgp import (
    SessionState,
)
from octavia_anycast.tests.unit.agent.states import PEER4, PEER6, speaker

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOLDEN = """
neighbor 172.31.0.11 {
    description "GENERATION";
    router-id 172.31.1.5;
    local-as 65100;
    peer-as 65001;
    connect 179;
    hold-time 3;
    # Base64: ExaBGP has no way to write an apostrophe.
    md5-password "cztle2N9ciNldA==";
    md5-base64 true;
    # RFC 5082: sent with 255, accepted down to 256 - ttl_hops.
    outgoing-ttl 255;
    incoming-ttl 255;
    adj-rib-in false;
    adj-rib-out true;
    family {
        ipv4 unicast;
        ipv6 unicast;
    }
    capability {
        asn4 enable;
        route-refresh enable;
        graceful-restart disable;
    }
    api {
        processes [ relay ];
        neighbor-changes;
        fsm;
    }
}
"""


def render(*speakers):
    return syntax.render("172.31.1.5", speakers, "/bin/relay /run/r.sock")


def path(address="198.51.100.1", next_hop="10.1.0.5", **attributes):
    return Path(
        vip_ip=ip_address(address),
        nexthop_ip=ip_address(next_hop),
        peer_id="p",
        **attributes,
    )


def test_golden_file():
    made = render(speaker(PEER4))
    expected = GOLDEN.replace("GENERATION", made.generation)
    assert expected in made.files[syntax.MAIN_FILE]
    assert "run /bin/relay /run/r.sock;" in made.files[syntax.MAIN_FILE]


def test_the_generation_names_the_content():
    one = render(speaker(PEER4))
    assert one == render(speaker(PEER4))
    other = render(speaker(replace(PEER4, password="other")))
    assert one.generation != other.generation


def test_a_peer_without_password_and_gtsm():
    text = render(speaker(PEER6)).files[syntax.MAIN_FILE]
    assert "md5" not in text
    assert "ttl" not in text


def test_ttl_hops_is_the_distance():
    text = render(speaker(replace(PEER4, ttl_hops=4))).files[syntax.MAIN_FILE]
    assert "incoming-ttl 252;" in text


def test_the_plain_announcement():
    assert syntax.announcement(path(), speaker(PEER4), PEER4) == (
        "neighbor 172.31.0.11 announce route 198.51.100.1/32 next-hop 10.1.0.5"
    )


def test_the_announcement_that_yields():
    command = syntax.announcement(
        path(is_yielding=True), speaker(PEER4), PEER4
    )
    assert command == (
        "neighbor 172.31.0.11 announce route 198.51.100.1/32 next-hop "
        "10.1.0.5 origin incomplete"
    )


def test_the_announcement_with_everything():
    draining = path("2001:db8:100::1", "fd00:10:1::5", is_draining=True)
    assert syntax.announcement(draining, speaker(PEER6), PEER6) == (
        "neighbor fd00:31::11 announce route 2001:db8:100::1/128 "
        "next-hop fd00:10:1::5 origin incomplete med 50 "
        "as-path [ 65100 65100 65100 ] "
        "community [ 65001:7 65535:0 ] large-community [ 1:2:3 ]"
    )


def test_local_pref_stays_within_the_as():
    peer = replace(PEER4, local_pref=200, as_path_prepend=3)
    outside = syntax.announcement(path(), speaker(peer), peer)
    assert "local-preference" not in outside
    assert "as-path [ 65100 65100 65100 65100 ]" in outside
    inside = syntax.announcement(path(), speaker(peer, local_as=65001), peer)
    assert "local-preference 200" in inside
    assert "as-path" not in inside


def test_sessions_are_read():
    item = {
        "fsm": "OPENCONFIRM",
        "duration": 60,
        "families": ["ipv6 unicast"],
        "peer": {"address": "172.31.0.11"},
    }
    sessions = syntax.sessions_from([json.dumps([item])], NOW)
    session = sessions[PEER4.peer_ip]
    assert session.state is SessionState.OPEN_CONFIRM
    assert session.since == NOW, "the duration is not that of this state"
    assert set(session.exported) == {6}
    assert syntax.sessions_from([], NOW) == {}


def listed(duration, now, fsm="ESTABLISHED"):
    item = {
        "fsm": fsm,
        "duration": duration,
        "families": ["ipv4 unicast"],
        "peer": {"address": str(PEER4.peer_ip)},
    }
    return syntax.sessions_from([json.dumps([item])], now)


def test_a_session_that_goes_on_has_one_beginning():
    """ExaBGP tells whole seconds: else it would seem to change each time."""
    known = listed(60, NOW)
    for tenths in range(1, 40):
        now = NOW + timedelta(milliseconds=100 * tenths)
        again = listed(60 + tenths // 10, now)
        assert syntax.with_known(again, known) == known


def event(state, known, now):
    line = {
        "type": "fsm",
        "neighbor": {
            "address": {"local": "None", "peer": str(PEER4.peer_ip)},
            "state": state,
        },
    }
    peer_ip, session = syntax.event_from(json.dumps(line), known, now)
    return {peer_ip: session}


def test_one_that_is_down_is_down_since_it_was_lost():
    """Whatever it tries meanwhile, and however long it had been up."""
    lost = NOW + timedelta(days=1)
    known = event("IDLE", listed(0, NOW), lost)
    for seconds, state in ((1, "ACTIVE"), (2, "CONNECT"), (3, "IDLE")):
        now = lost + timedelta(seconds=seconds)
        known = event(state, known, now)
        known = syntax.with_known(listed(86_400, now, state), known)
        assert known[PEER4.peer_ip].since == lost
    (back,) = event("ESTABLISHED", known, NOW + timedelta(days=2)).values()
    assert back.since == NOW + timedelta(days=2)


def test_why_it_was_lost_is_kept_while_it_tries_again():
    def down(reason, known):
        line = {
            "type": "state",
            "neighbor": {
                "address": {"local": "None", "peer": str(PEER4.peer_ip)},
                "state": "down",
                "reason": reason,
            },
        }
        return dict([syntax.event_from(json.dumps(line), known, NOW)])

    known = down("out of patience", event("IDLE", listed(9, NOW), NOW))
    known = down("closing connection", known)
    (session,) = known.values()
    assert session.error == "out of patience"
    (session,) = event("ESTABLISHED", known, NOW).values()
    assert not session.error


def test_a_loss_of_which_no_event_told_is_of_its_listing():
    now = NOW + timedelta(seconds=5)
    (session,) = syntax.with_known(
        listed(65, now, "ACTIVE"), listed(60, NOW)
    ).values()
    assert session.since == now


def test_another_session_has_another_beginning():
    known = listed(60, NOW)
    now = NOW + timedelta(seconds=5)
    for again in (listed(1, now), listed(65, now, "ACTIVE")):
        assert syntax.with_known(again, known) == again
    assert syntax.with_known(known, {}) == known


@pytest.mark.parametrize("line", ["", "{", "{}", '{"type": "state"}'])
def test_other_events_are_nothing(line):
    assert syntax.event_from(line, {}, NOW) is None


def test_events_are_changes():
    line = json.dumps(
        {
            "type": "fsm",
            "neighbor": {
                "address": {"local": "None", "peer": "172.31.0.11"},
                "state": "ESTABLISHED",
            },
        }
    )
    peer_ip, session = syntax.event_from(line, {}, NOW)
    assert session.is_established
    assert syntax.event_from(line, {peer_ip: session}, NOW) is None


def test_listings_are_read():
    assert syntax.paths_from(
        [
            "172.31.0.11 ipv4 unicast 198.51.100.1/32 next-hop 10.1.0.5",
            "fd00::1 ipv6 unicast 2001:db8:100::1/128 next-hop fd00::5",
            "",
        ]
    ) == {
        (ip_address("172.31.0.11"), "198.51.100.1/32"),
        (ip_address("fd00::1"), "2001:db8:100::1/128"),
    }
    lines = ['  description "0123456789abcdef";', "  router-id 10.1.0.5;"]
    assert syntax.generations_from(lines) == {"0123456789abcdef"}
