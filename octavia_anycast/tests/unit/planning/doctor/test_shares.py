# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor on shares: who gets no traffic, who gets too much."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.bgp import Asn, Peer
from octavia_anycast.model.wire import (
    ACCEPTED_PERIODS,
    Probe,
    ProbeReport,
    ProbeVerdict,
)
from octavia_anycast.planning.doctor.seen import Severity
from octavia_anycast.tests.unit.planning.doctor.healthy import (
    FABRIC,
    LEAF,
    LONG_AGO,
    NOW,
    accepted,
    amphora,
    found,
    machine,
    only,
    report,
    seen,
    session,
)


def serving(number, count, **of_report):
    """An amphora that accepts so many connections in each period."""
    return amphora(
        number,
        of_report={"machine": machine(accepted=accepted(count)), **of_report},
    )


def shares(*counts):
    return seen(*(serving(n, c) for n, c in enumerate(counts, 1)))


@pytest.mark.parametrize(
    "counts",
    [(100, 104, 97), (1000, 1080, 950), (20, 26, 14), (5, 9)],
)
def test_what_chance_explains_is_even(counts):
    assert found(shares(*counts)) == []


def test_chance_makes_no_findings():
    """A thousand minutes of an even hash, of little and of much traffic."""
    chance = random.Random(1)
    for flows, size in ((130, 2), (600, 4), (20_000, 8)):
        for _ in range(100):
            hits = [0] * size
            for _ in range(flows if flows < 1000 else flows // 10):
                hits[chance.randrange(size)] += 1
            what = seen(
                *(
                    amphora(
                        n,
                        of_report={
                            "machine": machine(
                                accepted={next(iter(accepted(0))): count}
                            )
                        },
                    )
                    for n, count in enumerate(hits, 1)
                )
            )
            assert found(what) == []


def test_too_few_connections_say_nothing():
    ((check, severity, summary, _),) = found(shares(3, 0, 3))
    assert (check, severity) == ("shares", Severity.UNKNOWN)
    assert "36 new connections in the last minute: too few" in summary


def test_one_that_gets_nothing_is_not_in_the_ecmp_set():
    summary, remedy = only(shares(100, 0, 100), "shares")
    assert "VIP 198.51.100.10 of load balancer lb is announced by 3" in summary
    assert "to tor1 (172.31.0.11)" in summary
    assert "no traffic comes to amp2 (next hop 10.1.0.102" in summary
    assert "while the others got 1200 connections" in summary
    assert "its next hop is not in the router's ECMP set" in summary
    assert "a route map or filter refuses it, or maximum-paths is 2" in summary
    assert "show bgp ipv4 unicast 198.51.100.10/32" in remedy
    assert "ip route show 198.51.100.10/32  # 10.1.0.102" in remedy
    assert "maximum-paths 16" in remedy
    assert "bgp bestpath as-path multipath-relax" in remedy


def test_one_that_gets_all_means_maximum_paths_1():
    summary, remedy = only(shares(0, 300, 0, 0), "shares")
    assert "only one path of 4 is used: most likely maximum-paths is 1" in (
        summary
    )
    assert "router tor1 (FRR): vtysh" in remedy


def test_shares_that_are_uneven():
    summary, remedy = only(shares(100, 20, 20, 20), "shares", Severity.WARNING)
    assert "uneven shares of 960 new connections" in summary
    assert "amp1 62%" in summary
    assert "hash is polarised" in summary
    assert "fib_multipath_hash_policy" in remedy


def test_zones_are_not_compared():
    """Users may all be where one rack is nearer."""
    other = Peer(
        id="leaf2", name="tor2", peer_ip=LEAF + 1, remote_as=Asn(65_002)
    )
    (speaker,) = FABRIC.speakers
    fabric = replace(
        FABRIC,
        speakers=(replace(speaker, peers=(*speaker.peers, other)),),
    )
    there = {
        "sessions": (session(peer_id="leaf2", peer_ip=other.peer_ip),),
        "paths": tuple(replace(p, peer_id="leaf2") for p in report(3).paths),
    }
    amphorae = (
        serving(1, 100),
        serving(2, 100),
        serving(3, 0, **there),
        serving(4, 0, **there),
    )
    rows = found(seen(*amphorae, distributors=(fabric,)))
    assert {check for check, *_ in rows if check != "shares"} <= {
        "bgp-sessions"
    }
    assert [how for check, how, *_ in rows if check == "shares"] == [
        Severity.UNKNOWN
    ]


def test_one_that_has_just_joined_is_not_compared():
    young = session(since=NOW - timedelta(seconds=30))
    what = seen(serving(1, 100), serving(2, 0, sessions=(young,)))
    assert found(what) == []


@pytest.mark.parametrize("is_gate", [True, False])
def test_one_that_had_just_joined_when_it_reported_is_not_compared(is_gate):
    then = NOW - timedelta(seconds=25)
    since = then - timedelta(seconds=60)
    changes = (
        {"gate": replace(report().gate, since=since)}
        if is_gate
        else {"sessions": (session(since=since),)}
    )
    joined = replace(serving(2, 0, **changes), reported_at=then)
    assert found(seen(serving(1, 100), joined)) == []


def test_only_periods_that_all_have_counted_are_compared():
    late = dict(list(accepted(100).items())[: ACCEPTED_PERIODS - 4])
    one = amphora(of_report={"machine": machine(accepted=late)})
    assert found(seen(one, serving(2, 100))) == []


def test_no_common_period_is_not_known():
    one = amphora(of_report={"machine": machine(accepted={"0": 500})})
    ((check, severity, summary, _),) = found(seen(one, serving(2, 100)))
    assert (check, severity) == ("shares", Severity.UNKNOWN)
    assert "do not tell how many" in summary


def test_requests_of_the_gates_spoil_the_counts():
    evidence = ProbeReport(
        probe=Probe.REQUEST,
        verdict=ProbeVerdict.GOOD,
        value="",
        since=LONG_AGO,
    )
    gate = replace(report().gate, evidence=(*report().gate.evidence, evidence))
    what = seen(serving(1, 100, gate=gate), serving(2, 0))
    ((check, severity, summary, _),) = found(what)
    assert (check, severity) == ("shares", Severity.UNKNOWN)
    assert "gate_request_path" in summary
