# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Several next hops of one VIP over one session (ADD-PATH, RFC 7911)."""

import os
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    SessionState,
    SpeakerDriver,
)
from octavia_anycast.tests.contract.frr_peer import FrrPeer
from octavia_anycast.tests.contract.frr_peer import missing as missing_frr
from octavia_anycast.tests.contract.test_speaker import (
    V4,
    V6,
    eventually,
    holds,
    peer,
    state,
)
from octavia_anycast.tests.contract.test_speaker import (
    speakers as any_speakers,
)

A, B, C = "10.1.0.5", "10.1.0.6", "10.1.0.7"
A6, B6 = "fd00:10:1::5", "fd00:10:1::6"


def path(hop, name="p1", prefix=V4, **attributes):
    return Path(
        vip_ip=ip_address(prefix.split("/")[0]),
        nexthop_ip=ip_address(hop),
        peer_id=name,
        **attributes,
    )


def via(*hops, name="p1", prefix=V4):
    return frozenset(path(hop, name, prefix) for hop in hops)


def configure(bench, *peers):
    bench.speaker.configure(
        "10.1.0.5",
        any_speakers(*peers, driver=SpeakerDriver.BIRD),
        adds_paths=True,
    )


def has(bench, name, *hops, prefix=V4):
    return lambda: set(bench.next_hops(name, prefix)) == set(hops)


def is_told(bench, paths):
    return lambda: bench.speaker.status().paths == paths


def heard(bench, *hops):
    """When p1 has heard each of these paths, and since when it is there."""
    if bench.kind == "fake":
        return None
    found = bench.bird.paths("p1", V4)
    return bench.bird.since("p1"), [found[hop][0] for hop in hops]


@pytest.fixture
def several(several_bench):
    """p1 takes several paths of a prefix, and has the first one."""
    bench = several_bench
    bench.take_paths("p1")
    configure(bench, peer("p1"), peer("p2"))
    bench.speaker.set_paths(via(A))
    eventually(has(bench, "p1", A), "the first next hop")
    eventually(is_told(bench, via(A)), "status")
    return bench


def test_next_hops_come_and_go_one_by_one(several):
    bench = several
    before = heard(bench, A)
    bench.speaker.set_paths(via(A, B))
    eventually(has(bench, "p1", A, B), "the second one")
    bench.speaker.set_paths(via(A, B, C))
    eventually(has(bench, "p1", A, B, C), "the third one")
    eventually(is_told(bench, via(A, B, C)), "status")
    assert heard(bench, A) == before

    before = heard(bench, B, C)
    bench.speaker.set_paths(via(B, C))
    eventually(has(bench, "p1", B, C), "without the first one")
    bench.speaker.set_paths(via(A, B, C))
    eventually(has(bench, "p1", A, B, C), "the first one again")
    assert heard(bench, B, C) == before

    before = heard(bench, C)
    bench.speaker.set_paths(via(C))
    eventually(has(bench, "p1", C), "the last one")
    eventually(is_told(bench, via(C)), "status")
    assert heard(bench, C) == before


def test_one_of_them_drains(several):
    bench = several
    bench.speaker.set_paths(via(A, B))
    eventually(has(bench, "p1", A, B), "both")
    before = heard(bench, B)
    drained = {path(A, is_draining=True)} | via(B)
    for wanted, expected in ((drained, True), (via(A, B), False)):
        bench.speaker.set_paths(frozenset(wanted))
        eventually(
            lambda expected=expected: (
                (GRACEFUL_SHUTDOWN in bench.next_hops("p1", V4)[A].communities)
                is expected
            ),
            f"draining is {expected}",
        )
        hops = bench.next_hops("p1", V4)
        assert set(hops) == {A, B}
        assert GRACEFUL_SHUTDOWN not in hops[B].communities
        eventually(is_told(bench, wanted), "status")
    assert heard(bench, B) == before


def test_each_path_has_its_peers(several):
    bench = several
    bench.take_paths("p1", "p2")
    wanted = via(A, B) | via(B, C, name="p2")
    bench.speaker.set_paths(wanted)
    eventually(has(bench, "p1", A, B), "p1 has its own", 30)
    eventually(has(bench, "p2", B, C), "p2 has its own", 30)
    eventually(is_told(bench, wanted), "status")


