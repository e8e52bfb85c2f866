# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae through the unmodified client, and a chosen front end.

What the API says is compared with the hypervisor, the leaves and packets. The
load balancer that other tests share is asked, and one of its amphorae
replaced; a second one is made with a front-end subnet of rack1.
"""

import ipaddress
import json
from collections.abc import Iterator

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench, prefix
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest, seed
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

LBS = "/v2/lbaas/loadbalancers"
AMPHORAE = "/v2/octavia/amphorae"
SECONDS = 120.0
CONFIGURATION = "/etc/octavia/amphora-agent.conf"
PINNED = "pinned"


def client(bench: Bench, *words: str) -> object:
    """What the openstack client says to an administrator."""
    text = bench.openstack(
        "loadbalancer", "amphora", *words, "-f", "json", cloud="admin"
    )
    return json.loads(text)


def order(bench: Bench, *words: str) -> None:
    """A command of the openstack client that says nothing."""
    bench.openstack("loadbalancer", "amphora", *words, cloud="admin")


def show(bench: Bench, amphora_id: str) -> rest.Body:
    """An amphora as the API has it."""
    answer = bench.admin.get(rest.LOAD_BALANCER, f"{AMPHORAE}/{amphora_id}")
    return dict(answer["amphora"])


def test_the_client_lists_them(bench: Bench, balancer: Balancer) -> None:
    rows = client(bench, "list", "--loadbalancer", balancer.name, "--long")
    by_id = {row["id"]: row for row in rows}

    amphorae = bench.amphorae(balancer)
    assert set(by_id) == {a.id for a in amphorae}
    for amphora in amphorae:
        row = by_id[amphora.id]
        assert row["status"] == "ALLOCATED"
        assert row["role"] == "STANDALONE"
        assert row["ha_ip"] == balancer.v4
        assert row["lb_network_ip"] == str(amphora.management)
        assert row["compute_id"] == amphora.instance_id
        assert row["cached_zone"] == amphora.seen.rack


def test_the_client_shows_one(bench: Bench, balancer: Balancer) -> None:
    for amphora in bench.amphorae(balancer):
        row = client(bench, "show", amphora.id)
        assert row["loadbalancer_id"] == balancer.id
        assert ipaddress.ip_address(row["vrrp_ip"]) in amphora.seen.addresses
        assert row["vrrp_interface"] == "eth1"
        shown = show(bench, amphora.id)
        assert shown["frontend_ip"] == row["vrrp_ip"]
        assert shown["frontend_port_id"] == row["vrrp_port_id"]
        assert shown["service_type"] == "combined"


def _connections(bench: Bench, balancer: Balancer) -> dict[str, int]:
    return {
        amphora.id: int(
            client(bench, "stats", "show", amphora.id)["total_connections"]
        )
        for amphora in bench.amphorae(balancer)
    }


def test_statistics_add_up_to_the_requests(
    bench: Bench, balancer: Balancer
) -> None:
    before = _connections(bench, balancer)
    assert {a.status for a in bench.ask(balancer.v4, count=60)} == {200}

    def counted() -> int:
        now = _connections(bench, balancer)
        return sum(now.values()) - sum(before.values())

    process.wait_until(lambda: counted() >= 60, SECONDS, "60 more", 1.0)
    assert counted() == 60
    now = _connections(bench, balancer)
    assert all(now[amphora_id] > before[amphora_id] for amphora_id in now)


def test_the_agent_takes_its_configuration_anew(
    bench: Bench, balancer: Balancer
) -> None:
    first, *others = bench.amphorae(balancer)
    before = {
        a.id: (bench.session(a), _written(bench, a)) for a in (first, *others)
    }
    bench.inside(first, "sh", "-c", f"echo '# mark' >> {CONFIGURATION}")

    order(bench, "configure", first.id, "--wait")

    process.wait_until(
        lambda: "# mark" not in bench.inside(first, "cat", CONFIGURATION),
        SECONDS,
        "the configuration of an agent",
        0.5,
    )
    assert first.id in bench.inside(first, "cat", CONFIGURATION)
    for amphora in others:
        assert _written(bench, amphora) == before[amphora.id][1]
    for amphora in (first, *others):
        assert bench.is_kept(amphora, before[amphora.id][0])
    bench.await_converged(balancer)


def _written(bench: Bench, amphora: Amphora) -> str:
    return bench.inside(amphora, "stat", "-c", "%Y", CONFIGURATION)


def test_one_of_a_cluster_is_not_deleted(
    bench: Bench, balancer: Balancer
) -> None:
    (first, *_) = bench.amphorae(balancer)

    with pytest.raises(AssertionError, match="only one in ERROR"):
        order(bench, "delete", first.id)

    bench.await_converged(balancer)


def test_a_tenant_sees_none_of_this(bench: Bench, balancer: Balancer) -> None:
    (first, *_) = bench.amphorae(balancer)
    tenant = rest.Api(plane=bench.plane, cloud="demo")
    for method, path in (
        ("GET", AMPHORAE),
        ("GET", f"{AMPHORAE}/{first.id}"),
        ("GET", f"{AMPHORAE}/{first.id}/stats"),
        ("PUT", f"{AMPHORAE}/{first.id}/failover"),
        ("PUT", f"{AMPHORAE}/{first.id}/config"),
        ("DELETE", f"{AMPHORAE}/{first.id}"),
    ):
        with pytest.raises(rest.ApiError) as refused:
            tenant.request(method, rest.LOAD_BALANCER, path)
        assert refused.value.status == 403

    path = f"{LBS}/{balancer.id}/cluster"
    cluster = tenant.get(rest.LOAD_BALANCER, path)["cluster"]
    assert "amphorae" not in cluster
    assert cluster["amphora_count"] == balancer.size
    assert cluster["announcing_count"] == balancer.size


def test_the_client_replaces_one_without_a_loss(
    bench: Bench, balancer: Balancer
) -> None:
    first, *others = bench.amphorae(balancer)
    before = {a.id: bench.session(a) for a in others}
    with losses.stream(bench, balancer) as stream:
        order(bench, "failover", first.id)
        statuses = set()

        def is_replaced() -> bool:
            statuses.add(bench.provisioning(balancer.id))
            found = {a.id for a in bench.amphorae(balancer)}
            return first.id not in found and bench.is_whole(balancer)

        process.wait_until(is_replaced, SECONDS, "another amphora", 0.3)
        lost = stream.end()

    assert lost.is_nothing, lost
    assert statuses <= {"PENDING_UPDATE", "ACTIVE"}
    assert "PENDING_UPDATE" in statuses  # what a client's --wait looks at
    bench.await_active(balancer.id)
    now = {a.id: a for a in bench.amphorae(balancer)}
    (new,) = set(now) - before.keys()
    assert now[new].seen.rack == first.seen.rack
    for amphora in others:
        assert bench.is_kept(now[amphora.id], before[amphora.id])
    with pytest.raises(rest.ApiError) as gone:
        show(bench, first.id)
    assert gone.value.status == 404
    bench.await_converged(balancer)


# A front end of one's own


@pytest.fixture(scope="module")
def rack1(bench: Bench) -> rest.Body:
    """The IPv4 subnet of rack1's front-end network."""
    name = f"{seed.front_end_network('rack1')}-v4"
    (found,) = bench.admin.get(rest.NETWORK, f"/v2.0/subnets?name={name}")[
        "subnets"
    ]
    return dict(found)


