# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Changes of BGP peers through the API, under traffic, seen on the leaves.

Four amphorae, two a rack, each with a session to the leaf of its rack. A
change of leaf1's peer goes to the two behind leaf1, one after the other; the
sessions that it does not concern are the same afterwards.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

import losses
import pytest
from cluster_bench import (
    Amphora,
    Balancer,
    Bench,
    BgpSession,
    prefix,
    web_listener,
)
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

SIZE = 4
SECONDS = 120.0
PEERS = distributors.PEERS_PATH
SPEAKERS = "/v2/lbaas/bgp-speakers"
COMMUNITY = "65100:77"
WRONG = "not-the-fabrics-password"


@pytest.fixture(scope="module")
def rolling(bench: Bench) -> Iterator[Balancer]:
    """A load balancer of four amphorae, with a listener."""
    bench.remove_earlier("rolling")
    made = bench.create("rolling", SIZE, listeners=[web_listener(bench)])
    bench.await_active(made.id)
    bench.await_whole(made)
    _await_distributor(bench, "ACTIVE")
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@pytest.fixture(autouse=True)
def whole(bench: Bench, rolling: Balancer) -> Iterator[None]:
    """Whole before and after; nothing is planned afterwards."""
    bench.await_whole(rolling)
    yield
    bench.await_converged(rolling)


@dataclasses.dataclass(slots=True)
class Watch:
    """What leaf1 held, looked at again and again."""

    look: Callable[[], object]
    seen: list[object] = dataclasses.field(default_factory=list)
    _stop: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            now = self.look()
            if not self.seen or self.seen[-1] != now:
                self.seen.append(now)


def _await(condition: Callable[[], bool], what: str) -> None:
    process.wait_until(condition, SECONDS, what, 0.1)


def _distributor(bench: Bench) -> rest.Body:
    found = distributors.find(bench.admin)
    assert found is not None
    return found


def _await_distributor(bench: Bench, status: str) -> rest.Body:
    _await(
        lambda: _distributor(bench)["provisioning_status"] == status,
        f"the distributor in {status}",
    )
    return _distributor(bench)


def _peer(bench: Bench, leaf: settings.Leaf) -> rest.Body:
    """The rack's own peer of that leaf."""
    found = distributors.peers(bench.admin, _distributor(bench))
    return next(
        p
        for p in found
        if p["peer_ip"] == str(leaf.mgmt.ip)
        and p["availability_zone"] == leaf.rack
    )


def _change(bench: Bench, peer_id: str, **changes: object) -> None:
    bench.admin.request(
        "PUT",
        rest.LOAD_BALANCER,
        f"{PEERS}/{peer_id}",
        {"bgp_peer": changes},
    )


def _behind(bench: Bench, balancer: Balancer, rack: str) -> list[Amphora]:
    return [a for a in bench.amphorae(balancer) if a.seen.rack == rack]


def _paths(
    bench: Bench, leaf: settings.Leaf, balancer: Balancer
) -> list[observe.BgpPath]:
    """The paths for the VIP that amphorae announced to a leaf."""
    return [
        path
        for path in observe.paths(bench.lab, leaf.name, prefix(_vip(balancer)))
        if path.as_path == (settings.AMPHORA_AS,)
    ]


def _vip(balancer: Balancer) -> settings.Address:
    return next(vip for vip in balancer.vips if vip.version == 4)


def _session(
    bench: Bench, leaf: settings.Leaf, amphora: Amphora
) -> BgpSession:
    """Its session with a leaf, which may be another rack's; None: down."""
    return observe.connection(bench.lab, leaf.name, amphora.management)


def _is_up(bench: Bench, leaf: settings.Leaf, amphora: Amphora) -> bool:
    return _session(bench, leaf, amphora) is not None


LEAF1, LEAF2 = settings.RACK_LEAVES[:2]


