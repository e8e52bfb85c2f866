# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Content that HAProxy refuses although it is in the tables.

The API takes no such rule, so a good one is spoilt in its row, together with
the statuses of a change under way. Its policy answers a path that nobody asks
for: whatever becomes of it, no request of the round is to notice.
"""

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos import behind
from octavia_anycast_lab.chaos.fault import Scene
from octavia_anycast_lab.cloud import database

_POLICY = "chaos-refused"
_L7_POLICIES = "/v2/lbaas/l7policies"


def spoil_a_rule(scene: Scene) -> None:
    """A regular expression without its end; it is to be ERROR alone.

    :raises TimeoutError: the load balancer stays PENDING for too long.
    :raises AssertionError: the rule is not the one that is to blame.
    """
    api = rest.Api(plane=scene.plane)
    behind.await_no_wait(scene)
    policy = _post(
        api,
        _L7_POLICIES,
        "l7policy",
        name=_POLICY,
        action="REJECT",
        listener_id=behind.balancer(api, scene)["listeners"][0]["id"],
    )
    behind.await_no_wait(scene)
    path = f"{_L7_POLICIES}/{policy['id']}/rules"
    rule = _post(
        api, path, "rule", type="PATH", compare_type="REGEX", value="/chaos"
    )
    behind.await_no_wait(scene)
    change = "provisioning_status = 'PENDING_UPDATE'"
    database.query(
        scene.plane,
        "octavia",
        f"UPDATE l7policy SET {change} WHERE id = '{policy['id']}';"
        f"UPDATE l7rule SET {change}, value = '(' WHERE id = '{rule['id']}';"
        f"UPDATE load_balancer SET {change} "
        f"WHERE id = '{scene.load_balancer_id}'",
    )
    behind.await_no_wait(scene)
    seen = api.get(rest.LOAD_BALANCER, f"{path}/{rule['id']}")["rule"]
    assert seen["provisioning_status"] == "ERROR", seen
    found = behind.balancer(api, scene)["provisioning_status"]
    assert found == "ACTIVE", found


def delete_the_policy(scene: Scene) -> None:
    """Its owner deletes it: nothing else has to be mended."""
    api = rest.Api(plane=scene.plane)
    found = api.get(rest.LOAD_BALANCER, f"{_L7_POLICIES}?name={_POLICY}")
    for policy in found["l7policies"]:
        behind.await_no_wait(scene)
        path = f"{_L7_POLICIES}/{policy['id']}"
        api.request("DELETE", rest.LOAD_BALANCER, path)
    behind.await_no_wait(scene)


def _post(api: rest.Api, path: str, root: str, **attributes: str) -> rest.Body:
    answer = api.request("POST", rest.LOAD_BALANCER, path, {root: attributes})
    return dict(answer[root])