def wanted(bench: Bench, **attributes: object) -> rest.Body:
    return {
        "loadbalancer": {
            "name": PINNED,
            "vip_subnet_id": bench.subnets["anycast-v4"],
            "flavor_id": bench.flavor_id(2),
            "listeners": [
                {"name": "web", "protocol": "HTTP", "protocol_port": 80}
            ],
        }
        | attributes
    }


@pytest.fixture(scope="module")
def pinned(bench: Bench, rack1: rest.Body) -> Iterator[rest.Body]:
    """A load balancer behind rack1 alone, made by plain HTTP."""
    distributors.ensure(bench.admin)
    bench.remove_earlier(PINNED)
    tenant = rest.Api(plane=bench.plane, cloud="demo")
    made = tenant.request(
        "POST",
        rest.LOAD_BALANCER,
        LBS,
        wanted(bench, frontend_subnet_id=rack1["id"]),
    )["loadbalancer"]
    bench.await_active(made["id"])
    yield made
    bench.octavia.delete_load_balancer(made["id"], cascade=True)
    bench.await_gone(made["id"])


def test_all_amphorae_are_behind_the_rack_of_the_subnet(
    bench: Bench, pinned: rest.Body, rack1: rest.Body
) -> None:
    vip = ipaddress.ip_address(pinned["vip_address"])
    network = ipaddress.ip_network(rack1["cidr"])
    leaf = settings.rack_leaf("rack1")

    def hops() -> dict[str, set[settings.Address]]:
        return {
            router.name: {
                path.next_hop
                for path in observe.paths(bench.lab, router.name, prefix(vip))
                if path.as_path[:1] == (settings.AMPHORA_AS,)
            }
            for router in settings.RACK_LEAVES
        }

    process.wait_until(
        lambda: len(hops()[leaf.name]) == 2, SECONDS, "two paths", 0.5
    )
    found = hops()
    assert all(hop in network for hop in found[leaf.name])
    assert all(not paths for name, paths in found.items() if name != leaf.name)
    answer = bench.admin.get(
        rest.LOAD_BALANCER, f"{AMPHORAE}?loadbalancer_id={pinned['id']}"
    )
    for amphora in answer["amphorae"]:
        assert amphora["cached_zone"] == "rack1"
        assert amphora["frontend_subnet_id"] == rack1["id"]
    shown = {
        ipaddress.ip_address(a["frontend_ip"]) for a in answer["amphorae"]
    }
    assert shown == found[leaf.name]


