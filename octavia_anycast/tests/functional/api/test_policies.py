# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each policy rule of ours, asked by everybody (Keystone: lab/tests).

A row for each rule; a rule without one fails. Who is refused gets 403 and
changes nothing; who is not gets the rule's own answer.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from octavia.common import constants, policy
from oslo_config import cfg
from oslo_policy import generator
from oslo_policy._checks import FalseCheck

from octavia_anycast.api import policies
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.testing.api_server import (
    PROJECT_ID,
    ApiServer,
    Snapshot,
)
from octavia_anycast.tests.functional.amphora_rows import make_ours

OTHER_PROJECT = "0f0e0d0c0b0a09080706050403020100"
D = "/v2/lbaas/distributors"
P = "/v2/lbaas/bgp-peers"
S = "/v2/lbaas/bgp-speakers"
B = "/v2/lbaas/loadbalancers"
A = "/v2/octavia/amphorae"
V = D + "/{announcer}/vips"
R = D + "/{announcer}/amphorae"
Z = "/v2/lbaas/zone-drains"
F = "/v2/lbaas/fleet-changes"
# Person -> project and roles. Those named lb-... have Octavia's own roles
# only, which count if the operator wants them (enforce_new_defaults: false).
PEOPLE = {
    "admin": (OTHER_PROJECT, "admin"),
    "member": (PROJECT_ID, "member"),
    "reader": (PROJECT_ID, "reader"),
    "stranger": (OTHER_PROJECT, "member,reader"),
    "outsider": (PROJECT_ID, "swift-operator"),
    "lb-admin": (OTHER_PROJECT, "load-balancer_admin"),
    "lb-global-observer": (OTHER_PROJECT, "load-balancer_global_observer"),
    "lb-member": (PROJECT_ID, "load-balancer_member"),
    "lb-observer": (PROJECT_ID, "load-balancer_observer"),
    "lb-quota-admin": (OTHER_PROJECT, "load-balancer_quota_admin"),
}
ADMINS = {"admin", "lb-admin"}
GLOBAL_READERS = ADMINS | {"lb-global-observer"}
READERS = set(PEOPLE) - {"outsider", "lb-quota-admin"}
OWNERS = READERS - {"stranger"}
TENANTS = READERS - GLOBAL_READERS


@dataclass(frozen=True, slots=True)
class Row:
    """A rule: the call that it guards, who may, and what they get."""

    method: str
    path: str
    allowed: set[str]
    status: int
    body: Callable[[dict[str, str]], Any] = lambda ids: None


def _new_speaker(ids: dict[str, str]) -> Any:
    return {
        "bgp_speaker": {
            "distributor_id": ids["distributor"],
            "ip_version": 6,
            "local_as": 65100,
        }
    }


