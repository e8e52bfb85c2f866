# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A second, small load balancer that its user deletes during a fault.

It is made before the round begins, and is to be gone within the stated time
after everything is repaired. Where the API is what is broken, the deletion is
asked for when it is back.
"""

import contextlib

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos import behind
from octavia_anycast_lab.chaos.fault import Scene
from octavia_anycast_lab.host import process

NAME = "chaos-doomed"
_LOAD_BALANCERS = "/v2/lbaas/loadbalancers"
_FLAVORS = "/v2/lbaas/flavors"
# A boot takes seconds in the lab.
_MADE_SECONDS = 180.0


def make(scene: Scene) -> None:
    """Make it beside the one of the round, on the same distributor.

    :raises TimeoutError: it does not become ACTIVE.
    """
    api = rest.Api(plane=scene.plane)
    await_gone(scene)  # that of a round that failed
    beside = behind.balancer(api, scene)
    found = api.get(rest.LOAD_BALANCER, f"{_FLAVORS}?name=cluster-1")
    wanted = {
        "name": NAME,
        "project_id": beside["project_id"],
        "vip_subnet_id": beside["vip_subnet_id"],
        "distributor_id": beside["distributor_id"],
        "flavor_id": found["flavors"][0]["id"],
        "listeners": [{"protocol": "HTTP", "protocol_port": 80}],
    }
    body = {"loadbalancer": wanted}
    api.request("POST", rest.LOAD_BALANCER, _LOAD_BALANCERS, body)
    process.wait_until(
        lambda: _status(api) == "ACTIVE", _MADE_SECONDS, f"{NAME} ACTIVE"
    )


def ask(scene: Scene) -> None:
    """Ask for its deletion, unless the API cannot be asked now."""
    with contextlib.suppress(rest.ApiError):
        _delete(rest.Api(plane=scene.plane))


def await_gone(scene: Scene) -> None:
    """See it go; one that is not going is asked to, at any moment.

    :raises TimeoutError: it is not gone within the stated time.
    """
    api = rest.Api(plane=scene.plane)

    def is_gone() -> bool:
        with contextlib.suppress(rest.ApiError):
            status = _status(api)
            if status and not status.startswith("PENDING_"):
                _delete(api)
            return not status
        return False

    process.wait_until(is_gone, behind.STATED_SECONDS, f"{NAME} gone", 0.5)


def _delete(api: rest.Api) -> None:
    for found in _found(api):
        path = f"{_LOAD_BALANCERS}/{found['id']}?cascade=true"
        api.request("DELETE", rest.LOAD_BALANCER, path)


def _status(api: rest.Api) -> str:
    """Its provisioning status; empty if it is not there."""
    found = _found(api)
    return str(found[0]["provisioning_status"]) if found else ""


def _found(api: rest.Api) -> list[rest.Body]:
    answer = api.get(rest.LOAD_BALANCER, f"{_LOAD_BALANCERS}?name={NAME}")
    return list(answer["loadbalancers"])
