# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae that peer with their leaves over their front ends, with BFD.

Speaker and BFD run inside the namespace of HAProxy, so that the leaf sees the
front end die while the management network is fine. Judged by the leaves'
logs, sessions and routes.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator

import pytest
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

NAME = "lab-fabric-front-end"
BALANCER = "front-end-peering"
BESIDE = "beside-front-end-peering"
SIZE = 2
BFD_DOWN = "Cease/BFD Down"
UNITS = (
    "bird-frontend.service",
    "bird.service",
    "exabgp-frontend.service",
    "exabgp.service",
)
SECONDS = 60.0


def _body(bench: Bench) -> rest.Body:
    """The lab's distributor, with the leaves' front-end addresses.

    No driver is named: BFD chooses it.
    """
    body = distributors.body(bench.admin, NAME)
    for peer in body["distributor"]["speakers"][0]["peers"]:
        peer["bfd"] = {}
    distributors.over_front_ends(body)
    return body


@pytest.fixture(scope="module")
def fabric_of_front_ends(bench: Bench) -> Iterator[str]:
    """The id of the distributor."""
    made = distributors.ensure_beside(bench.admin, _body(bench))
    found = distributors.find(bench.admin, NAME)
    assert found is not None
    assert {s["driver"] for s in found["speakers"]} == {"bird"}
    yield made
    bench.remove_earlier(BESIDE)
    distributors.delete(bench.admin, made)


@pytest.fixture(scope="module")
def balancer(bench: Bench, fabric_of_front_ends: str) -> Iterator[Balancer]:
    """A load balancer of two amphorae on that distributor."""
    bench.remove_earlier(BALANCER)
    made = bench.create_on(fabric_of_front_ends, BALANCER, SIZE)
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.await_settled(made.id)
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


def _await(condition: Callable[[], bool], what: str) -> None:
    process.wait_until(condition, SECONDS, what, 0.05)


def _front_ends(amphora: Amphora) -> set[str]:
    return {str(address) for address in amphora.seen.addresses}


def _sessions(bench: Bench, amphora: Amphora) -> set[str]:
    """The addresses that its leaf has established sessions with."""
    return {
        session.peer
        for session in observe.sessions(bench.lab, amphora.leaf.name)
        if session.state == "Established"
        and session.peer in {*_front_ends(amphora), str(amphora.management)}
    }


def _watched(bench: Bench, amphora: Amphora) -> set[str]:
    """Those that its leaf has BFD sessions with, which are up."""
    answer = frr.show(bench.lab, amphora.leaf.name, "show bfd peers json")
    return {
        peer["peer"]
        for peer in answer
        if peer["peer"] in _front_ends(amphora) and peer["status"] == "up"
    }


def _active(bench: Bench, amphora: Amphora) -> list[str]:
    return [unit for unit in UNITS if bench.main_pid(amphora, unit)]


def _verdicts(bench: Bench, amphora: Amphora) -> dict[str, list[str]]:
    """What its leaf said to each address when it gave it up, in order."""
    home = frr.directory(bench.lab, amphora.leaf.name)
    text = (home / "bgpd.log").read_text("utf-8")
    return {
        address: re.findall(
            r"%NOTIFICATION: sent to neighbor "
            rf"{re.escape(address)} \S+ \((.*?)\)",
            text,
        )
        for address in _front_ends(amphora)
    }


def test_sessions_and_bfd_are_over_the_front_end(
    bench: Bench, balancer: Balancer
) -> None:
    for amphora in bench.amphorae(balancer):
        ends = _front_ends(amphora)
        assert {ipaddress.ip_address(end).version for end in ends} == {4, 6}
        _await(
            lambda a=amphora, e=ends: _sessions(bench, a) == e,
            "a session with each front-end address, and no other",
        )
        _await(lambda a=amphora, e=ends: _watched(bench, a) == e, "BFD is up")
        assert bench.announces(balancer, amphora)
        assert _active(bench, amphora) == ["bird-frontend.service"]
    for vip in balancer.vips:
        assert {a.status for a in bench.ask(str(vip), count=20)} == {200}


def test_the_front_end_alone_is_cut(bench: Bench, balancer: Balancer) -> None:
    """Management stays: the leaf drops the paths by BFD, and takes them back.

    With peering over management, only the agent's gate would see it.
    """
    victim, other = bench.amphorae(balancer)
    ends = _front_ends(victim)
    _await(lambda: _watched(bench, victim) == ends, "BFD is up")
    before = _verdicts(bench, victim)
    (address,) = (
        end
        for end in victim.seen.addresses
        if ipaddress.ip_address(str(end)).version == 4
    )
    cut = faults.silence_amphora(
        bench.lab,
        victim.leaf.name,
        ipaddress.ip_interface(str(address)).ip,
        None,
    )
    try:
        _await(lambda: bench.is_withdrawn(balancer, victim), "the withdrawal")
        assert bench.announces(balancer, other)
    finally:
        for role, port in cut:
            faults.end_bridge_port_silence(bench.lab, role, port)
    after = _verdicts(bench, victim)
    for end in ends:
        assert after[end][len(before[end]) :][:1] == [BFD_DOWN], end
    _await(lambda: bench.announces(balancer, victim), "its return")
    _await(lambda: _watched(bench, victim) == ends, "BFD is up again")
    bench.await_converged(balancer)