ROWS = {
    "distributor:get_all": Row("GET", D, READERS, 200),
    "distributor:get_one": Row("GET", D + "/{distributor}", READERS, 200),
    "distributor:post": Row(
        "POST", D, ADMINS, 201, lambda ids: samples.distributor()
    ),
    "distributor:put": Row(
        "PUT",
        D + "/{distributor}",
        ADMINS,
        200,
        lambda ids: {"distributor": {"description": "changed"}},
    ),
    "distributor:delete": Row("DELETE", D + "/{distributor}", ADMINS, 204),
    "distributor:get_paths": Row(
        "GET", D + "/{distributor}/paths", GLOBAL_READERS, 200
    ),
    "distributor:get_checks": Row(
        "GET", "/v2/lbaas/distributor-checks", GLOBAL_READERS, 200
    ),
    "distributor:get_events": Row(
        "GET", D + "/{distributor}/events", GLOBAL_READERS, 200
    ),
    "distributor:get_vips": Row("GET", V, GLOBAL_READERS, 200),
    "distributor:get_vip": Row("GET", V + "/{vip}", GLOBAL_READERS, 200),
    "distributor:post_vip": Row(
        "POST",
        V,
        ADMINS,
        201,
        lambda ids: {
            "vip": {"vip_address": "203.0.113.8", "next_hop": "10.1.0.8"}
        },
    ),
    "distributor:delete_vip": Row("DELETE", V + "/{vip}", ADMINS, 204),
    "distributor:get_amphorae": Row("GET", R, GLOBAL_READERS, 200),
    "distributor:get_amphora": Row(
        "GET", R + "/{registration}", GLOBAL_READERS, 200
    ),
    "distributor:post_amphora": Row(
        "POST",
        R,
        ADMINS,
        201,
        lambda ids: {
            "amphora": {
                "load_balancer_id": ids["load_balancer"],
                "amphora_id": ids["other_amphora"],
            }
        },
    ),
    "distributor:delete_amphora": Row(
        "DELETE", R + "/{registration}", ADMINS, 204
    ),
    "distributor:put_amphora_drain": Row(
        "PUT", R + "/{registration}/drain", ADMINS, 202, lambda _: {}
    ),
    "distributor:delete_amphora_drain": Row(
        "DELETE", R + "/{registration}/drain", ADMINS, 204
    ),
    "bgp-peer:get_all": Row("GET", P, GLOBAL_READERS, 200),
    "bgp-peer:get_one": Row("GET", P + "/{peer}", GLOBAL_READERS, 200),
    "bgp-peer:post": Row(
        "POST", P, ADMINS, 201, lambda ids: {"bgp_peer": samples.peer()}
    ),
    "bgp-peer:put": Row(
        "PUT", P + "/{peer}", ADMINS, 200, lambda ids: {"bgp_peer": {"med": 7}}
    ),
    "bgp-peer:delete": Row("DELETE", P + "/{spare}", ADMINS, 204),
    "bgp-speaker:get_all": Row("GET", S, READERS, 200),
    "bgp-speaker:get_one": Row("GET", S + "/{speaker}", READERS, 200),
    "bgp-speaker:post": Row("POST", S, ADMINS, 201, _new_speaker),
    "bgp-speaker:put": Row(
        "PUT",
        S + "/{speaker}",
        ADMINS,
        200,
        lambda ids: {"bgp_speaker": {"local_as": 65101}},
    ),
    "bgp-speaker:delete": Row("DELETE", S + "/{speaker}", ADMINS, 204),
    "bgp-speaker:put_peer": Row(
        "PUT", S + "/{speaker}/bgp-peers/{spare}", ADMINS, 200
    ),
    "bgp-speaker:delete_peer": Row(
        "DELETE", S + "/{speaker}/bgp-peers/{peer}", ADMINS, 204
    ),
    "cluster:get_one": Row("GET", B + "/{load_balancer}/cluster", OWNERS, 200),
    "cluster:put": Row(
        "PUT",
        B + "/{load_balancer}/cluster",
        OWNERS - {"reader", "lb-observer", "lb-global-observer"},
        202,
        lambda ids: {"cluster": {"desired_size": 3}},
    ),
    "loadbalancer:get_events": Row(
        "GET", B + "/{load_balancer}/events", OWNERS, 200
    ),
    "zone-drain:get_all": Row("GET", Z, GLOBAL_READERS, 200),
    "zone-drain:get_one": Row("GET", Z + "/{zone_drain}", GLOBAL_READERS, 200),
    "zone-drain:post": Row(
        "POST",
        Z,
        ADMINS,
        201,
        lambda ids: {"zone_drain": {"peer_id": ids["peer"], "duration": 600}},
    ),
    "zone-drain:delete": Row("DELETE", Z + "/{zone_drain}", ADMINS, 204),
    "fleet:get": Row("GET", "/v2/lbaas/fleet", GLOBAL_READERS, 200),
    "fleet-change:get_all": Row("GET", F, GLOBAL_READERS, 200),
    "fleet-change:get_one": Row(
        "GET", F + "/{fleet_change}", GLOBAL_READERS, 200
    ),
    "fleet-change:post": Row(
        "POST",
        F,
        ADMINS,
        201,
        lambda ids: {"fleet_change": {"kind": "image"}},
    ),
    "fleet-change:put": Row(
        "PUT",
        F + "/{fleet_change}",
        ADMINS,
        200,
        lambda ids: {"fleet_change": {"state": "ABORTED"}},
    ),
    "amphora:get_drain": Row("GET", A + "/{amphora}/drain", ADMINS, 200),
    "amphora:put_drain": Row("PUT", A + "/{amphora}/drain", ADMINS, 202),
    "amphora:delete_drain": Row("DELETE", A + "/{amphora}/drain", ADMINS, 204),
}
# They guard a part of a call, not the call; they have tests of their own.
OF_CONTENT = {
    "cluster:get_amphorae": "cluster:get_one",
    "cluster:put_max_size": "cluster:put",
    "loadbalancer:get_event_details": "loadbalancer:get_events",
}