def test_the_api_shows_what_was_chosen(
    bench: Bench, pinned: rest.Body, rack1: rest.Body
) -> None:
    path = f"{LBS}/{pinned['id']}"
    shown = bench.admin.get(rest.LOAD_BALANCER, path)["loadbalancer"]
    assert shown["frontend_subnet_id"] == rack1["id"]
    assert shown["frontend_network_id"] == rack1["network_id"]
    listed = bench.admin.get(
        rest.LOAD_BALANCER, f"{LBS}?frontend_subnet_id={rack1['id']}"
    )["loadbalancers"]
    assert [one["id"] for one in listed] == [pinned["id"]]
    cluster = bench.admin.get(rest.LOAD_BALANCER, f"{path}/cluster")["cluster"]
    assert cluster["frontend_subnet_id"] == rack1["id"]
    assert {a["availability_zone"] for a in cluster["amphorae"]} == {"rack1"}

    def is_announcing() -> bool:
        now = bench.admin.get(rest.LOAD_BALANCER, f"{path}/cluster")["cluster"]
        return bool(now["announcing_count"] == 2)

    process.wait_until(is_announcing, SECONDS, "two that announce", 1.0)


def test_a_tenant_cannot_use_the_operators_network(
    bench: Bench, pinned: rest.Body
) -> None:
    """Neutron itself hides it: the user's own token asks."""
    name = seed.MANAGEMENT_NETWORK
    (found,) = bench.admin.get(rest.NETWORK, f"/v2.0/networks?name={name}")[
        "networks"
    ]
    tenant = rest.Api(plane=bench.plane, cloud="demo")
    for attributes in (
        {"frontend_network_id": found["id"]},
        {"frontend_subnet_id": found["subnets"][0]},
    ):
        with pytest.raises(rest.ApiError, match="there is no") as refused:
            tenant.request(
                "POST",
                rest.LOAD_BALANCER,
                LBS,
                wanted(bench, **attributes),
            )
        assert refused.value.status == 400
