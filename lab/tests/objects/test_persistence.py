# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Session persistence over a cluster: a client keeps its member.

Clients with addresses of their own, each of whose connections the fabric
sends to any amphora. The same load balancer without peers is the control: it
has to lose what the one with peers keeps.
"""

import contextlib
import ipaddress
import json
from collections.abc import Iterator, Mapping

import pytest
from balancer_objects import changed
from cluster_bench import Balancer, Bench, web_listener
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import flows

pytestmark = pytest.mark.lab

SIZE = 3
CLIENTS = tuple(
    ipaddress.ip_interface(f"10.3.0.{number}/24") for number in range(101, 113)
)
CONNECTIONS = 6
PEER_PORT = 1025
Kept = Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def clients(bench: Bench) -> Iterator[tuple[str, ...]]:
    """More addresses for the client, in its own namespace."""
    namespace = bench.lab.namespace(settings.CLIENT)
    netns.ip_batch(
        namespace, [f"address replace {one} dev eth0" for one in CLIENTS]
    )
    yield tuple(str(one.ip) for one in CLIENTS)
    netns.ip_batch(
        namespace, [f"address delete {one} dev eth0" for one in CLIENTS]
    )


@contextlib.contextmanager
def _flavor(bench: Bench, name: str, **more: int) -> Iterator[str]:
    """A flavor of clusters of three, for the length of a block."""
    data = {"cluster_size": SIZE, "cluster_min_size": 1, **more}
    profile = bench.operator.create_flavor_profile(
        name=name, provider_name="anycast", flavor_data=json.dumps(data)
    )
    flavor = bench.operator.create_flavor(
        name=name, flavor_profile_id=profile.id
    )
    try:
        yield flavor.id
    finally:
        bench.operator.delete_flavor(flavor.id)
        bench.operator.delete_flavor_profile(profile.id)


@contextlib.contextmanager
def _sticky(bench: Bench, name: str, **flavor: int) -> Iterator[Balancer]:
    """A load balancer that keeps clients by address."""
    listener = web_listener(bench)
    del listener["l7policies"]
    persistence = {"session_persistence": {"type": "SOURCE_IP"}}
    listener["default_pool"] = {**listener["default_pool"], **persistence}  # type: ignore[dict-item]
    bench.remove_earlier(name)
    with _flavor(bench, name, **flavor) as flavor_id:
        made = bench.create(
            name, SIZE, listeners=[listener], flavor_id=flavor_id
        )
        try:
            bench.await_converged(made)
            bench.await_answers(lambda a: a.status == 200, made.v4)
            yield made
        finally:
            bench.await_settled(made.id)
            bench.octavia.delete_load_balancer(made.id, cascade=True)
            bench.await_gone(made.id)


def _opened(bench: Bench, balancer: Balancer) -> set[tuple[str, int]]:
    """Protocols and ports that its front ends' security group lets in."""
    (group,) = bench.admin.get(
        rest.NETWORK, f"/v2.0/security-groups?name=lb-{balancer.id}"
    )["security_groups"]
    return {
        (rule["protocol"], rule["port_range_min"])
        for rule in group["security_group_rules"]
        if rule["direction"] == "ingress"
    }


def _members(
    bench: Bench, balancer: Balancer, clients: tuple[str, ...], count: int
) -> Kept:
    """Client -> the members that its connections came to."""
    found = {}
    for client in clients:
        answers = bench.ask(balancer.v4, count=count, source=client)
        assert {answer.status for answer in answers} == {200}
        found[client] = frozenset(answer.member for answer in answers)
    return found


def _first_contact(
    bench: Bench, balancer: Balancer, clients: tuple[str, ...]
) -> tuple[Kept, Kept]:
    """One connection of each client, then several of each.

    The latter come to every amphora, or it would be no test.
    """
    first = _members(bench, balancer, clients, 1)
    assert len(frozenset().union(*first.values())) > 1, "all the same member"
    flows.reset(bench.lab)
    again = _members(bench, balancer, clients, CONNECTIONS)
    vip = ipaddress.ip_address(balancer.v4)
    assert len(flows.shares(bench.lab, vip)) == len(bench.amphorae(balancer))
    return first, again


def test_a_client_keeps_its_member(
    bench: Bench, clients: tuple[str, ...]
) -> None:
    """By whichever amphora; after a change; after the loss of an amphora."""
    with _sticky(bench, "sticky") as balancer:
        assert ("tcp", PEER_PORT) in _opened(bench, balancer)
        first, again = _first_contact(bench, balancer, clients)
        assert again == first
        # A change: HAProxy is reloaded on every amphora.
        (listener,) = bench.octavia.listeners(load_balancer_id=balancer.id)
        with changed(bench, balancer):
            bench.octavia.update_listener(listener.id, connection_limit=1234)
        bench.await_converged(balancer)
        assert _members(bench, balancer, clients, CONNECTIONS) == first
        # A loss, before somebody else takes the place ...
        victim = bench.amphorae(balancer)[0]
        bench.machines.kill(victim.instance_id, hypervisor.Loss.POWER)
        process.wait_until(
            lambda: bench.is_withdrawn(balancer, victim),
            60.0,
            "the withdrawal",
        )
        bench.await_answers(lambda a: a.status == 200, balancer.v4)
        assert _members(bench, balancer, clients, CONNECTIONS) == first
        # ... and after: it has learnt who belongs where before it announced.
        bench.await_converged(balancer)
        left = {a.instance_id for a in bench.amphorae(balancer)}
        assert victim.instance_id not in left
        flows.reset(bench.lab)
        assert _members(bench, balancer, clients, CONNECTIONS) == first
        vip = ipaddress.ip_address(balancer.v4)
        assert len(flows.shares(bench.lab, vip)) == SIZE


def test_without_peers_it_does_not(
    bench: Bench, clients: tuple[str, ...]
) -> None:
    """The control: each amphora by itself gives clients other members."""
    with _sticky(bench, "unstuck", peer_group_size=1) as balancer:
        first, again = _first_contact(bench, balancer, clients)
        moved = {one for one in clients if again[one] != first[one]}
        assert moved
