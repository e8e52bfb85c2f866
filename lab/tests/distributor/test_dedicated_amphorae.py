# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers whose paths a dedicated distributor announces as well.

The amphorae's own BGP sessions are cut where a request is to prove that the
dedicated speaker's path alone carried it. Judged by the leaves' BGP tables
and kernels, and by what the client gets.
"""

import http
import ipaddress
import typing
from collections.abc import Callable, Iterator

import announcer as announcers
import cluster_bench
import pytest
from announcer import Announcer, Endpoint
from cluster_bench import Balancer, Bench, prefix
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

BALANCER = "dedicated-web"
SIZE = 4
GRACEFUL_SHUTDOWN = "65535:0"
ZONE_DRAINS = "/v2/lbaas/zone-drains"
SECONDS = 90.0
DRAIN_SECONDS = 8
# In the VIPs' ranges, far from where Neutron begins to allocate.
EXTERNAL = tuple(
    ipaddress.ip_address(text)
    for text in ("198.51.100.250", "2001:db8:100::dead:2")
)


def await_that(condition: Callable[[], bool], what: str) -> None:
    process.wait_until(condition, SECONDS, what, 0.2)


@pytest.fixture(scope="module")
def balancer(bench: Bench) -> Iterator[Balancer]:
    """A load balancer that announces itself; two are in each rack."""
    bench.remove_earlier(BALANCER)
    listener = cluster_bench.web_listener(bench)
    made = bench.create(BALANCER, SIZE, listeners=[listener])
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@pytest.fixture(scope="module")
def announcer(bench: Bench, balancer: Balancer) -> Iterator[Announcer]:
    """The distributor, beside that load balancer."""
    made = announcers.make(bench)
    yield made
    announcers.mend_sessions(bench)
    announcers.distributors.delete(bench.admin, made.id)


def register(announcer: Announcer, balancer: Balancer) -> str:
    body = {"amphora": {"load_balancer_id": balancer.id}}
    made = announcer.ask("POST", "amphorae", body)
    return str(made["amphora"]["id"])


def unregister_all(announcer: Announcer) -> None:
    found = announcer.bench.admin.get(
        rest.LOAD_BALANCER, f"{announcer.path}/amphorae"
    )
    for one in found["amphorae"]:
        announcer.ask("DELETE", f"amphorae/{one['id']}")


@pytest.fixture
def registered(announcer: Announcer, balancer: Balancer) -> Iterator[str]:
    """All amphorae of the load balancer, announced by the distributor's."""
    made = register(announcer, balancer)
    await_that(
        lambda: is_announced(announcer, balancer),
        "each front end is a next hop of the dedicated speakers",
    )
    yield made
    announcers.mend_sessions(announcer.bench)
    unregister_all(announcer)
    await_that(
        lambda: (
            is_gone(announcer, balancer)
            and announcers.is_by_themselves(announcer.bench, balancer)
        ),
        "only the amphorae themselves announce it",
    )


@pytest.fixture
def cut(registered: str, announcer: Announcer, balancer: Balancer) -> str:
    """Its amphorae have no session of their own left."""
    bench = announcer.bench
    announcers.cut_sessions(bench, bench.amphorae(balancer))
    await_that(
        lambda: all(
            path.peer in announcer.own()
            for vip in balancer.vips
            for path in observe.amphora_paths(bench.lab, prefix(vip))
        ),
        "the amphorae's own paths are gone",
    )
    return registered


def is_announced(announcer: Announcer, balancer: Balancer) -> bool:
    """Whether it announces every front end, as the leaves have it."""
    return all(
        announcer.hops(vip)
        == announcers.wanted_hops(announcer.bench, balancer, vip.version)
        for vip in balancer.vips
    )


def refusal(announcer: Announcer, registration_id: str) -> str:
    """Ask for a drain, and take it back; what is said against it."""
    drain = f"amphorae/{registration_id}/drain"
    try:
        announcer.ask("PUT", drain, {})
    except rest.ApiError as error:
        if error.status != http.HTTPStatus.CONFLICT:
            raise
        return str(error)
    announcer.ask("DELETE", drain)
    return ""


def is_gone(announcer: Announcer, balancer: Balancer) -> bool:
    return not any(announcer.hops(vip) for vip in balancer.vips)


