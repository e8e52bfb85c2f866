# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Things that somebody deletes in Neutron, behind the controller's back.

As an administrator does who cleans up: what Neutron refuses to delete while
it is in use is first taken from what uses it. Then a user changes something,
and is not to wait longer than is stated.
"""

import itertools

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos.fault import Scene
from octavia_anycast_lab.host import process

# The name that Octavia gives to the group of a load balancer.
_GROUP = "lb-{}"
# The controller's own name for an amphora's port, before the amphora's id.
_FRONTEND_PORT = "octavia-anycast-fe-"
# refused_after is 15 s; a change of what is refused ends in ERROR by then.
STATED_SECONDS = 60.0
_serial = itertools.count(1)


def delete_vip_port(scene: Scene) -> None:
    """The VIP's port, as its user can: it is in the user's project."""
    api = rest.Api(plane=scene.plane)
    port_id = str(balancer(api, scene)["vip_port_id"])
    _delete(api, "ports", port_id)
    _change_a_listener(api, scene)


def delete_frontend_port(scene: Scene) -> None:
    """The victim's front-end port."""
    api = rest.Api(plane=scene.plane)
    name = _FRONTEND_PORT + scene.victim.name.removeprefix("amphora-")
    for port in _list(api, f"ports?name={name}"):
        _delete(api, "ports", str(port["id"]))
    _change_a_listener(api, scene)


def delete_group(scene: Scene) -> None:
    """The security group, taken from its ports before."""
    api = rest.Api(plane=scene.plane)
    group_id = _group_id(api, scene)
    for port in _list(api, "ports"):
        left = [g for g in port["security_groups"] if g != group_id]
        if len(left) != len(port["security_groups"]):
            body = {"port": {"security_groups": left}}
            path = f"/v2.0/ports/{port['id']}"
            api.request("PUT", rest.NETWORK, path, body)
    _delete(api, "security-groups", group_id)
    _change_a_listener(api, scene)


def delete_rules(scene: Scene) -> None:
    """Every rule by which clients come in."""
    api = rest.Api(plane=scene.plane)
    group_id = _group_id(api, scene)
    for rule in _list(
        api, f"security-group-rules?security_group_id={group_id}"
    ):
        if rule["direction"] == "ingress":
            _delete(api, "security-group-rules", str(rule["id"]))
    _change_a_listener(api, scene)


def await_no_wait(scene: Scene) -> None:
    """Invariant 8: it does not stay PENDING longer than is stated.

    :raises TimeoutError: it does.
    """
    api = rest.Api(plane=scene.plane)

    def is_told() -> bool:
        status = str(balancer(api, scene)["provisioning_status"])
        return not status.startswith("PENDING_")

    process.wait_until(is_told, STATED_SECONDS, "a change that is over")


def _change_a_listener(api: rest.Api, scene: Scene) -> None:
    """What makes the controller look at the ports, too."""
    listener_id = balancer(api, scene)["listeners"][0]["id"]
    path = f"/v2/lbaas/listeners/{listener_id}"
    timeout = 50_000 + next(_serial)
    body = {"listener": {"timeout_client_data": timeout}}
    await_no_wait(scene)
    api.request("PUT", rest.LOAD_BALANCER, path, body)
    await_no_wait(scene)


def balancer(api: rest.Api, scene: Scene) -> rest.Body:
    """The load balancer of the round, as the API shows it."""
    path = f"/v2/lbaas/loadbalancers/{scene.load_balancer_id}"
    return dict(api.get(rest.LOAD_BALANCER, path)["loadbalancer"])


def _group_id(api: rest.Api, scene: Scene) -> str:
    name = _GROUP.format(scene.load_balancer_id)
    (group,) = _list(api, f"security-groups?name={name}")
    return str(group["id"])


def _list(api: rest.Api, what: str) -> list[rest.Body]:
    (found,) = api.get(rest.NETWORK, f"/v2.0/{what}").values()
    return list(found)


def _delete(api: rest.Api, kind: str, identifier: str) -> None:
    api.request("DELETE", rest.NETWORK, f"/v2.0/{kind}/{identifier}")
