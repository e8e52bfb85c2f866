# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Subnets of members: several in one network, host routes, those that a
client is in, the front end's own.

One load balancer of one amphora. Where the client is in a member's subnet,
the member port's bridge drops what is not sent from that subnet, as Neutron
does: the answers have to leave by the front end.
"""

import dataclasses
import ipaddress
import json
import sys
import typing
from collections.abc import Iterator

import pytest
from balancer_objects import changed
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import seed
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import members

pytestmark = pytest.mark.lab

NAME = "subnets"
CLIENT_LEAF = settings.LEAVES[2]
LEAF = settings.RACK_LEAVES[0]
FRONT_END_SERVER = "leaf1-server"
SECOND, THIRD = settings.MEMBERS[1:]
# Another subnet of the members' network, and one behind a member.
OTHER_V4 = ipaddress.ip_network("10.11.0.0/24")
BEHIND_V4 = ipaddress.ip_network("10.12.0.0/24")
ANTI_SPOOFING = "lab_anti_spoofing"


@dataclasses.dataclass(frozen=True, slots=True)
class Subnets:
    """The subnets made here: name -> id."""

    ids: dict[str, str]


def _remove_networks(bench: Bench, network: typing.Any) -> None:
    for name in ("clients-v4", "clients-v6", "other-v4"):
        for subnet in list(network.subnets(name=name)):
            network.delete_subnet(subnet)
    for found in list(network.networks(name="clients")):
        network.delete_network(found)


@pytest.fixture(scope="module")
def subnets(bench: Bench) -> Iterator[Subnets]:
    """A network of the clients, and a second subnet of the members'."""
    bench.remove_earlier(NAME)
    network = bench.connection_as("admin").network
    _remove_networks(bench, network)
    clients = network.create_network(name="clients", is_shared=True)
    ids = {}
    for gateway in (CLIENT_LEAF.gateway_v4, CLIENT_LEAF.gateway_v6):
        name = f"clients-v{gateway.version}"
        first = gateway.network.network_address + 100
        ids[name] = network.create_subnet(
            name=name,
            network_id=clients.id,
            ip_version=gateway.version,
            cidr=str(gateway.network),
            gateway_ip=None,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": str(first), "end": str(first + 100)}],
        ).id
    ids["other-v4"] = network.create_subnet(
        name="other-v4",
        network_id=network.find_network(seed.BACKEND_NETWORK).id,
        ip_version=4,
        cidr=str(OTHER_V4),
        gateway_ip=None,
        is_dhcp_enabled=False,
        host_routes=[
            {
                "destination": str(BEHIND_V4),
                "nexthop": str(OTHER_V4.network_address + 13),
            }
        ],
    ).id
    before = bench.lab.wiring.read_text()
    place = {
        "namespace": bench.lab.namespace(CLIENT_LEAF.name),
        "bridge": settings.FRONT_END_BRIDGE,
    }
    wired = {**json.loads(before), clients.id: {"*": place}}
    bench.lab.wiring.write_text(json.dumps(wired))
    yield Subnets(ids | bench.subnets)
    bench.remove_earlier(NAME)
    bench.lab.wiring.write_text(before)
    _remove_networks(bench, network)


@pytest.fixture(scope="module")
def servers(bench: Bench) -> Iterator[None]:
    """Members at further addresses, and one in the front end's subnet."""
    netns.ip_batch(
        bench.lab.namespace(SECOND.name),
        [f"address replace {OTHER_V4.network_address + 12}/24 dev eth0"],
    )
    netns.ip_batch(
        bench.lab.namespace(THIRD.name),
        [
            f"address replace {OTHER_V4.network_address + 13}/24 dev eth0",
            f"address replace {BEHIND_V4.network_address + 13}/32 dev lo",
        ],
    )
    process.stop(bench.registry, FRONT_END_SERVER)
    process.spawn(
        bench.registry,
        FRONT_END_SERVER,
        [
            *(sys.executable, "-m", members.__name__),
            *(FRONT_END_SERVER, str(settings.MEMBER_PORT)),
        ],
        namespace=bench.lab.namespace(LEAF.name),
        log=bench.lab.log_dir / f"{FRONT_END_SERVER}.log",
    )
    yield
    process.stop(bench.registry, FRONT_END_SERVER)
    for member in (SECOND, THIRD):
        netns.ip_batch(
            bench.lab.namespace(member.name),
            [f"address flush dev eth0 to {OTHER_V4}"],
        )
    netns.ip_batch(
        bench.lab.namespace(THIRD.name),
        [f"address flush dev lo to {BEHIND_V4}"],
    )


def _member(
    subnets: Subnets, name: str, address: object, subnet: str
) -> dict[str, object]:
    return {
        "name": name,
        "address": str(address),
        "protocol_port": settings.MEMBER_PORT,
        "subnet_id": subnets.ids[subnet],
    }


