# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The OpenAPI document, and schemathesis, which believes nothing else.

It makes requests of the document, valid and invalid ones, and holds the
answers against it: a status that is not documented, a body that does not fit
its schema, or a 5xx is a failure. The requests are the same in each run of one
installation; with other packages they may be others, so nothing depends on
what is drawn.
"""

import json
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from octavia_anycast.api import openapi, policies
from octavia_anycast.api.bgp.peer import PEER
from octavia_anycast.db.amphora import amphora_statistics, amphorae
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.testing import octavia_rows, samples

PATH = "/v2/lbaas/openapi.json"
DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
VIPS = f"{DISTRIBUTORS}/{{distributor_id}}/vips"
REGISTRATIONS = f"{DISTRIBUTORS}/{{distributor_id}}/amphorae"
AMPHORA_DRAIN = "/v2/octavia/amphorae/{amphora_id}/drain"
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
BOUNDED = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CLUSTER = "/v2/lbaas/loadbalancers/{loadbalancer_id}/cluster"
ZONE_DRAINS = "/v2/lbaas/zone-drains"
FLEET_CHANGES = "/v2/lbaas/fleet-changes"
ZONES = [{"availability_zone": f"az{n}"} for n in range(20)]
# Method and path -> a body that is accepted, made of the ids and a number.
ACCEPTED = {
    f"POST {DISTRIBUTORS}": lambda ids, n: samples.distributor(name=f"d{n}"),
    f"PUT {DISTRIBUTORS}/{{distributor_id}}": lambda ids, n: {
        "distributor": {"description": "changed"}
    },
    f"POST {PEERS}": lambda ids, n: {
        "bgp_peer": samples.peer(peer_ip=f"fd00::{n + 1:x}")
    },
    f"PUT {PEERS}/{{bgp_peer_id}}": lambda ids, n: {"bgp_peer": {"med": 7}},
    f"POST {SPEAKERS}": lambda ids, n: {
        "bgp_speaker": {
            "distributor_id": ids["distributor_id"][0],
            "ip_version": 6,
            "local_as": 65100,
        }
    },
    f"PUT {SPEAKERS}/{{bgp_speaker_id}}": lambda ids, n: {
        "bgp_speaker": {"local_as": 65101}
    },
    f"POST {VIPS}": lambda ids, n: {
        "vip": {
            "vip_address": f"203.0.113.{n % 200 + 10}",
            "next_hop": "10.1.0.8",
        }
    },
    f"POST {REGISTRATIONS}": lambda ids, n: {
        # One of those that nothing was registered for.
        "amphora": {
            "load_balancer_id": ids["loadbalancer_id"][0],
            "amphora_id": ids["amphora_id"][0],
        }
    },
    f"PUT {REGISTRATIONS}/{{registration_id}}/drain": lambda ids, n: {},
    f"PUT {AMPHORA_DRAIN}": lambda ids, n: {},
    f"PUT {CLUSTER}": lambda ids, n: {"cluster": {"cooldown": 5}},
    f"POST {ZONE_DRAINS}": lambda ids, n: {
        "zone_drain": {"availability_zone": "az1", "duration": 600}
    },
    f"POST {FLEET_CHANGES}": lambda ids, n: {
        "fleet_change": {"kind": "image"}
    },
    f"PUT {FLEET_CHANGES}/{{fleet_change_id}}": lambda ids, n: {
        "fleet_change": {"state": "ABORTED"}
    },
}
schema = schemathesis.openapi.from_dict(openapi.document())
# method and path -> the documented call
OPERATIONS = {one.ok().label: one.ok() for one in schema.get_all_operations()}


@pytest.fixture(scope="module")
def prepared(server):
    """A distributor with a peer; how to come back to that."""
    server.reset()
    made = server.create(DISTRIBUTORS, samples.distributor())
    # Not the same: that one can be deleted.
    announcer = server.create(
        DISTRIBUTORS, samples.distributor(speakers=[], dedicated_count=1)
    )
    server.settle()
    vip = server.create(
        f"{DISTRIBUTORS}/{announcer['id']}/vips",
        {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}},
    )
    idle = server.create(PEERS, {"bgp_peer": samples.peer(peer_ip="fd00::1")})
    amphora_id, load_balancer_id = _amphora(server)
    serving_id = _serving(server, load_balancer_id)
    registration = server.create(
        f"{DISTRIBUTORS}/{announcer['id']}/amphorae",
        {
            "amphora": {
                "load_balancer_id": load_balancer_id,
                "amphora_id": serving_id,
            }
        },
    )
    drained = server.create(
        ZONE_DRAINS,
        {"zone_drain": {"availability_zone": "az0", "duration": 600}},
    )
    change = server.create(FLEET_CHANGES, {"fleet_change": {"kind": "image"}})
    server.call(
        "PUT",
        f"{FLEET_CHANGES}/{change['id']}",
        {"fleet_change": {"state": "ABORTED"}},
    )
    schema.app = server.application  # which makes its calls WSGI calls
    (speaker,) = made["speakers"]
    return server.snapshot(), {
        "distributor_id": [made["id"]],
        "bgp_speaker_id": [speaker["id"]],
        "bgp_peer_id": [speaker["peers"][0]["id"], idle["id"]],
        "amphora_id": [amphora_id],
        "serving_id": [serving_id],
        "vip_id": [vip["id"]],
        "registration_id": [registration["id"]],
        "announcer_id": [announcer["id"]],
        "loadbalancer_id": [load_balancer_id],
        "zone_drain_id": [drained["id"]],
        "fleet_change_id": [change["id"]],
    }


def _amphora(server):
    """A failed amphora that counted something, and its load balancer.

    Their distributor is another one, so that the first can be deleted.
    """
    other = server.create(
        DISTRIBUTORS, samples.distributor(speakers=[], zones=ZONES)
    )
    _, (subnet_id,) = server.neutron.add_network("198.51.100.0/24")
    load_balancer = server.create(
        "/v2/lbaas/loadbalancers",
        {
            "loadbalancer": {
                "vip_subnet_id": subnet_id,
                "distributor_id": other["id"],
            }
        },
    )
    octavia_rows.settle()
    record = AmphoraRecord(
        id="7d3c9a52-0000-4000-8000-000000000001",
        load_balancer_id=load_balancer["id"],
        status=AmphoraStatus.ERROR,
        status_since=datetime.now(UTC),
    )
    beat = ListenerBeat(listener_id=record.id, status="OPEN", bytes_in=1)
    with server.database.transaction() as session:
        amphorae.create(session, record)
        amphora_statistics.add(
            session, [Heartbeat(amphora_id=record.id, listeners=(beat,))]
        )
    return record.id, load_balancer["id"]


def _serving(server, load_balancer_id):
    """An amphora that can be drained: there is another one beside it."""
    ids = [f"7d3c9a52-0000-4000-8000-00000000000{n}" for n in (2, 3)]
    with server.database.transaction() as session:
        for amphora_id in ids:
            record = AmphoraRecord(
                id=amphora_id,
                load_balancer_id=load_balancer_id,
                status=AmphoraStatus.ALLOCATED,
                status_since=datetime.now(UTC),
                applied_revision="r1",
            )
            amphorae.create(session, record)
    return ids[0]


def point(case, ids, turn):
    """Random ids are of nothing: make them those of something.

    Random attributes contradict one another more often than not, so each
    third body is one that is accepted.
    """
    label = case.operation.label
    for name in case.path_parameters or ():
        case.path_parameters[name] = ids[name][turn % len(ids[name])]
    if case.operation.path == AMPHORA_DRAIN:
        case.path_parameters["amphora_id"] = ids["serving_id"][0]
    if case.operation.path.startswith((VIPS, REGISTRATIONS)):
        case.path_parameters["distributor_id"] = ids["announcer_id"][0]
    if turn % 3 == 2 and label in ACCEPTED:
        case.body = ACCEPTED[label](ids, turn)


def spoil(case):
    """A request that is refused, whatever was drawn: no id, no such limit."""
    if not case.path_parameters and case.operation.label.startswith("GET"):
        case.query = {"limit": "none"}


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_answers_are_as_documented(label, server, prepared):
    """Each call is answered in more than one way, and once well."""
    snapshot, ids = prepared
    operation = OPERATIONS[label]
    statuses = []

    @BOUNDED
    @given(strategies.one_of(operation.as_strategy(m) for m in GenerationMode))
    def call(case):
        server.restore(snapshot)
        turn = len(statuses)
        if turn % 3:
            point(case, ids, turn)
        elif turn:
            spoil(case)

        response = case.call(
            app=server.application, base_url="http://localhost"
        )

        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    call()
    assert min(statuses) < 300
    assert len(set(statuses)) > 1, statuses


def test_it_is_served_as_json(api):
    for path in (PATH, PATH.replace("v2", "v2.0")):
        answer = api.call("GET", path)
        assert answer.status == 200
        assert answer.body == json.loads(json.dumps(openapi.document()))


def test_every_rule_is_of_a_documented_call():
    """And the other way round: what is documented has a rule."""
    ours = (DISTRIBUTORS, PEERS, SPEAKERS)
    documented = {
        (method.upper(), path)
        for path, calls in openapi.document()["paths"].items()
        for method in calls
        if method != "parameters" and path.startswith(ours)
    }
    ruled = {
        (one["method"], one["path"])
        for rule in policies.RULES
        for one in rule.operations
        if one["path"].startswith(ours)
    }

    assert documented == ruled


def test_no_answer_has_a_password():
    for name, one in openapi.SCHEMAS.items():
        is_request = name.endswith(("Request", "Change"))
        assert is_request or "password" not in one.get("properties", {})
    assert not hasattr(PEER.type, "password")


@pytest.mark.parametrize(
    ("method", "query", "headers", "body"),
    [
        ("GET", "?limit=1&limit=2", {}, None),
        ("GET", "?sort=name&sort=id", {}, None),
        ("GET", "?marker=&marker=", {}, None),
        ("POST", "", {"Content-Type": "multipart/form-data"}, "{}"),
        ("POST", "", {}, "[" * 50_000),
    ],
)
def test_what_octavias_framework_would_die_of(
    api, method, query, headers, body
):
    """Found by schemathesis, or by hand; see
    wsgi.request_validation."""
    answer = api.call(method, f"{DISTRIBUTORS}{query}", body, headers)

    assert answer.status == 400
    assert answer.fault
