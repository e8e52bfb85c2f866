# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who may do what: real Keystone, real tokens.

Keystone's tokens carry the roles that our rules and Octavia's expect: that is
shown here, by a row for each set of people. Every rule of ours is asked by
everybody in the functional tests (``test_policies.py``). Who is refused gets
403, and what was to be changed is as before.
"""

import collections.abc
import dataclasses
import json
import typing

import people
import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
BALANCERS = "/v2/lbaas/loadbalancers"
AMPHORAE = "/v2/octavia/amphorae"
PEER_IP = "172.31.0.99"
SPARE_IP = "172.31.0.97"
PASSWORD = "rbac-password"

ALL = {person.name for person in people.PEOPLE}
ADMINS = {"admin", "lb-admin"}
GLOBAL_READERS = ADMINS | {"global-observer"}
READERS = ALL - {"outsider"}
OWNERS = READERS - {"stranger"}


@dataclasses.dataclass(slots=True)
class World:
    """What is asked for: paths of things that exist."""

    everybody: people.People
    operator: rest.Api
    distributor: str
    speaker: str
    peer: str
    spare_peer: str
    balancer: str
    amphora: str

    def path(self, template: str) -> str:
        """A path with the ids filled in."""
        names = [field.name for field in dataclasses.fields(self)][2:]
        return template.format(**{n: getattr(self, n) for n in names})


def _peer(name: str, peer_ip: str = PEER_IP) -> dict[str, typing.Any]:
    return {
        "bgp_peer": {
            "name": name,
            "peer_ip": peer_ip,
            "remote_as": 65099,
            "auth_type": "md5",
            "password": PASSWORD,
        }
    }


def _made(api: rest.Api, path: str, body: typing.Any) -> str:
    (created,) = api.request("POST", rest.LOAD_BALANCER, path, body).values()
    return str(created["id"])


def _settled(api: rest.Api, distributor_id: str) -> None:
    """Wait until the distributor may be changed."""

    def is_so() -> bool:
        found = api.get(rest.LOAD_BALANCER, f"{DISTRIBUTORS}/{distributor_id}")
        status = found["distributor"]["provisioning_status"]
        return status in ("ACTIVE", "ERROR")

    process.wait_until(is_so, 60.0, "a settled distributor", 0.2)


def _gone(api: rest.Api, path: str) -> None:
    process.wait_until(
        lambda: people.call(api, "GET", path).status == 404,
        60.0,
        f"{path} gone",
        0.2,
    )


@pytest.fixture(scope="module")
def world(bench: Bench, balancer: Balancer) -> collections.abc.Iterator[World]:
    keystone = bench.connection_as("admin").identity
    everybody = people.invite(bench.plane, keystone)
    api = bench.admin
    peer = _made(api, PEERS, _peer("rbac-peer"))
    spare = _made(api, PEERS, _peer("rbac-spare", SPARE_IP))
    distributor = _made(
        api,
        DISTRIBUTORS,
        {"distributor": {"name": "rbac", "distributor_type": "L3_BGP"}},
    )
    _settled(api, distributor)
    speaker = _made(
        api,
        SPEAKERS,
        {
            "bgp_speaker": {
                "distributor_id": distributor,
                "ip_version": 4,
                "local_as": 65100,
                "peers": [{"id": peer}],
            }
        },
    )
    _settled(api, distributor)
    made = World(
        everybody=everybody,
        operator=api,
        distributor=distributor,
        speaker=speaker,
        peer=peer,
        spare_peer=spare,
        balancer=balancer.id,
        amphora=bench.amphorae(balancer)[0].id,
    )
    yield made
    _settled(api, distributor)
    path = f"{DISTRIBUTORS}/{distributor}"
    people.call(api, "DELETE", f"{path}?cascade=true")
    _gone(api, path)
    people.call(api, "DELETE", f"{PEERS}/{spare}")
    everybody.remove()


# One row for each set of people, and all of what Octavia's own rules guard.
READS = [
    (DISTRIBUTORS, READERS),
    (PEERS, GLOBAL_READERS),
    (f"{BALANCERS}/{{balancer}}/cluster", OWNERS),
    (f"{BALANCERS}/{{balancer}}", OWNERS),
    (AMPHORAE, ADMINS),
    (f"{AMPHORAE}/{{amphora}}", ADMINS),
    (f"{AMPHORAE}/{{amphora}}/stats", ADMINS),
]


@pytest.mark.parametrize(("template", "allowed"), READS)
@pytest.mark.parametrize("name", sorted(ALL))
def test_reading(
    world: World, name: str, template: str, allowed: set[str]
) -> None:
    answer = world.everybody.call(name, "GET", world.path(template))
    wanted = 200 if name in allowed else 403
    assert answer.status == wanted, answer.body


WRITES = [
    # (method, path, body): for administrators, and for nobody else
    (
        "PUT",
        f"{DISTRIBUTORS}/{{distributor}}",
        {"distributor": {"description": "by {name}"}},
    ),
    ("PUT", f"{PEERS}/{{peer}}", {"bgp_peer": {"med": 10}}),
    ("PUT", f"{SPEAKERS}/{{speaker}}", {"bgp_speaker": {"local_as": 65100}}),
    ("PUT", f"{SPEAKERS}/{{speaker}}/bgp-peers/{{spare_peer}}", None),
    ("DELETE", f"{SPEAKERS}/{{speaker}}/bgp-peers/{{spare_peer}}", None),
]
# One of ours, and all of what Octavia's own rules guard.
REFUSED_WRITES = [
    WRITES[0],
    ("PUT", f"{AMPHORAE}/{{amphora}}/failover", None),
    ("PUT", f"{AMPHORAE}/{{amphora}}/config", None),
    ("DELETE", f"{AMPHORAE}/{{amphora}}", None),
]


def _everything(world: World) -> str:
    """All that a refused write could have changed, as the operator sees it."""
    paths = (DISTRIBUTORS, PEERS, SPEAKERS, f"{AMPHORAE}/{world.amphora}")
    found = [world.operator.get(rest.LOAD_BALANCER, path) for path in paths]
    return json.dumps(found, sort_keys=True)


@pytest.mark.parametrize(("method", "template", "body"), REFUSED_WRITES)
@pytest.mark.parametrize("name", sorted(ALL - ADMINS))
def test_only_administrators_write(
    world: World,
    name: str,
    method: str,
    template: str,
    body: dict[str, typing.Any] | None,
) -> None:
    before = _stable(world)
    answer = world.everybody.call(name, method, world.path(template), body)
    assert answer.status == 403, answer.body
    assert _stable(world) == before


def _stable(world: World) -> str:
    """The same without what the controller alone changes all the time."""
    moving = ("updated_at", "operating_status", "status_reason")

    def kept(value: typing.Any) -> typing.Any:
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in moving}
        if isinstance(value, list):
            return [kept(one) for one in value]
        return value

    return json.dumps(kept(json.loads(_everything(world))), sort_keys=True)


@pytest.mark.parametrize("name", sorted(ADMINS))
def test_administrators_write(world: World, name: str) -> None:
    """The control of the test above: the same calls, and they do it."""
    for method, template, body in WRITES:
        _settled(world.operator, world.distributor)
        answer = world.everybody.call(name, method, world.path(template), body)
        assert answer.status == 200, (method, template, answer.body)
    _settled(world.operator, world.distributor)
    peer = world.everybody.call(name, "POST", PEERS, _peer(f"rbac-{name}"))
    assert peer.status == 200, peer.body
    path = f"{PEERS}/{peer.body['bgp_peer']['id']}"
    assert world.everybody.call(name, "DELETE", path).status == 200
    made = world.everybody.call(
        name, "POST", DISTRIBUTORS, {"distributor": {"name": f"rbac-{name}"}}
    )
    assert made.status == 200, made.body
    own = made.body["distributor"]["id"]
    _settled(world.operator, own)
    path = f"{DISTRIBUTORS}/{own}"
    assert world.everybody.call(name, "DELETE", path).status == 200
    _gone(world.operator, path)


@pytest.mark.parametrize("name", sorted(READERS - GLOBAL_READERS))
def test_a_tenant_sees_no_address_of_a_peer(world: World, name: str) -> None:
    """The distributors, whole, hold nothing of the fabric but ids."""
    path = world.path(f"{DISTRIBUTORS}/{{distributor}}")
    shown = [
        world.everybody.call(name, "GET", where).body
        for where in (DISTRIBUTORS, path, SPEAKERS)
    ]
    text = json.dumps(shown)
    assert world.peer in text  # it is there, as an id
    addresses = [str(leaf.mgmt.ip) for leaf in settings.LEAVES]
    for secret in (PEER_IP, *addresses, "peer_ip", "remote_as", PASSWORD):
        assert secret not in text, secret


def test_an_operator_sees_it(world: World) -> None:
    """The control of the test above."""
    path = world.path(f"{PEERS}/{{peer}}")
    shown = world.everybody.call("global-observer", "GET", path).body
    assert PEER_IP in json.dumps(shown)
    assert PASSWORD not in json.dumps(shown)


def test_another_project_sees_nothing_of_a_load_balancer(
    world: World,
) -> None:
    listed = world.everybody.call("stranger", "GET", BALANCERS)
    assert listed.body["loadbalancers"] == []
    own = world.everybody.call("member", "GET", BALANCERS)
    assert world.balancer in {b["id"] for b in own.body["loadbalancers"]}


def test_a_member_sees_the_cluster_without_its_amphorae(world: World) -> None:
    path = world.path(f"{BALANCERS}/{{balancer}}/cluster")
    tenants = world.everybody.call("member", "GET", path).body["cluster"]
    operators = world.everybody.call("lb-admin", "GET", path).body["cluster"]
    assert not tenants.get("amphorae")
    assert world.amphora in {a["id"] for a in operators["amphorae"]}
    assert tenants["amphora_count"] == len(operators["amphorae"])


@pytest.fixture
def private_network(
    bench: Bench, world: World
) -> collections.abc.Iterator[tuple[str, str]]:
    """A network with an IPv4 subnet that only project demo has."""
    neutron = bench.connection_as("admin").network
    network = neutron.create_network(
        name="rbac-private", project_id=world.everybody.project_ids["demo"]
    )
    subnet = neutron.create_subnet(
        name="rbac-private",
        network_id=network.id,
        ip_version=4,
        cidr="10.99.0.0/24",
        project_id=network.project_id,
    )
    yield network.id, subnet.id
    neutron.delete_network(network)


def test_a_member_cannot_use_another_projects_network(
    bench: Bench, world: World, private_network: tuple[str, str]
) -> None:
    """To the stranger it is not there; to its owner it is.

    The VIP is IPv6 and the subnet IPv4, so the owner is refused as well, with
    another sentence: nothing is made in either case.
    """
    network, subnet = private_network
    said = {}
    for name in ("member", "stranger"):
        answer = world.everybody.call(
            name,
            "POST",
            BALANCERS,
            {
                "loadbalancer": {
                    "name": "rbac-front-end",
                    "vip_subnet_id": bench.subnets["anycast-v6"],
                    "flavor_id": bench.flavor_id(1),
                    "frontend_network_id": network,
                    "frontend_subnet_id": subnet,
                }
            },
        )
        assert answer.status in (400, 404), answer.body
        said[name] = answer.body
    assert said["member"] != said["stranger"]
    assert f"there is no subnet {subnet}" in said["stranger"]
    assert "there is no" not in said["member"]
    assert list(bench.operator.load_balancers(name="rbac-front-end")) == []


def test_the_networks_of_the_lab_are_everybodys(bench: Bench) -> None:
    """What the test above relies on: sharing is what makes the difference."""
    neutron = bench.connection_as("admin").network
    shared = {n.name for n in neutron.networks() if n.is_shared}
    assert {n.name for n in seed.networks() if n.shared} <= shared
    assert "rbac-private" not in shared
