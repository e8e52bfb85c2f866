# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Taking one amphora out of service, and back: what it costs (ADR 0123).

Four amphorae, over two racks and in one, so that the leaf's ECMP group goes
from two to one, or from four to three. New requests, and connections that
are held open, go through each change; broken ones are counted and printed:

    python -m pytest -s lab/tests/cluster/test_drain.py

The controls lose: without flow rescue connections break, and an amphora that
loses power loses both.
"""

import collections.abc
import dataclasses
import ipaddress
import time

import losses
import pytest
import rescuing
from cluster_bench import Amphora, Balancer, Bench, prefix, web_listener
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import distributors, rest, seed
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

pytestmark = pytest.mark.lab

AMPHORAE = "/v2/octavia/amphorae"
GRACEFUL_SHUTDOWN = "gracefulShutdown"  # as FRR writes 65535:0
SECONDS = 60.0
# Longer than clients take that are asked to finish; it ends with the last one.
DRAIN_SECONDS = 50
FLOWS = 200
SIZE = 4
RESCUE_PORT = 14_789


@pytest.fixture(scope="module", params=["two racks", "one rack"])
def four(
    bench: Bench, request: pytest.FixtureRequest
) -> collections.abc.Iterator[Balancer]:
    """A load balancer of four amphorae."""
    name = f"drained-{request.param.replace(' ', '-')}"
    bench.remove_earlier(name)
    made = create(bench, name, is_in_one_rack=request.param == "one rack")
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


def create(bench: Bench, name: str, *, is_in_one_rack: bool) -> Balancer:
    """By plain HTTP: openstacksdk does not know of front ends."""
    distributors.ensure(bench.admin)
    before = survey.take(bench.plane, bench.admin)
    wanted: dict[str, object] = {
        "name": name,
        "vip_subnet_id": bench.subnets["anycast-v4"],
        "additional_vips": [{"subnet_id": bench.subnets["anycast-v6"]}],
        "flavor_id": bench.flavor_id(SIZE),
        "listeners": [web_listener(bench)],
    }
    if is_in_one_rack:
        network = seed.front_end_network("rack1")
        (found,) = bench.admin.get(
            rest.NETWORK, f"/v2.0/networks?name={network}"
        )["networks"]
        wanted["frontend_network_id"] = found["id"]
    made = rest.Api(plane=bench.plane, cloud="demo").request(
        "POST",
        rest.LOAD_BALANCER,
        "/v2/lbaas/loadbalancers",
        {"loadbalancer": wanted},
    )["loadbalancer"]
    others = [vip["ip_address"] for vip in made["additional_vips"]]
    return Balancer(
        id=made["id"],
        name=name,
        vips=tuple(map(ipaddress.ip_address, (made["vip_address"], *others))),
        size=SIZE,
        before=before,
    )


def call(
    bench: Bench,
    method: str,
    amphora: Amphora,
    body: rest.Body | None = None,
) -> rest.Body:
    """One call below the amphora; what is under ``drain``."""
    answer = bench.admin.request(
        method, rest.LOAD_BALANCER, f"{AMPHORAE}/{amphora.id}/drain", body
    )
    return dict((answer or {}).get("drain") or {})


@dataclasses.dataclass(frozen=True, slots=True)
class Flows:
    """Connections that are held open, with a request each 0.2 s."""

    generator: clients.Generator

    def broken(self) -> frozenset[int]:
        """Which broke until now: each was asked after this call began."""
        since = time.time()

        def is_known() -> bool:
            records = self.generator.records()
            broken = traffic_record.summarize_flows(records).broken
            asked = {r.flow for r in records if r.start > since}
            return len(asked | broken) >= FLOWS

        process.wait_until(is_known, SECONDS, "an answer to each flow", 0.2)
        return traffic_record.summarize_flows(self.generator.records()).broken


@pytest.fixture
def flows(bench: Bench, four: Balancer) -> collections.abc.Iterator[Flows]:
    """Two hundred of them, on a whole cluster."""
    bench.await_converged(four)
    rescuing.await_state(bench, four, "on")
    target = http_probe.Target(address=four.v4, port=80)
    generator = clients.start_keepalive(
        bench.lab, bench.registry, target, FLOWS, seconds=300.0
    )
    try:
        yield Flows(generator)
    finally:
        process.stop(bench.registry, generator.label, 10.0)


def is_draining(bench: Bench, balancer: Balancer, amphora: Amphora) -> bool:
    """Whether its leaf was told so, with RFC 8326's community."""
    held = [
        path
        for vip in balancer.vips
        for path in observe.paths(bench.lab, amphora.leaf.name, prefix(vip))
        if path.next_hop in amphora.seen.addresses
    ]
    return bool(held) and all(
        GRACEFUL_SHUTDOWN in path.communities for path in held
    )


def drain(bench: Bench, balancer: Balancer, amphora: Amphora) -> None:
    """Ask for it, and wait until no leaf forwards to the amphora."""
    wanted = {"drain": {"timeout": DRAIN_SECONDS}}
    asked = call(bench, "PUT", amphora, wanted)
    assert asked["deadline"]
    process.wait_until(
        lambda: is_draining(bench, balancer, amphora), SECONDS, "GSHUT", 0.05
    )
    assert call(bench, "GET", amphora)["state"] == "DRAINING"
    process.wait_until(
        lambda: bench.is_withdrawn(balancer, amphora),
        SECONDS,
        "no leaf that uses its paths",
        0.05,
    )