@pytest.fixture(scope="module")
def spread(bench: Bench, subnets: Subnets, servers: None) -> Balancer:
    """A load balancer with members of both families and in the front end."""
    front_end = seed.front_end_network(str(LEAF.rack))
    pool = {
        "name": NAME,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": [
            _member(
                subnets, "v4", settings.MEMBERS[0].address_v4.ip, "backend-v4"
            ),
            _member(subnets, "v6", SECOND.address_v6.ip, "backend-v6"),
            _member(subnets, "leaf", LEAF.gateway_v4.ip, f"{front_end}-v4"),
        ],
    }
    made = bench.create(
        NAME,
        1,
        listeners=[
            {
                "name": NAME,
                "protocol": "HTTP",
                "protocol_port": 80,
                # They overlap; the last two say the same.
                "allowed_cidrs": [
                    "0.0.0.0/0",
                    "10.3.0.0/16",
                    "10.3.0.10/32",
                    "::/0",
                    "fd00:10:3::/64",
                ],
                "default_pool": pool,
            }
        ],
    )
    bench.await_active(made.id)
    bench.await_whole(made)
    return made


def _answering(bench: Bench, vip: str) -> set[str]:
    answers = bench.await_answers(lambda a: a.status == 200, vip, count=12)
    return {answer.member for answer in answers}


def test_members_of_both_families_and_in_the_front_end(
    bench: Bench, spread: Balancer
) -> None:
    for vip in (spread.v4, spread.v6):
        assert _answering(bench, vip) == {
            settings.MEMBERS[0].name,
            SECOND.name,
            FRONT_END_SERVER,
        }


def test_a_client_in_the_front_ends_subnet(
    bench: Bench, spread: Balancer
) -> None:
    for vip in (spread.v4, f"[{spread.v6}]"):
        done = netns.run(
            bench.lab.namespace(LEAF.name),
            ["curl", "-sf", "-m", "5", f"http://{vip}/"],
        )
        assert done.stdout.strip()


def test_a_second_subnet_of_a_network_and_its_host_routes(
    bench: Bench, spread: Balancer, subnets: Subnets
) -> None:
    """The network is plugged already: its port gets another address."""
    (pool,) = bench.octavia.pools(loadbalancer_id=spread.id, name=NAME)
    before = {m.name: m for m in bench.octavia.members(pool.id)}
    with changed(bench, spread):
        bench.octavia.put(
            f"/lbaas/pools/{pool.id}/members",
            json={
                "members": [
                    _member(
                        subnets,
                        "other",
                        OTHER_V4.network_address + 12,
                        "other-v4",
                    ),
                    _member(
                        subnets,
                        "behind",
                        BEHIND_V4.network_address + 13,
                        "other-v4",
                    ),
                    _member(
                        subnets,
                        "v4",
                        settings.MEMBERS[0].address_v4.ip,
                        "backend-v4",
                    ),
                ]
            },
        ).raise_for_status()
    assert set(before) == {"v4", "v6", "leaf"}
    for vip in (spread.v4, spread.v6):
        assert _answering(bench, vip) == {m.name for m in settings.MEMBERS}


def _forbid_spoofing(bench: Bench, balancer: Balancer) -> None:
    """Drop what the amphora's member ports send from others' addresses."""
    (amphora,) = bench.amphorae(balancer)
    place = bench.lab.namespace(CLIENT_LEAF.name)
    (tap,) = (
        nic.tap
        for nic in bench.machines.get(amphora.instance_id).nics
        if nic.wire.namespace == place
    )
    v4, v6 = CLIENT_LEAF.gateway_v4.network, CLIENT_LEAF.gateway_v6.network
    rules = f"""
    table bridge {ANTI_SPOOFING} {{
      chain ports {{
        type filter hook prerouting priority -300; policy accept;
        iifname "{tap}" ip saddr != {v4} drop
        iifname "{tap}" ip6 saddr != {{ {v6}, fe80::/10, :: }} drop
      }}
    }}
    """
    netns.run(place, ["nft", "-f", "-"], stdin=rules)


def test_a_client_in_a_members_subnet(
    bench: Bench, spread: Balancer, subnets: Subnets
) -> None:
    (pool,) = bench.octavia.pools(loadbalancer_id=spread.id, name=NAME)
    for version, address in (
        (4, settings.CLIENT_V4.ip + 1),
        (6, settings.CLIENT_V6.ip + 1),
    ):
        with changed(bench, spread):
            bench.octavia.create_member(
                pool.id,
                **_member(
                    subnets, f"c{version}", address, f"clients-v{version}"
                ),
                backup=True,
            )
    _forbid_spoofing(bench, spread)
    try:
        for vip in (spread.v4, spread.v6):
            assert _answering(bench, vip) == {m.name for m in settings.MEMBERS}
    finally:
        netns.run(
            bench.lab.namespace(CLIENT_LEAF.name),
            ["nft", "delete", "table", "bridge", ANTI_SPOOFING],
            check=False,
        )