def test_each_amphora_peers_with_its_own_tor(
    bench: Bench, rolling: Balancer
) -> None:
    """One ToR per rack; the API says so too."""
    amphorae = bench.amphorae(rolling)
    assert {a.seen.rack for a in amphorae} == {LEAF1.rack, LEAF2.rack}
    for amphora in amphorae:
        for leaf in (LEAF1, LEAF2):
            is_own = leaf.rack == amphora.seen.rack
            assert _is_up(bench, leaf, amphora) is is_own
    path = f"{distributors.PATH}/{_distributor(bench)['id']}/paths"

    def told() -> list[rest.Body]:
        answer = bench.admin.get(rest.LOAD_BALANCER, path)["paths"]
        return [p for p in answer if p["load_balancer_id"] == rolling.id]

    _await(
        lambda: {p["state"] for p in told()} == {"advertised"},
        "every path advertised",
    )
    assert {(p["amphora_id"], p["peer_ip"], p["prefix"]) for p in told()} == {
        (a.id, str(a.leaf.mgmt.ip), prefix(vip))
        for a in amphorae
        for vip in rolling.vips
    }
    assert all(p["session_state"] == "Established" for p in told())


def test_communities_change_one_amphora_at_a_time(
    bench: Bench, rolling: Balancer
) -> None:
    """No session starts over, and not a packet is lost."""
    amphorae = bench.amphorae(rolling)
    before = {a.id: bench.session(a) for a in amphorae}
    peer = _peer(bench, LEAF1)

    def marked() -> int:
        found = _paths(bench, LEAF1, rolling)
        return sum(1 for p in found if COMMUNITY in p.communities)

    with (
        losses.stream(bench, rolling) as stream,
        Watch(marked) as watch,
    ):
        _change(bench, peer["id"], communities=[COMMUNITY])
        _await_distributor(bench, "ACTIVE")
        _await(lambda: marked() == 2, "both paths with the community")
        time.sleep(1)
        lost = stream.end()
    assert watch.seen == [0, 1, 2]
    assert lost.is_nothing, lost
    assert all(bench.is_kept(a, before[a.id]) for a in amphorae)
    others = _paths(bench, LEAF2, rolling)
    assert not any(COMMUNITY in path.communities for path in others)


def test_med_changes_without_a_new_session(
    bench: Bench, rolling: Balancer
) -> None:
    """The leaf prefers one of the two for a moment; that is all."""
    amphorae = bench.amphorae(rolling)
    before = {a.id: bench.session(a) for a in amphorae}
    peer = _peer(bench, LEAF1)
    with losses.stream(bench, rolling) as stream:
        _change(bench, peer["id"], med=50)
        _await_distributor(bench, "ACTIVE")
        _await(
            lambda: [p.med for p in _paths(bench, LEAF1, rolling)] == [50, 50],
            "both paths with the MED",
        )
        lost = stream.end()
    assert lost.is_change_of_routes_only, lost
    assert all(bench.is_kept(a, before[a.id]) for a in amphorae)
    _change(bench, peer["id"], med=None)
    _await_distributor(bench, "ACTIVE")


def test_a_wrong_password_costs_one_amphora_and_the_right_one_mends_it(
    bench: Bench, rolling: Balancer
) -> None:
    """The others keep what they have until the user changes it again."""
    near = _behind(bench, rolling, str(LEAF1.rack))
    far = _behind(bench, rolling, str(LEAF2.rack))
    before = {a.id: bench.session(a) for a in (*near, *far)}
    peer = _peer(bench, LEAF1)
    with losses.stream(bench, rolling) as stream:
        _change(bench, peer["id"], password=WRONG)
        shown = _await_distributor(bench, "ERROR")
        assert str(LEAF1.mgmt.ip) in shown["status_reason"]
        assert WRONG not in str(shown)
        up = [a for a in near if _is_up(bench, LEAF1, a)]
        assert len(up) == 1
        assert bench.is_kept(up[0], before[up[0].id])

        _change(bench, peer["id"], password=settings.BGP_PASSWORD)
        _await_distributor(bench, "ACTIVE")
        bench.await_whole(rolling)
        lost = stream.end()
    assert lost.is_change_of_routes_only, lost
    assert all(bench.is_kept(a, before[a.id]) for a in (*far, *up))


