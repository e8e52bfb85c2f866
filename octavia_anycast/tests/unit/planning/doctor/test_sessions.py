# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor on BGP sessions: each cause is named, with what to type."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import PeeringNetwork, SessionState
from octavia_anycast.model.wire import PathState
from octavia_anycast.planning.doctor.checks import examine
from octavia_anycast.planning.doctor.seen import Severity
from octavia_anycast.tests.unit.planning.doctor.healthy import (
    FABRIC,
    LONG_AGO,
    NOW,
    PEER,
    VIPS,
    amphora,
    found,
    machine,
    next_hop,
    only,
    report,
    seen,
    session,
)


def with_session(**changes):
    paths = tuple(
        replace(path, state=PathState.PENDING) for path in report().paths
    )
    return amphora(
        of_report={"sessions": (session(**changes),), "paths": paths}
    )


def down(state=SessionState.CONNECT, error="", ttl_drops=0):
    one = with_session(state=state, error=error, ip_versions=None, bfd=None)
    said = replace(one.report, machine=machine(ttl_drops=ttl_drops))
    return replace(one, report=said)


def with_peer(peer):
    (speaker,) = FABRIC.speakers
    version = peer.peer_ip.version
    speaker = replace(speaker, ip_version=version, peers=(peer,))
    return (replace(FABRIC, speakers=(speaker,)),)


def test_healthy_is_silent():
    assert found(seen()) == []


def test_healthy_says_how_much_it_looked_at():
    counts = {one.check: one.count for one in examine(seen())}
    assert counts["bgp-sessions"] == 3
    assert counts["default-distributor"] == 1
    assert {one.severity for one in examine(seen())} == {Severity.OK}


@pytest.mark.parametrize(
    ("error", "sentence", "command"),
    [
        (
            "peer reset, message (notification received (2,2) ) : Bad Peer AS",
            "the router refuses our AS: it expects another one than 65100 "
            "from 172.31.1.1",
            "router bgp 65001' -c 'neighbor GROUP remote-as 65100'",
        ),
        (
            "Received: Bad peer AS: 65100",
            "the router refuses our AS",
            "neighbor GROUP remote-as 65100",
        ),
        (
            "BGP Error: Bad peer AS: 65009",
            "the router is not in AS 65001",
            "openstack loadbalancer bgp peer set leaf1 --remote-as",
        ),
        (
            "ASN in OPEN (65009) did not match ASN expected (65001)",
            "the router is not in AS 65001",
            "bgp peer set leaf1 --remote-as AS-OF-THE-ROUTER --wait",
        ),
        (
            "Received: Unacceptable hold time",
            "the router refuses the hold time: the BGP peer's is 3 s",
            "neighbor GROUP timers 1 3",
        ),
        (
            "notification received (6,1) : Maximum Number of Prefixes Reached",
            "limit of prefixes",
            "clear bgp 172.31.1.1",
        ),
        (
            "Received: Administrative shutdown",
            "shut down on the router",
            "no neighbor GROUP shutdown",
        ),
        (
            "Received: Connection rejected",
            "no listen range has this address",
            "bgp listen range 172.31.1.1/32 peer-group GROUP",
        ),
        (
            "Socket: Connection refused",
            "nothing listens on 172.31.0.11 port 179",
            "ss -tln sport = :179",
        ),
        ("BFD session down", "BFD took the session down", "show bfd peers"),
        (
            "bird refuses it: line 7: syntax error",
            "the amphora's BGP daemon refuses this peer",
            "openstack loadbalancer bgp peer show leaf1",
        ),
    ],
)
def test_words_of_the_daemon_tell_the_cause(error, sentence, command):
    summary, remedy = only(seen(down(error=error)), "bgp-sessions")
    assert sentence in summary
    assert f'(its daemon says: "{error}")' in summary
    assert "amp1 in zone rack1, 172.31.1.1, with peer tor1 (172.31.0.11)" in (
        summary
    )
    assert command in remedy


@pytest.mark.parametrize(
    ("peer_ip", "family"), [("172.31.0.11", "ipv4"), ("2001:db8::11", "ipv6")]
)
def test_the_limit_of_prefixes_is_of_the_family_of_the_session(
    peer_ip, family
):
    peer = replace(PEER, peer_ip=ip_address(peer_ip))
    one = down(error="Received: Maximum number of prefixes reached")
    _, remedy = only(seen(one, distributors=with_peer(peer)), "bgp-sessions")
    assert (
        f"-c 'address-family {family} unicast' "
        "-c 'neighbor GROUP maximum-prefix 1000'"
    ) in remedy


def test_a_listen_range_is_one_address_of_the_session():
    peer = replace(PEER, peer_ip=ip_address("2001:db8::11"))
    one = down(error="Received: Connection rejected")
    source = ip_address("2001:db8::101")
    one = replace(one, record=replace(one.record, lb_network_ip=source))
    _, remedy = only(seen(one, distributors=with_peer(peer)), "bgp-sessions")
    assert "bgp listen range 2001:db8::101/128 peer-group GROUP" in remedy


def test_silence_means_the_password_first():
    summary, remedy = only(seen(down()), "bgp-sessions")
    assert "is Connect: TCP to 172.31.0.11 port 179 gets no answer" in summary
    assert "MD5 password is another one on the router" in summary
    assert "nstat -az TcpExtTCPMD5Failure" in remedy
    assert "bgp peer set leaf1 --password-prompt --wait" in remedy