@pytest.fixture(scope="module")
def prepared(server: ApiServer) -> tuple[Snapshot, dict[str, str]]:
    """One thing of each kind; the distributor is settled."""
    server.reset()
    distributor = server.create(D, samples.distributor())
    (speaker,) = distributor["speakers"]
    spare = server.create(
        P, {"bgp_peer": samples.peer(name="spare", peer_ip="172.31.0.19")}
    )
    server.create(D, samples.distributor(name="busy", is_default=True))
    announcer = server.create(
        D, samples.distributor(speakers=[], dedicated_count=1)
    )
    vip = server.create(
        V.format(announcer=announcer["id"]),
        {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}},
    )
    server.settle()
    _, (subnet_id,) = server.neutron.add_network("198.51.100.0/24")
    balancer = server.create(B, {"loadbalancer": {"vip_subnet_id": subnet_id}})
    octavia_rows.settle()
    amphora_id, other = (make_ours(server, balancer["id"], n) for n in (1, 2))
    registration = server.create(
        R.format(announcer=announcer["id"]),
        {
            "amphora": {
                "load_balancer_id": balancer["id"],
                "amphora_id": amphora_id,
            }
        },
    )
    drained = server.create(
        Z, {"zone_drain": {"peer_id": spare["id"], "duration": 600}}
    )
    change = server.create(F, {"fleet_change": {"kind": "image"}})
    aborted = {"fleet_change": {"state": "ABORTED"}}
    server.call("PUT", f"{F}/{change['id']}", aborted)
    return server.snapshot(), {
        "zone_drain": drained["id"],
        "fleet_change": change["id"],
        "load_balancer": balancer["id"],
        "amphora": amphora_id,
        "distributor": distributor["id"],
        "speaker": speaker["id"],
        "peer": speaker["peers"][0]["id"],
        "spare": spare["id"],
        "announcer": announcer["id"],
        "vip": vip["id"],
        "registration": registration["id"],
        "other_amphora": other,
    }


@pytest.fixture
def api(
    server: ApiServer, prepared: tuple[Snapshot, dict[str, str]]
) -> ApiServer:
    """The API with these things in it."""
    server.restore(prepared[0])
    return server


@pytest.fixture
def ids(prepared: tuple[Snapshot, dict[str, str]]) -> dict[str, str]:
    """Their ids."""
    return prepared[1]


@pytest.fixture(scope="module")
def untouched(
    server: ApiServer, prepared: tuple[Snapshot, dict[str, str]]
) -> str:
    """What is stored before each test."""
    server.restore(prepared[0])
    return _everything(server)


@contextmanager
def _with_octavias_roles(are_wanted: bool) -> Iterator[None]:
    """Have Octavia's own roles count beside Keystone's, for a block."""
    cfg.CONF.set_override(
        "enforce_new_defaults", not are_wanted, group="oslo_policy"
    )
    policy.reset()
    policies.register()
    try:
        yield
    finally:
        cfg.CONF.clear_override("enforce_new_defaults", group="oslo_policy")
        policy.reset()
        policies.register()


@pytest.fixture(scope="module", params=[False, True])
def has_octavias_roles(request: Any, server: ApiServer) -> Iterator[bool]:
    """Both ways in which an operator can have it."""
    with _with_octavias_roles(request.param):
        yield request.param


@pytest.fixture(scope="module")
def octavias_roles(server: ApiServer) -> Iterator[None]:
    """For tests that want everybody."""
    with _with_octavias_roles(True):
        yield


def _short(rule: Any) -> str:
    return str(rule.name).removeprefix(f"{constants.LOADBALANCER_API}:")


def _call(api: ApiServer, person: str, row: Row, ids: dict[str, str]) -> Any:
    project, roles = PEOPLE[person]
    headers = {
        "X-Roles": roles,
        "X-Project-Id": project,
        "X-User-Id": person,
    }
    with api.authenticated():
        return api.call(
            row.method, row.path.format(**ids), row.body(ids), headers
        )


def _everything(api: ApiServer) -> str:
    """All that is stored, as the API shows it to whoever may see all."""
    vips = [
        f"{D}/{one['id']}/vips"
        for one in api.call("GET", D).body["distributors"]
    ]
    found = [api.call("GET", path).body for path in (D, P, S, *vips)]
    return json.dumps(found, sort_keys=True)