def statuses(bench: Bench, address: object) -> set[int]:
    return {answer.status for answer in bench.ask(str(address), count=4)}


def test_each_front_end_is_a_next_hop(
    registered: str, announcer: Announcer, balancer: Balancer
) -> None:
    """In the leaf of its rack, where it is on a connected network."""
    bench = announcer.bench
    for amphora in bench.amphorae(balancer):
        for vip in balancer.vips:
            hops = {
                path.next_hop
                for path in announcer.paths_at(amphora.leaf, vip)
                if path.is_valid
            }
            (mine,) = (
                a for a in amphora.seen.addresses if a.version == vip.version
            )
            assert mine in hops
    await_that(
        lambda: all(
            path["state"] == "advertised" and path["announcing_count"] == 1
            for path in announcer.registration(registered)["paths"]
        ),
        "the API says so too",
    )
    paths = announcer.registration(registered)["paths"]
    most = max(
        len({path.next_hop for path in announcer.paths_at(leaf, vip)})
        for leaf in settings.RACK_LEAVES
        for vip in balancer.vips
    )
    assert most == 2  # of one session: ADD-PATH
    assert len(paths) == len(bench.amphorae(balancer)) * len(balancer.vips)


def test_requests_by_the_dedicated_speakers_paths_alone(
    cut: str, announcer: Announcer, balancer: Balancer
) -> None:
    bench = announcer.bench
    for vip in balancer.vips:
        wanted = announcers.wanted_hops(bench, balancer, vip.version)
        held = {
            ipaddress.ip_address(gateway)
            for leaf in settings.RACK_LEAVES
            for gateway, _ in observe.fib(bench.lab, leaf.name, prefix(vip))
        }
        assert wanted <= held
        assert statuses(bench, vip) == {http.HTTPStatus.OK}


def test_the_last_announcer_is_not_drained(
    cut: str, announcer: Announcer, balancer: Balancer
) -> None:
    """Until the amphorae announce themselves again."""

    # Its load balancer's reconcile has to see first that the sessions are cut.
    await_that(
        lambda: "last one" in refusal(announcer, cut), "the drain is refused"
    )
    await_that(
        lambda: is_announced(announcer, balancer), "all are announced still"
    )
    announcers.mend_sessions(announcer.bench)
    await_that(lambda: not refusal(announcer, cut), "the drain is not refused")


def test_without_registration_nothing_comes_through(
    cut: str, announcer: Announcer, balancer: Balancer
) -> None:
    """The negative control: unregistered, with no session of their own."""
    bench = announcer.bench
    announcer.ask("DELETE", f"amphorae/{cut}")
    await_that(
        lambda: (
            not any(
                observe.leftovers(bench.lab, prefix(vip))
                for vip in balancer.vips
            )
        ),
        "no router has a path any more",
    )
    for vip in balancer.vips:
        assert statuses(bench, vip) == {0}


def test_drained_the_paths_go_and_requests_do_not_fail(
    registered: str, announcer: Announcer, balancer: Balancer
) -> None:
    bench = announcer.bench
    # The controller has to know that the amphorae announce themselves.
    await_that(
        lambda: not refusal(announcer, registered),
        "the drain is not refused",
    )
    announcer.ask(
        "PUT",
        f"amphorae/{registered}/drain",
        {"drain": {"timeout": DRAIN_SECONDS}},
    )
    await_that(
        lambda: all(
            GRACEFUL_SHUTDOWN in path.communities
            for leaf in settings.RACK_LEAVES
            for vip in balancer.vips
            for path in announcer.paths_at(leaf, vip)
        ),
        "GRACEFUL_SHUTDOWN, or gone",
    )
    await_that(lambda: is_gone(announcer, balancer), "its paths are gone")
    assert announcers.is_by_themselves(bench, balancer)
    for vip in balancer.vips:
        assert statuses(bench, vip) == {http.HTTPStatus.OK}
    announcer.ask("DELETE", f"amphorae/{registered}/drain")
    await_that(lambda: is_announced(announcer, balancer), "announced again")


def zone_drain(announcer: Announcer, zone: str) -> dict[str, typing.Any]:
    wanted = {"availability_zone": zone, "duration": 3600, "timeout": 5}
    made = announcer.bench.admin.request(
        "POST", rest.LOAD_BALANCER, ZONE_DRAINS, {"zone_drain": wanted}
    )
    return dict(made["zone_drain"])