def test_a_new_password_of_a_leaf_is_taken_up_under_traffic(
    bench: Bench, rolling: Balancer
) -> None:
    """First the leaf, then the API; the other rack serves meanwhile."""
    near = _behind(bench, rolling, str(LEAF1.rack))
    far = _behind(bench, rolling, str(LEAF2.rack))
    before = {a.id: bench.session(a) for a in far}
    peer = _peer(bench, LEAF1)
    for password in ("another-one", settings.BGP_PASSWORD):
        with losses.stream(bench, rolling) as stream:
            frr.vtysh(
                bench.lab,
                LEAF1.name,
                "configure terminal",
                f"router bgp {LEAF1.asn}",
                f"neighbor AMP password {password}",
            )
            _change(bench, peer["id"], password=password)
            _await_distributor(bench, "ACTIVE")
            _await(
                lambda: all(_is_up(bench, LEAF1, a) for a in near),
                "the sessions of the rack with the new password",
            )
            bench.await_whole(rolling)
            lost = stream.end()
        assert lost.is_change_of_routes_only, lost
    assert all(bench.is_kept(a, before[a.id]) for a in far)


def test_a_peer_of_one_compute_host(bench: Bench, rolling: Balancer) -> None:
    """The amphora on that host peers with leaf2 as well, nobody else.

    And its two sessions do not mind each other.
    """
    near = _behind(bench, rolling, str(LEAF1.rack))
    hosts = {a.id: a.seen.instance.host for a in near}
    assert set(hosts.values()) == set(settings.hosts(str(LEAF1.rack)))
    chosen, other = near
    speaker_id = _distributor(bench)["speakers"][0]["id"]
    body = distributors.body(bench.admin)["distributor"]["speakers"][0]
    leaf2 = next(
        p for p in body["peers"] if p["peer_ip"] == str(LEAF2.mgmt.ip)
    ) | {
        "name": "leaf2-for-one-host",
        "availability_zone": LEAF1.rack,
        "compute_host": hosts[chosen.id],
    }
    made = bench.admin.request(
        "POST", rest.LOAD_BALANCER, PEERS, {"bgp_peer": leaf2}
    )["bgp_peer"]
    where = f"{SPEAKERS}/{speaker_id}/bgp-peers/{made['id']}"
    before = {a.id: bench.session(a) for a in bench.amphorae(rolling)}
    try:
        bench.admin.request("PUT", rest.LOAD_BALANCER, where)
        _await(lambda: _is_up(bench, LEAF2, chosen), "the second session")
        _await_distributor(bench, "ACTIVE")
        assert not _is_up(bench, LEAF2, other)
        second = _session(bench, LEAF2, chosen)
        _change(bench, made["id"], hold_time=9, keepalive_interval=3)
        _await(
            lambda: _session(bench, LEAF2, chosen) not in (None, second),
            "the second session anew, with other timers",
        )
    finally:
        _await_distributor(bench, "ACTIVE")
        bench.admin.request("DELETE", rest.LOAD_BALANCER, where)
    _await(lambda: not _is_up(bench, LEAF2, chosen), "the second session gone")
    _await_distributor(bench, "ACTIVE")
    bench.admin.request("DELETE", rest.LOAD_BALANCER, f"{PEERS}/{made['id']}")
    assert all(bench.is_kept(a, before[a.id]) for a in bench.amphorae(rolling))


@pytest.mark.parametrize("driver", ["bird", "exabgp"])
def test_the_driver_changes_under_traffic(
    bench: Bench, rolling: Balancer, driver: str
) -> None:
    """One amphora after the other has the other daemon, and no address two."""
    units = {"bird": "bird.service", "exabgp": "exabgp.service"}
    speaker_id = _distributor(bench)["speakers"][0]["id"]

    def running() -> list[list[str]]:
        return [
            [
                name
                for name, unit in units.items()
                if bench.main_pid(amphora, unit)
            ]
            for amphora in bench.amphorae(rolling)
        ]

    def announcing() -> int:
        vip = prefix(_vip(rolling))
        return len(observe.announcers(bench.lab, vip))

    assert all(driver not in names for names in running())
    with losses.stream(bench, rolling) as stream, Watch(announcing) as watch:
        bench.admin.request(
            "PUT",
            rest.LOAD_BALANCER,
            f"{SPEAKERS}/{speaker_id}",
            {"bgp_speaker": {"driver": driver}},
        )
        _await_distributor(bench, "ACTIVE")
        bench.await_whole(rolling)
        lost = stream.end()
    assert running() == [[driver]] * SIZE
    assert SIZE - 1 in watch.seen, "it was seen to change"
    assert set(watch.seen) <= {SIZE - 1, SIZE}, watch.seen
    assert lost.is_change_of_routes_only, lost