def test_each_rule_has_its_row():
    rules = {_short(rule) for rule in policies.RULES}
    assert rules == {*ROWS, *OF_CONTENT}


@pytest.mark.parametrize("rule", ROWS)
@pytest.mark.parametrize("person", PEOPLE)
def test_rule(api, ids, person, rule, untouched, has_octavias_roles):
    row = ROWS[rule]
    is_known = has_octavias_roles or not person.startswith("lb-")

    answer = _call(api, person, row, ids)

    if is_known and person in row.allowed:
        assert answer.status == row.status, answer.text
        return
    assert answer.status == 403, answer.text
    assert answer.fault
    assert _everything(api) == untouched


@pytest.mark.parametrize("rule", ROWS)
def test_the_row_asks_what_the_rule_guards(api, ids, rule):
    """With this one rule closed, nobody gets through; with others, they do.

    So the call is guarded by this rule and by no other one of ours.
    """
    row = ROWS[rule]
    name = f"{constants.LOADBALANCER_API}:{rule}"

    with _closed({name}):
        assert _call(api, "admin", row, ids).status == 403
    with _closed({one.name for one in policies.RULES} - {name}):
        assert _call(api, "admin", row, ids).status == row.status


@contextmanager
def _closed(names: set[str]) -> Iterator[None]:
    """Rules that let nobody through, for a block."""
    enforcer = policy.get_enforcer()
    enforcer.load_rules()
    before = {name: enforcer.rules[name] for name in names}
    enforcer.rules.update(dict.fromkeys(names, FalseCheck()))
    try:
        yield
    finally:
        enforcer.rules.update(before)


@pytest.mark.parametrize("rule", policies.RULES, ids=_short)
def test_rule_is_documented(rule):
    assert rule.description
    (operation,) = rule.operations
    name = _short(rule)
    row = ROWS[OF_CONTENT.get(name, name)]
    assert operation["method"] == row.method
    assert _shape(operation["path"]) == _shape(row.path)


def _shape(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.split("/")]


def test_the_generator_lists_them(tmp_path):
    output = tmp_path / "policy.yaml"

    generator.generate_sample(
        ["--namespace", "octavia_anycast", "--output-file", str(output)],
        conf=cfg.ConfigOpts(),
    )

    listed = output.read_text()
    for rule in policies.RULES:
        assert f'"{rule.name}"' in listed


@pytest.mark.parametrize("person", sorted(OWNERS))
def test_amphorae_of_a_cluster_are_for_operators(
    api, ids, person, octavias_roles
):
    answer = _call(api, person, ROWS["cluster:get_one"], ids)

    assert ("amphorae" in answer.body["cluster"]) is (person in GLOBAL_READERS)


@pytest.mark.parametrize("person", sorted(ROWS["cluster:put"].allowed))
def test_the_largest_size_is_raised_by_administrators(
    api, ids, person, octavias_roles
):
    row = ROWS["cluster:put"]
    lower = replace(row, body=lambda ids: {"cluster": {"max_size": 5}})
    higher = replace(row, body=lambda ids: {"cluster": {"max_size": 6}})

    assert _call(api, person, lower, ids).status == 202
    answer = _call(api, person, higher, ids)

    assert answer.status == (202 if person in ADMINS else 403)
    shown = _call(api, "admin", ROWS["cluster:get_one"], ids).body["cluster"]
    assert shown["max_size"] == (6 if person in ADMINS else 5)


SECRETS = ("172.31.0.11", "172.31.0.19", "peer_ip", "remote_as", "leaf1")
SEEN = (
    "distributor:get_all",
    "distributor:get_one",
    "bgp-speaker:get_all",
    "bgp-speaker:get_one",
)


@pytest.mark.parametrize("person", sorted(TENANTS))
def test_a_tenant_sees_no_address_of_a_peer(api, ids, person, octavias_roles):
    answers = [_call(api, person, ROWS[rule], ids) for rule in SEEN]

    assert [answer.status for answer in answers] == [200] * len(SEEN)
    shown = "".join(answer.text for answer in answers)
    assert ids["peer"] in shown
    assert not [text for text in SECRETS if text in shown]


@pytest.mark.parametrize("person", sorted(GLOBAL_READERS))
def test_an_operator_sees_them(api, ids, person, octavias_roles):
    """The control of the test above."""
    shown = _call(api, person, ROWS["bgp-peer:get_all"], ids).text

    assert all(text in shown for text in SECRETS)
    assert samples.PASSWORD not in shown