def test_both_families(several):
    bench = several
    wanted = via(A, B) | via(A6, B6, prefix=V6)
    bench.speaker.set_paths(wanted)
    eventually(has(bench, "p1", A, B), "of IPv4")
    eventually(has(bench, "p1", A6, B6, prefix=V6), "of IPv6")


def test_a_peer_that_takes_one_path_has_one_that_does_not_drain(several):
    bench = several
    drained = path(A, "p2", is_draining=True)
    bench.speaker.set_paths(via(B, name="p2") | {drained})
    eventually(holds(bench, "p2", V4), "p2 has a path")
    eventually(is_told(bench, via(B, name="p2")), "status")
    eventually(
        lambda: str(bench.rib("p2")[V4].nexthop_ip) == B, "not the drained"
    )


def test_a_new_driver_disturbs_none_of_them(several):
    bench = several
    bench.speaker.set_paths(via(A, B, C))
    eventually(has(bench, "p1", A, B, C), "all")
    bench.speaker.set_paths(via(B, C))
    eventually(has(bench, "p1", B, C), "two")
    before = heard(bench, B, C)

    bench.replace_driver()
    configure(bench, peer("p1"), peer("p2"))
    bench.speaker.set_paths(via(B, C))

    eventually(is_told(bench, via(B, C)), "status")
    assert heard(bench, B, C) == before


def test_the_daemon_comes_back_with_all_of_them(several):
    bench = several
    bench.speaker.set_paths(via(A, B))
    eventually(has(bench, "p1", A, B), "both")
    bench.kill_daemon()
    if bench.kind != "fake":
        eventually(has(bench, "p1"), "the session is lost")
    eventually(has(bench, "p1", A, B), "both again", 20)


def test_a_next_hop_is_replaced_in_place(several):
    """The peer hears an update: not for a moment has it no path."""
    bench = several
    bench.speaker.set_paths(via(B))
    eventually(has(bench, "p1", B), "the other one")
    if bench.kind == "bird":
        names = {x.name for x in bench.home.glob("*.routes")}
        assert names == {"peer_p1_4.routes"}


def test_ten_thousand_vips_of_two_next_hops(bird_bench):
    bench = bird_bench
    bench.take_paths("p1")
    configure(bench, peer("p1"))
    vips = [
        f"10.{64 + n // 65536}.{n // 256 % 256}.{n % 256}"
        for n in range(10_000)
    ]
    first = frozenset(path(A, prefix=vip) for vip in vips)
    second = frozenset(path(B, prefix=vip) for vip in vips)
    for wanted in (first, first | second, second):
        bench.speaker.set_paths(wanted)
        count = len(wanted)
        eventually(
            lambda count=count: bench.bird.count("p1") == count,
            f"{count} paths",
            60,
        )
        eventually(is_told(bench, wanted), "status", 60)
    assert set(bench.next_hops("p1", f"{vips[-1]}/32")) == {B}


@pytest.fixture
def frr(bird_bench):
    """FRR in the place of p1."""
    if reason := missing_frr():
        if os.environ.get("CI") or os.environ.get("OA_LAB_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    bench = bird_bench
    bench.stop_peers()
    made = FrrPeer(bench.neighbour)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_a_router_forwards_to_all_of_them(bird_bench, frr):
    """What FRR's kernel has; it takes a drained path for the worst."""
    configure(bird_bench, peer("p1", hold_time=9))
    set_paths = bird_bench.speaker.set_paths
    set_paths(via(A) | via(A6, prefix=V6))
    eventually(lambda: frr.fib(V4) == {A}, "the first one", 30)
    for hops in ((A, B), (A, B, C), (B, C), (A, C)):
        set_paths(via(*hops) | via(A6, B6, prefix=V6))
        eventually(lambda hops=hops: frr.fib(V4) == set(hops), f"{hops}")
    eventually(lambda: frr.fib(V6) == {A6, B6}, "of IPv6")

    set_paths(via(C) | {path(A, is_draining=True)})
    eventually(lambda: frr.fib(V4) == {C}, "nothing new goes to a drained one")
    set_paths(via(A, C))
    eventually(lambda: frr.fib(V4) == {A, C}, "undone")
    set_paths(frozenset())
    eventually(lambda: frr.fib(V4) == set(), "none")

    assert state(bird_bench, "p1") is SessionState.ESTABLISHED
    assert frr.established_count() == 1
