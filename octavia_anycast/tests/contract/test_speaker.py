# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What every speaker driver does, seen from its peers' RIBs."""

import subprocess
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    AuthType,
    Peer,
    SessionState,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.planning.doctor.causes import Ended, cause_of
from octavia_anycast.tests.contract.bird_peer import ADDRESSES, SPEAKER_AS, ip

V4, V6 = "198.51.100.1/32", "2001:db8:100::1/128"
NEXT_HOPS = {4: "10.1.0.5", 6: "fd00:10:1::5"}


def peer(name, **attributes):
    address, remote_as = ADDRESSES[name]
    return Peer(
        id=name,
        peer_ip=ip_address(address),
        remote_as=remote_as,
        **{"hold_time": 3, **attributes},
    )


def speakers(*peers, driver=SpeakerDriver.EXABGP):
    return tuple(
        Speaker(
            id=one.id,
            ip_version=one.peer_ip.version,
            local_as=SPEAKER_AS,
            driver=driver,
            peers=(one,),
        )
        for one in peers
    )


def paths(*names, prefixes=(V4,), **attributes):
    found = set()
    for prefix in prefixes:
        vip = ip_address(prefix.split("/")[0])
        for name in names:
            found.add(
                Path(
                    vip_ip=vip,
                    nexthop_ip=ip_address(NEXT_HOPS[vip.version]),
                    peer_id=name,
                    **attributes,
                )
            )
    return frozenset(found)


