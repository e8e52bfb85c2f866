# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What cannot work is refused, alone and in a graph; nothing is left."""

import pytest
from oslo_config import cfg

from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.object_tree import call

CREATE = "PENDING_CREATE"
UDP = "udp_allowed"
REFUSED = {
    # name: (part of the sentence, method, path, root, body)
    "UDP listener": (
        UDP,
        "POST",
        "listeners",
        "listener",
        {"loadbalancer_id": "{lb}", "protocol": "UDP", "protocol_port": 53},
    ),
    "SCTP listener": (
        UDP,
        "POST",
        "listeners",
        "listener",
        {"loadbalancer_id": "{lb}", "protocol": "SCTP", "protocol_port": 53},
    ),
    "UDP pool": (
        UDP,
        "POST",
        "pools",
        "pool",
        {
            "loadbalancer_id": "{lb}",
            "protocol": "UDP",
            "lb_algorithm": "ROUND_ROBIN",
        },
    ),
    "algorithm of a new pool": (
        "lb_algorithm: the anycast provider does not support SOURCE_IP_PORT",
        "POST",
        "pools",
        "pool",
        {
            "loadbalancer_id": "{lb}",
            "protocol": "TCP",
            "lb_algorithm": "SOURCE_IP_PORT",
        },
    ),
    "algorithm of a pool": (
        "lb_algorithm: ",
        "PUT",
        "pools/{pool}",
        "pool",
        {"lb_algorithm": "SOURCE_IP_PORT"},
    ),
    "L7 policy of a TCP listener": (
        "TCP protocol listeners do not support L7 policies",
        "POST",
        "l7policies",
        "l7policy",
        {"listener_id": "{tcp}", "action": "REJECT"},
    ),
}


@pytest.fixture(autouse=True)
def _udp_is_forbidden(server):
    """The operator's choice; each request reads it."""
    cfg.CONF.set_override("udp_allowed", False, group="anycast")
    yield
    cfg.CONF.clear_override("udp_allowed", group="anycast")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_with_a_sentence(tree, name):
    sentence, *request = REFUSED[name]
    before = octavia_rows.statuses()

    answer = call(tree, *request)

    assert answer.status == 501, answer.text
    assert sentence in answer.fault
    assert octavia_rows.statuses() == before


def graph(**changes):
    return {
        "name": "web",
        "listeners": [
            {
                "protocol": "HTTP",
                "protocol_port": 80,
                "default_pool": {
                    "name": "members",
                    "protocol": "HTTP",
                    "lb_algorithm": "ROUND_ROBIN",
                    "members": [
                        {"address": f"10.10.0.{host}", "protocol_port": 8080}
                        for host in (11, 12, 13)
                    ],
                    "healthmonitor": {
                        "type": "HTTP",
                        "delay": 5,
                        "timeout": 3,
                        "max_retries": 2,
                    },
                },
                "l7policies": [
                    {
                        "action": "REDIRECT_TO_URL",
                        "redirect_url": "https://example.org/",
                        "rules": [
                            {
                                "type": "PATH",
                                "compare_type": "STARTS_WITH",
                                "value": "/old",
                            }
                        ],
                    }
                ],
            }
            | changes
        ],
    }


def post_graph(tree, body):
    _, (subnet_id,) = tree.api.neutron.add_network("203.0.113.0/24")
    body["vip_subnet_id"] = subnet_id
    return tree.api.call(
        "POST", "/v2/lbaas/loadbalancers", {"loadbalancer": body}
    )


def test_a_full_graph_is_created_in_one_call(empty):
    answer = post_graph(empty, graph())

    assert answer.status == 201, answer.text
    assert octavia_rows.pending() == {
        (kind, CREATE)
        for kind in (
            "loadbalancer",
            "listener",
            "pool",
            "member",
            "healthmonitor",
            "l7policy",
            "rule",
        )
    }


@pytest.mark.parametrize(
    ("sentence", "changes"),
    [
        (UDP, {"protocol": "UDP", "default_pool": None, "l7policies": []}),
        (
            "lb_algorithm",
            {
                "default_pool": {
                    "name": "members",
                    "protocol": "HTTP",
                    "lb_algorithm": "SOURCE_IP_PORT",
                }
            },
        ),
    ],
)
def test_a_graph_with_what_cannot_work_leaves_nothing(
    empty, sentence, changes
):
    before = octavia_rows.statuses(), dict(empty.api.neutron.ports)

    answer = post_graph(empty, graph(**changes))

    assert answer.status == 501, answer.text
    assert sentence in answer.fault
    assert (octavia_rows.statuses(), empty.api.neutron.ports) == before