def test_drain_and_undo_cost_no_new_request(
    bench: Bench, four: Balancer, flows: Flows
) -> None:
    """Told by GRACEFUL_SHUTDOWN first; withdrawn when all ended; back."""
    victim = bench.amphorae(four)[0]
    instances = bench.instance_ids(four)
    before = call(bench, "GET", victim)
    assert before["state"] == "NONE"
    assert not flows.broken()
    with losses.stream(bench, four) as stream:
        drain(bench, four, victim)
        by_drain = flows.broken()
        process.wait_until(
            lambda: call(bench, "GET", victim)["state"] == "DRAINED",
            SECONDS,
            "the end of the drain",
            0.3,
        )
        by_withdrawal = flows.broken() - by_drain
        drained = call(bench, "GET", victim)
        shown = rescuing.cluster(bench, four)
        call(bench, "DELETE", victim)
        process.wait_until(
            lambda: bench.announces(four, victim), SECONDS, "its paths", 0.05
        )
        by_undo = flows.broken() - by_drain - by_withdrawal
        lost = stream.end()
    print(  # noqa: T201 - the figures of ADR 0123
        f"\n{four.name}: of {FLOWS} connections broke: {len(by_drain)} as "
        f"the drain began, {len(by_withdrawal)} by the withdrawal, "
        f"{len(by_undo)} by the undo; {drained['connections']} were left at "
        f"its end; of {lost.total} new requests failed: {dict(lost.failed)}"
    )
    assert lost.is_planned_change_only, lost
    assert not by_drain | by_withdrawal | by_undo
    process.wait_until(
        lambda: rescuing.counted(bench, four, "carried") > 0,
        SECONDS,
        "counts of flow rescue, which are stored at intervals",
        1.0,
    )
    assert f"{victim.id}: drained by wish" in shown["reason"]
    assert shown["operating_status"] == "DEGRADED"
    assert bench.provisioning(four.id) == "ACTIVE"
    bench.await_converged(four)
    assert bench.instance_ids(four) == instances, "nobody was replaced"


def test_members_alone_reach_the_tunnel_of_flow_rescue(
    bench: Bench, four: Balancer
) -> None:
    """Neutron's rules, after all that Octavia did to the group."""
    (group,) = bench.admin.get(
        rest.NETWORK, f"/v2.0/security-groups?name=lb-{four.id}"
    )["security_groups"]
    rules = [
        rule
        for rule in group["security_group_rules"]
        if rule["port_range_min"] == RESCUE_PORT
    ]
    assert sorted(rule["ethertype"] for rule in rules) == ["IPv4", "IPv6"]
    for rule in rules:
        assert rule["direction"] == "ingress"
        assert rule["remote_group_id"] == group["id"]
        assert rule["remote_ip_prefix"] is None


def test_without_flow_rescue_a_drain_breaks_connections(
    bench: Bench, four: Balancer, flows: Flows
) -> None:
    """The control."""
    victim = bench.amphorae(four)[0]
    rescuing.switch(bench, four, is_on=False)
    assert not flows.broken()
    call(bench, "PUT", victim, {"drain": {"timeout": 5}})
    process.wait_until(
        lambda: bench.is_withdrawn(four, victim), SECONDS, "a drain", 0.05
    )
    broken = flows.broken()
    call(bench, "DELETE", victim)
    rescuing.switch(bench, four, is_on=True)
    print(  # noqa: T201 - the figures of ADR 0123
        f"\n{four.name}: without flow rescue {len(broken)} of {FLOWS} broke"
    )
    assert broken
    bench.await_converged(four)


def test_nobody_drains_below_the_minimum(bench: Bench, four: Balancer) -> None:
    """Two of four: min_size is two. The others serve."""
    first, second, third, _ = bench.amphorae(four)
    for amphora in (first, second):
        call(bench, "PUT", amphora, {"drain": {"timeout": 5}})
    with pytest.raises(rest.ApiError, match="min_size is 2") as refused:
        call(bench, "PUT", third)
    assert refused.value.status == 409

    process.wait_until(
        lambda: all(
            call(bench, "GET", a)["state"] == "DRAINED"
            and bench.is_withdrawn(four, a)
            for a in (first, second)
        ),
        SECONDS,
        "two that announce",
        0.5,
    )
    for vip in four.vips:
        assert {a.status for a in bench.ask(str(vip), count=10)} == {200}
    assert not bench.planned(four)
    for amphora in (first, second):
        call(bench, "DELETE", amphora)
    bench.await_converged(four)


def test_without_a_drain_it_loses(
    bench: Bench, four: Balancer, flows: Flows
) -> None:
    """The control: the same amphora loses power."""
    victim = bench.amphorae(four)[0]
    assert not flows.broken()
    with losses.stream(bench, four) as stream:
        bench.machines.kill(victim.instance_id, hypervisor.Loss.POWER)
        process.wait_until(
            lambda: bench.is_withdrawn(four, victim),
            SECONDS,
            "the withdrawal",
            0.05,
        )
        broken = flows.broken()
        lost = stream.end()
    print(  # noqa: T201 - the figures of ADR 0078
        f"\n{four.name}: of {FLOWS} connections broke: {len(broken)} by the "
        f"loss of power; of {lost.total} new requests {lost.vanished} packets "
        f"vanished and failed: {dict(lost.failed)}"
    )
    assert lost.vanished
    assert broken
    bench.await_converged(four)