def eventually(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def holds(bench, name, *prefixes):
    return lambda: set(bench.rib(name)) == set(prefixes)


def state(bench, name):
    return {s.peer_id: s.state for s in bench.speaker.status().sessions}.get(
        name
    )


@pytest.fixture
def announcing(bench):
    """Both peers hold the IPv4 prefix, and the driver says so."""
    bench.speaker.configure("10.1.0.5", speakers(peer("p1"), peer("p2")))
    bench.speaker.set_paths(paths("p1", "p2"))
    for name in ("p1", "p2"):
        eventually(holds(bench, name, V4), f"{name} holds {V4}")
    # A driver that asks its daemon now and then knows it a moment later.
    eventually(
        lambda: bench.speaker.status().paths == paths("p1", "p2"), "status"
    )
    return bench


def test_announce_and_withdraw(announcing):
    bench = announcing
    assert state(bench, "p1") is SessionState.ESTABLISHED
    assert str(bench.rib("p1")[V4].nexthop_ip) == NEXT_HOPS[4]

    bench.speaker.set_paths(paths("p2"))

    eventually(holds(bench, "p1"), "p1 holds nothing")
    assert V4 in bench.rib("p2")
    eventually(lambda: bench.speaker.status().paths == paths("p2"), "status")


def test_attributes_arrive(bench):
    attributes = {
        "communities": ("65001:7", "4200000000:1:2"),
        "med": 50,
        "as_path_prepend": 2,
    }
    bench.speaker.configure("10.1.0.5", speakers(peer("p1", **attributes)))
    bench.speaker.set_paths(paths("p1", prefixes=(V4, V6)))
    eventually(holds(bench, "p1", V4, V6), "both prefixes")

    for prefix in (V4, V6):  # the second over an IPv4 session
        route = bench.rib("p1")[prefix]
        assert route.communities == {"65001:7", "4200000000:1:2"}
        assert route.med == 50
        assert route.as_path == (SPEAKER_AS,) * 3
    assert str(bench.rib("p1")[V6].nexthop_ip) == NEXT_HOPS[6]


def test_session_over_ipv6(bench):
    bench.speaker.configure("10.1.0.5", speakers(peer("p3")))
    bench.speaker.set_paths(paths("p3", prefixes=(V4, V6)))
    eventually(holds(bench, "p3", V4, V6), "both prefixes")


def test_draining_adds_graceful_shutdown_and_takes_it_off(announcing):
    bench = announcing
    for is_draining in (True, False):
        bench.speaker.set_paths(paths("p1", "p2", is_draining=is_draining))
        eventually(
            lambda expected=is_draining: (
                V4 in bench.rib("p1")
                and (GRACEFUL_SHUTDOWN in bench.rib("p1")[V4].communities)
                is expected
            ),
            f"draining is {is_draining}",
        )


def test_yielding_changes_the_origin_alone(announcing):
    bench = announcing
    before = bench.rib("p1")[V4]
    assert not before.is_incomplete
    yielding = paths("p1", "p2", is_yielding=True)
    steps = (
        (yielding, replace(before, is_incomplete=True)),
        (
            paths("p1", "p2", is_draining=True),
            replace(
                before,
                is_incomplete=True,
                communities=before.communities | {GRACEFUL_SHUTDOWN},
            ),
        ),
        (paths("p1", "p2"), before),
    )
    for wanted, expected in steps:
        bench.speaker.set_paths(wanted)
        eventually(
            lambda expected=expected: bench.rib("p1").get(V4) == expected,
            f"{expected}",
        )
        eventually(
            lambda wanted=wanted: bench.speaker.status().paths == wanted,
            "status",
        )


def test_password(bench):
    # Each character that the model lets in and a parser may trip over.
    password = "a;b{c}[d]#'$%&()*+,-./:<=>?@^_`|~".ljust(80, "!")
    bench.expect("p1", password=password)
    right = peer("p1", auth_type=AuthType.MD5, password=password)
    wrong = peer("p1", auth_type=AuthType.MD5, password="deadbeef")
    bench.speaker.configure("10.1.0.5", speakers(wrong, peer("p2")))
    bench.speaker.set_paths(paths("p1", "p2"))
    eventually(holds(bench, "p2", V4), "p2 does not mind")
    time.sleep(1 if bench.kind != "fake" else 0)
    assert bench.rib("p1") == {}
    assert state(bench, "p1") is not SessionState.ESTABLISHED
    assert bench.speaker.status().paths == paths("p2")

    bench.speaker.configure("10.1.0.5", speakers(right, peer("p2")))

    eventually(holds(bench, "p1", V4), "the right password", 30)


def error(bench, name):
    return {s.peer_id: s.error for s in bench.speaker.status().sessions}[name]


def families(bench, name):
    found = {s.peer_id: s for s in bench.speaker.status().sessions}
    return found[name].ip_versions


def test_a_session_says_which_families_it_carries(announcing):
    eventually(lambda: families(announcing, "p1") == (4, 6), "families")
    wrong = replace(peer("p1"), remote_as=64999)
    announcing.speaker.configure("10.1.0.5", speakers(wrong, peer("p2")))
    eventually(lambda: families(announcing, "p1") is None, "none of it")


def cause(bench, wrong):
    """What the doctor makes of the daemon's words."""
    found = {s.peer_id: s for s in bench.speaker.status().sessions}
    (speaker,) = speakers(wrong)
    ended = Ended(
        speaker=speaker,
        peer=wrong,
        session=found[wrong.id],
        source="10.1.0.5",
    )
    return cause_of(ended).sentence(ended)


def test_a_session_says_what_is_wrong_with_it(bench):
    """And nothing is wrong with one that is Established."""
    wrong = replace(peer("p1"), remote_as=64999)
    bench.speaker.configure("10.1.0.5", speakers(wrong, peer("p2")))
    bench.speaker.set_paths(paths("p1", "p2"))
    eventually(holds(bench, "p2", V4), "p2 does not mind")
    if bench.kind != "fake":
        eventually(
            lambda: "peer as" in error(bench, "p1").lower(),
            "the daemon's word",
        )
        assert "the router is not in AS 64999" in cause(bench, wrong)
    bench.speaker.configure("10.1.0.5", speakers(peer("p1"), peer("p2")))
    eventually(holds(bench, "p1", V4), "the right AS", 30)
    eventually(lambda: error(bench, "p1") == "", "no error")


def test_a_peer_that_forgets_the_session_in_silence(bench):
    """No FIN, no RST that counts (it is not signed), no BFD: the hold time.

    The peer waits to be called, as a leaf with a listen range does.
    """
    if bench.kind == "fake":
        pytest.skip("the fake has no packets")
    bench.expect("p1", password="secret")
    signed = peer("p1", auth_type=AuthType.MD5, password="secret")
    bench.speaker.configure("10.1.0.5", speakers(signed))
    bench.speaker.set_paths(paths("p1"))
    eventually(holds(bench, "p1", V4), "p1 holds it", 30)
    link = ("-n", bench.neighbour, "link", "set", "l0")
    ip(*link, "down")
    bench.stop_peers()
    bench.start_peers()
    assert bench.rib("p1") == {}
    ip(*link, "up")
    eventually(holds(bench, "p1", V4), "p1 holds it again", 40)


def test_peers_come_back(announcing):
    bench = announcing
    bench.stop_peers()
    eventually(lambda: bench.speaker.status().paths == frozenset(), "no path")
    assert state(bench, "p1") is not SessionState.ESTABLISHED

    # What changes meanwhile counts when they are back.
    bench.speaker.set_paths(paths("p1", prefixes=(V6,)))
    bench.start_peers()

    eventually(holds(bench, "p1", V6), "the present path, only")
    assert bench.rib("p2") == {}


@pytest.mark.parametrize(
    "fault", ["kill_daemon", "hang_daemon", "spoil_daemon"]
)
def test_daemon_comes_back(announcing, fault):
    bench = announcing
    getattr(bench, fault)()
    if bench.kind != "fake":
        eventually(holds(bench, "p1"), "the session is lost")
    for name in ("p1", "p2"):
        eventually(holds(bench, name, V4), f"{fault}: {name} again", 20)


@pytest.mark.parametrize("fault", ["kill_daemon", "hang_daemon"])
@pytest.mark.parametrize("kind", ["exabgp", "bird"])
def test_a_daemon_at_rest_comes_back(daemon_bench, kind, fault):
    """It is asked less then, but it is asked."""
    bench = daemon_bench(kind)
    driver = bench.speaker.speaker
    driver._settings = replace(driver._settings, settle_seconds=2.5)
    bench.speaker.configure("10.1.0.5", speakers(peer("p1")))
    bench.speaker.set_paths(paths("p1"))
    eventually(holds(bench, "p1", V4), "the path is there")
    eventually(driver._is_at_rest, "it is at rest")
    if kind == "exabgp":
        eventually(
            lambda: driver._answered_at > driver._audited_at,
            "it is asked the short question",
        )
    assert bench.speaker.status().is_running
    getattr(bench, fault)()
    eventually(holds(bench, "p1"), "the session is lost")
    eventually(holds(bench, "p1", V4), f"{fault}: again", 20)


def test_a_new_driver_drops_nothing(announcing):
    bench = announcing
    age = bench.bird.age("p1", V4) if bench.kind != "fake" else None
    bench.replace_driver()
    bench.speaker.configure("10.1.0.5", speakers(peer("p1"), peer("p2")))
    eventually(lambda: bench.speaker.status().is_running, "running")
    time.sleep(0.5 if bench.kind != "fake" else 0)
    assert V4 in bench.rib("p1")  # nothing was said of paths yet

    bench.speaker.set_paths(paths("p1", "p2"))

    eventually(
        lambda: bench.speaker.status().paths == paths("p1", "p2"), "status"
    )
    if bench.kind != "fake":
        assert bench.bird.age("p1", V4) == age


def test_a_new_driver_withdraws_what_is_not_wanted(announcing):
    bench = announcing
    bench.replace_driver()
    bench.speaker.configure("10.1.0.5", speakers(peer("p1"), peer("p2")))
    bench.speaker.set_paths(paths("p1", "p2", prefixes=(V6,)))
    eventually(holds(bench, "p1", V6), "the old path is gone")


def test_other_sessions_stay_when_peers_change(announcing):
    bench = announcing
    before = bench.bird.since("p1") if bench.kind != "fake" else None
    for others in ([], [peer("p2", med=7)], [peer("p3"), peer("p2")]):
        bench.speaker.configure("10.1.0.5", speakers(peer("p1"), *others))
        for other in others:
            bench.speaker.set_paths(paths("p1", other.id))
            eventually(holds(bench, other.id, V4), f"{other.id} holds {V4}")
        if not others:
            eventually(holds(bench, "p2"), "p2 was removed")
    if bench.kind != "fake":
        assert bench.bird.since("p1") == before


def test_status_is_about_the_speakers_that_are_loaded(announcing):
    bench = announcing
    wrong = peer("p1", auth_type=AuthType.MD5, password="wrong")
    changed = speakers(wrong, peer("p2"))
    bench.speaker.configure("10.1.0.5", changed)
    deadline = time.monotonic() + 10
    while (status := bench.speaker.status()).speakers != changed:
        assert time.monotonic() < deadline
    # Not a moment with the new speakers and the old session.
    states = {s.peer_id: s.state for s in status.sessions}
    assert states["p1"] is not SessionState.ESTABLISHED
    assert status.paths == paths("p2")

    better = speakers(wrong, peer("p2", med=9))
    bench.speaker.configure("10.1.0.5", better)
    eventually(lambda: bench.speaker.status().speakers == better, "loaded")
    eventually(lambda: bench.speaker.status().paths == paths("p2"), "sent")


def test_no_peer_at_all(announcing):
    bench = announcing
    bench.speaker.configure("10.1.0.5", ())
    eventually(holds(bench, "p1"), "nobody announces")
    bench.speaker.configure("10.1.0.5", speakers(peer("p1")))
    eventually(holds(bench, "p1", V4), "and again")


def test_a_path_to_an_unknown_peer_goes_nowhere(announcing):
    bench = announcing
    bench.speaker.set_paths(paths("p1", "nobody"))
    eventually(holds(bench, "p2"), "p2 holds nothing")
    assert set(bench.rib("p1")) == {V4}


def test_a_thousand_paths(bench):
    prefixes = tuple(
        f"198.51.{100 + i // 250}.{i % 250}/32" for i in range(1000)
    )
    bench.speaker.configure("10.1.0.5", speakers(peer("p1")))
    bench.speaker.set_paths(paths("p1", prefixes=prefixes))
    eventually(lambda: len(bench.rib("p1")) == 1000, "1000 paths", 30)
    bench.speaker.set_paths(paths("p1", prefixes=prefixes[:10]))
    eventually(holds(bench, "p1", *prefixes[:10]), "10 paths", 30)


def test_the_port_of_a_peer(bench):
    if bench.kind == "fake":
        pytest.skip("the fake has no ports")
    bench.bird.neighbours["p1"].port = 1790
    bench.stop_peers()
    bench.start_peers()

    bench.speaker.configure("10.1.0.5", speakers(peer("p1", peer_port=1790)))
    bench.speaker.set_paths(paths("p1"))

    eventually(holds(bench, "p1", V4), "port 1790", 30)


def test_gtsm(bench):
    if bench.kind == "fake":
        pytest.skip("the fake has no packets")
    bench.bird.neighbours["p1"].has_ttl_security = True
    bench.stop_peers()
    bench.start_peers()
    bench.speaker.configure("10.1.0.5", speakers(peer("p1")))
    bench.speaker.set_paths(paths("p1"))
    time.sleep(2)
    assert bench.rib("p1") == {}  # sent with the system's TTL

    bench.speaker.configure("10.1.0.5", speakers(peer("p1", ttl_hops=1)))

    eventually(holds(bench, "p1", V4), "TTL 255", 30)


def test_the_password_is_not_readable_by_others(announcing):
    if announcing.kind == "fake":
        pytest.skip("the fake has no file")
    mode = announcing.config.stat().st_mode & 0o777
    assert mode == 0o640


def test_the_daemon_accepts_the_file(announcing):
    if announcing.kind == "fake":
        pytest.skip("the fake has no file")
    subprocess.run(announcing.validation, check=True)