def drain_state(announcer: Announcer, made: dict[str, typing.Any]) -> str:
    found = announcer.bench.admin.get(
        rest.LOAD_BALANCER, f"{ZONE_DRAINS}/{made['id']}"
    )
    return str(found["zone_drain"]["state"])


def test_a_rack_is_drained_with_its_own_amphora(
    registered: str, announcer: Announcer, balancer: Balancer
) -> None:
    """The other rack's announces its paths all the time, and requests pass."""
    bench = announcer.bench
    here, there = settings.RACK_LEAVES[:2]
    before = announcer.own()
    made = zone_drain(announcer, here.rack)
    await_that(
        lambda: drain_state(announcer, made) == "DRAINED", "the rack drained"
    )
    for vip in balancer.vips:
        assert announcer.paths_at(here, vip) == []
        assert announcer.paths_at(there, vip)
        assert statuses(bench, vip) == {http.HTTPStatus.OK}
    assert announcer.show()["operating_status"] == "ONLINE"
    bench.admin.request(
        "DELETE", rest.LOAD_BALANCER, f"{ZONE_DRAINS}/{made['id']}"
    )
    await_that(lambda: is_announced(announcer, balancer), "announced again")
    await_that(
        lambda: drain_state(announcer, made) == "ENDED", "the drain ended"
    )
    assert announcer.own() == before, "nobody was replaced"


@pytest.fixture
def endpoint(announcer: Announcer) -> Iterator[Endpoint]:
    """A server of external VIPs."""
    made = Endpoint(bench=announcer.bench, vips=EXTERNAL)
    made.up()
    yield made
    made.down()


def register_vip(
    announcer: Announcer, endpoint: Endpoint, vip: settings.Address
) -> dict[str, typing.Any]:
    """For the leaf of the endpoint alone: it is on a network of that."""
    body = {
        "vip": {
            "vip_address": str(vip),
            "next_hop": str(endpoint.address(vip.version).ip),
            "peer_id": peer_of(announcer, endpoint.leaf),
        }
    }
    return dict(announcer.ask("POST", "vips", body)["vip"])


def unregister_vip(announcer: Announcer, made: dict[str, typing.Any]) -> None:
    announcer.ask("DELETE", f"vips/{made['id']}")
    path = prefix(ipaddress.ip_address(made["vip_address"]))
    await_that(
        lambda: not observe.leftovers(announcer.bench.lab, path),
        "no router has it any more",
    )


def test_requests_through_an_external_vip(
    announcer: Announcer, endpoint: Endpoint
) -> None:
    """And none without it: the negative control, before and after."""
    bench = announcer.bench
    for vip in EXTERNAL:
        assert statuses(bench, vip) == {0}
        made = register_vip(announcer, endpoint, vip)
        await_that(
            lambda vip=vip: observe.is_routed(bench.lab, prefix(vip)),
            "every router has a route",
        )
        bench.await_answers(
            lambda answer: answer.member == endpoint.name, str(vip)
        )
        unregister_vip(announcer, made)
        assert statuses(bench, vip) == {0}


def test_a_vip_of_one_rack_keeps_its_rack(
    announcer: Announcer, endpoint: Endpoint
) -> None:
    """No other amphora has that router as a peer: the drain is refused."""
    vip = EXTERNAL[0]
    made = register_vip(announcer, endpoint, vip)
    await_that(
        lambda: (
            announcer.ask("GET", f"vips/{made['id']}")["vip"][
                "announcing_count"
            ]
            == 1
        ),
        "the API says that it is announced",
    )
    with pytest.raises(rest.ApiError, match=f"announces {vip}") as refused:
        zone_drain(announcer, endpoint.leaf.rack)
    assert refused.value.status == http.HTTPStatus.CONFLICT
    unregister_vip(announcer, made)


def peer_of(announcer: Announcer, leaf: settings.Leaf) -> str:
    """The leaf as a BGP peer of the distributor."""
    peers = distributor_peers(announcer)
    return next(i for i, ip in peers.items() if ip == str(leaf.mgmt.ip))


def distributor_peers(announcer: Announcer) -> dict[str, str]:
    found = announcers.distributors.peers(
        announcer.bench.admin, announcer.show()
    )
    return {peer["id"]: peer["peer_ip"] for peer in found}