def test_the_agent_may_die(bench: Bench, balancer: Balancer) -> None:
    """Fail-static: the sessions of the front end are the ones of before."""
    victim = bench.amphorae(balancer)[0]
    speakerd = "octavia-anycast-speakerd.service"
    bird = bench.main_pid(victim, "bird-frontend.service")
    pid = bench.main_pid(victim, speakerd)
    bench.signal(victim, speakerd, "KILL")
    _await(
        lambda: bench.main_pid(victim, speakerd) not in (0, pid),
        "another daemon",
    )
    bench.await_converged(balancer)
    assert bench.main_pid(victim, "bird-frontend.service") == bird
    assert _sessions(bench, victim) == _front_ends(victim)


@pytest.mark.parametrize("version", [4, 6])
def test_a_wrong_password_of_one_family_and_then_the_right_one(
    bench: Bench, balancer: Balancer, fabric_of_front_ends: str, version: int
) -> None:
    """One amphora is hit and named, and another tenant may go on."""
    path = f"{distributors.PATH}/{fabric_of_front_ends}"

    def shown() -> rest.Body:
        return bench.admin.get(rest.LOAD_BALANCER, path)["distributor"]

    def is_status(status: str) -> Callable[[], bool]:
        return lambda: shown()["provisioning_status"] == status

    victim, other = bench.amphorae(balancer)
    before = _sessions(bench, other)
    peer = next(
        p
        for p in distributors.peers(bench.admin, shown())
        if p["availability_zone"] == victim.seen.rack
        and ipaddress.ip_address(p["peer_ip"]).version == version
    )

    def set_password(text: str) -> None:
        where = f"{distributors.PEERS_PATH}/{peer['id']}"
        body = {"bgp_peer": {"password": text}}
        bench.admin.request("PUT", rest.LOAD_BALANCER, where, body)

    second = None
    set_password("not-the-fabrics-password")
    try:
        _await(is_status("ERROR"), "the distributor in ERROR")
        reason = shown()["status_reason"]
        assert victim.id in reason
        assert str(peer["peer_ip"]) in reason
        second = bench.create_on(fabric_of_front_ends, BESIDE, 1)
        assert {a.status for a in bench.ask(balancer.v4, count=20)} == {200}
    finally:
        set_password(settings.BGP_PASSWORD)
    _await(is_status("ACTIVE"), "the distributor ACTIVE")
    _await(
        lambda: _sessions(bench, victim) == _front_ends(victim),
        "the sessions of both families",
    )
    assert _sessions(bench, other) == before
    bench.await_active(second.id)
    bench.remove_earlier(BESIDE)
    bench.await_converged(balancer)


def test_exabgp_takes_over_once_no_peer_has_bfd(
    bench: Bench, balancer: Balancer, fabric_of_front_ends: str
) -> None:
    """It refuses BFD; then its sessions are over the front ends as well."""
    admin = bench.admin
    path = f"{distributors.PATH}/{fabric_of_front_ends}"
    shown = admin.get(rest.LOAD_BALANCER, path)["distributor"]
    speakers = [s["id"] for s in shown["speakers"]]
    peers = [p["id"] for p in distributors.peers(admin, shown)]

    def status() -> object:
        found = admin.get(rest.LOAD_BALANCER, path)["distributor"]
        return found["provisioning_status"]

    def put(kind: str, what: str, **changes: object) -> None:
        _await(lambda: status() == "ACTIVE", "the distributor ACTIVE")
        admin.request(
            "PUT",
            rest.LOAD_BALANCER,
            f"/v2/lbaas/{kind}/{what}",
            {kind.removesuffix("s").replace("-", "_"): changes},
        )

    with pytest.raises(rest.ApiError, match="BFD"):
        put("bgp-speakers", speakers[0], driver="exabgp")
    for peer in peers:
        put("bgp-peers", peer, bfd=None)
    put("bgp-speakers", speakers[0], driver="exabgp")
    for amphora in bench.amphorae(balancer):
        _await(
            lambda a=amphora: _active(bench, a) == ["exabgp-frontend.service"],
            "ExaBGP over the front end, and nothing else",
        )
        _await(
            lambda a=amphora: _sessions(bench, a) == _front_ends(a),
            "its sessions",
        )
    bench.await_whole(balancer)
    for vip in balancer.vips:
        assert {a.status for a in bench.ask(str(vip), count=20)} == {200}
    bench.await_converged(balancer)
