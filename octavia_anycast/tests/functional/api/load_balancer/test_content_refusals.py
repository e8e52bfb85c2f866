# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What HAProxy would refuse is 400 with the attribute and the reason."""

import pytest

from octavia_anycast.testing import octavia_rows
from octavia_anycast.testing.nasty_content import REFUSED
from octavia_anycast.tests.functional.api.load_balancer.test_refusals import (
    graph,
    post_graph,
)
from octavia_anycast.tests.functional.object_tree import call

# kind -> (path of the collection, what a POST needs, path of the object)
PATHS = {
    "rule": (
        "l7policies/{policy}/rules",
        {},
        "l7policies/{policy}/rules/{rule}",
    ),
    "listener": (
        "listeners",
        {
            "loadbalancer_id": "{lb}",
            "protocol": "TERMINATED_HTTPS",
            "protocol_port": 443,
            "default_tls_container_ref": "http://keys/v1/containers/a",
        },
        "listeners/{listener}",
    ),
    "pool": (
        "pools",
        {
            "loadbalancer_id": "{lb}",
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
        },
        "pools/{pool}",
    ),
    "healthmonitor": (
        "healthmonitors",
        {
            "pool_id": "{other_pool}",
            "type": "HTTP",
            "delay": 5,
            "timeout": 3,
            "max_retries": 2,
        },
        "healthmonitors/{monitor}",
    ),
}
NOT_CARRIED = [row for row in REFUSED if not row.is_carried]
# One of each check: each costs two calls.
TELLING = [
    row
    for row in NOT_CARRIED
    if "tls_ciphers" not in row.attributes
    or row.attributes["tls_ciphers"] in ("FOO", "HIGH:@SECLEVEL=9")
]
NEWLINE = "/a\n    http-request deny"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "row", TELLING, ids=lambda row: f"{row.kind} {row.attributes}"
)
def test_it_is_refused(tree, row, method):
    collection, needed, one = PATHS[row.kind]
    names = vars(tree)
    body = dict(row.attributes)
    if method == "POST":
        body = {
            name: value.format(**names) if isinstance(value, str) else value
            for name, value in needed.items()
        } | body
    path = (one if method == "PUT" else collection).format(**names)
    before = octavia_rows.statuses()

    answer = tree.api.call(method, f"/v2/lbaas/{path}", {row.kind: body})

    assert answer.status == 400, answer.text
    assert any(name in answer.fault for name in row.attributes), answer.text
    assert octavia_rows.statuses() == before


@pytest.mark.parametrize(
    ("method", "body"),
    [("PUT", {"value": r"\u0041"}), ("PUT", {"compare_type": "REGEX"})],
)
def test_a_change_of_one_attribute_counts_with_the_others(tree, method, body):
    made = call(
        tree,
        "POST",
        "l7policies/{policy}/rules",
        "rule",
        {
            "type": "PATH",
            "compare_type": "REGEX" if "value" in body else "EQUAL_TO",
            "value": "x" if "value" in body else r"/\u0041",
        },
    ).body["rule"]
    octavia_rows.settle()

    answer = call(
        tree, method, "l7policies/{policy}/rules/" + made["id"], "rule", body
    )

    assert answer.status == 400, answer.text
    assert "value: HAProxy's library of regular expressions" in answer.fault
    assert "PCRE2" in answer.fault


def of_rule(**rule):
    policy = {
        "action": "REJECT",
        "rules": [{"type": "PATH", "compare_type": "REGEX"} | rule],
    }
    return {"l7policies": [policy]}


def of_pool(**pool):
    whole = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    return {"default_pool": whole | pool}


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("l7policies[0].rules[0].value", of_rule(value=r"\u0041")),
        ("l7policies[0].rules[0].value", of_rule(value=NEWLINE)),
        (
            "l7policies[0].rules[0].key",
            of_rule(value="x", type="HEADER", key="a,b"),
        ),
        ("tls_ciphers", {"tls_ciphers": "FOO"}),
        (
            "default_pool.healthmonitor.delay",
            of_pool(
                healthmonitor={
                    "type": "TCP",
                    "delay": 0,
                    "timeout": 0,
                    "max_retries": 1,
                }
            ),
        ),
        ("default_pool.tls_ciphers", of_pool(tls_ciphers="FOO")),
    ],
)
def test_a_graph_is_refused_with_the_path_to_it(empty, path, changes):
    before = octavia_rows.statuses(), dict(empty.api.neutron.ports)

    answer = post_graph(empty, graph(**changes))

    assert answer.status == 400, answer.text
    assert f"listeners[0].{path}: " in answer.fault
    assert (octavia_rows.statuses(), empty.api.neutron.ports) == before


def test_other_providers_are_left_alone(empty):
    body = graph(**of_rule(value=r"\u0041")) | {"provider": "noop_driver"}

    assert post_graph(empty, body).status == 201