def test_silence_without_a_password_means_that_the_router_wants_one():
    peer = replace(PEER, auth_type=None, password=None)
    what = seen(down(), distributors=with_peer(peer))
    summary, _ = only(what, "bgp-sessions")
    assert "the router may ask for an MD5 password" in summary


def test_dropped_segments_mean_ttl_security():
    summary, remedy = only(seen(down(ttl_drops=7)), "bgp-sessions")
    assert "TTL security (RFC 5082) does not fit" in summary
    assert "ttl_hops 1" in summary
    assert "dropped 7 segments" in summary
    assert "neighbor GROUP ttl-security hops 1" in remedy


def test_tcp_that_comes_up_and_goes_no_further_means_ttl_security():
    peer = replace(PEER, ttl_hops=None)
    what = seen(
        down(state=SessionState.OPEN_SENT), distributors=with_peer(peer)
    )
    summary, remedy = only(what, "bgp-sessions")
    assert "TTL security (RFC 5082) does not fit" in summary
    assert "has no ttl_hops" in summary
    assert "no neighbor GROUP ttl-security hops 1" in remedy


def test_a_hold_timer_of_one_amphora_is_not_ttl_security():
    what = seen(down(error="Hold timer expired"), amphora(2))
    summary, _ = only(what, "bgp-sessions")
    assert "large packets may get lost" in summary


def test_a_young_amphora_is_left_alone():
    young = {"status_since": NOW - timedelta(seconds=20)}
    one = down()
    one = replace(one, record=replace(one.record, **young))
    assert found(seen(one)) == []


def test_a_peer_of_another_zone_is_no_fault():
    peer = replace(PEER, availability_zone="rack2")
    one = amphora(of_report={"sessions": (), "paths": ()})
    assert found(seen(one, distributors=with_peer(peer))) == []


def test_a_session_that_is_not_told_is_not_known():
    one = amphora(of_report={"sessions": ()})
    ((check, severity, summary, _),) = found(seen(one))
    assert (check, severity) == ("bgp-sessions", Severity.UNKNOWN)
    assert "does not say it of its session with tor1" in summary


def test_bfd_that_is_not_negotiated():
    summary, remedy = only(
        seen(amphora(of_report={"sessions": (session(bfd="Down"),)})), "bfd"
    )
    assert "BFD of amphora amp1 in zone rack1, 172.31.1.1" in summary
    assert "Only the hold time (3 s) tells of a loss" in summary
    assert "neighbor GROUP bfd profile amphora" in remedy
    assert "--dst-port 3784 --remote-ip 172.31.0.11" in remedy


def test_bfd_over_the_front_end_names_the_other_group():
    peer = replace(PEER, peering_network=PeeringNetwork.FRONTEND)
    one = amphora(of_report={"sessions": (session(bfd="Init"),)})
    summary, _ = only(seen(one, distributors=with_peer(peer)), "bfd")
    assert "frontend_security_groups" in summary
    assert str(next_hop(1)) in summary


@pytest.mark.parametrize(
    "changes", [{"bfd": "Down", "since": NOW}, {"bfd": "Up"}]
)
def test_bfd_is_given_its_time(changes):
    assert (
        found(seen(amphora(of_report={"sessions": (session(**changes),)})))
        == []
    )


def test_bfd_is_given_its_time_before_the_report():
    """What is told was so then, however long ago that is."""
    then = NOW - timedelta(seconds=50)
    young = session(bfd="Down", since=then - timedelta(seconds=5))
    one = amphora(of_report={"sessions": (young,)}, reported_at=then)
    one = replace(one, report=replace(one.report, machine=machine(clock=then)))
    assert found(seen(one)) == []


def test_bfd_of_an_older_agent_is_not_known():
    one = amphora(of_report={"sessions": (session(bfd=None),)})
    ((check, severity, _, _),) = found(seen(one))
    assert (check, severity) == ("bfd", Severity.UNKNOWN)


def test_a_family_that_is_not_activated():
    summary, remedy = only(
        seen(with_session(ip_versions=(4,))), "address-families"
    )
    assert "does not carry IPv6, so VIP 2001:db8:100::10" in summary
    assert (
        "address-family ipv6 unicast' -c 'neighbor GROUP activate'" in remedy
    )


def test_a_path_that_is_not_sent_yet_is_no_fault():
    assert found(seen(with_session())) == []


def test_families_of_an_older_agent_are_not_known():
    ((check, severity, _, _),) = found(seen(with_session(ip_versions=None)))
    assert (check, severity) == ("address-families", Severity.UNKNOWN)


def test_no_vip_no_family():
    one = with_session(ip_versions=(4,))
    paths = tuple(p for p in one.report.paths if p.vip_ip == VIPS[0])
    said = replace(one.report, paths=paths)
    assert found(seen(replace(one, report=said))) == []


def test_nothing_is_said_of_old_reports_but_that_they_are_old():
    one = replace(down(), reported_at=LONG_AGO)
    ((check, _, summary, _),) = found(seen(one))
    assert check == "agents"
    assert "did not answer for 5 hours" in summary
