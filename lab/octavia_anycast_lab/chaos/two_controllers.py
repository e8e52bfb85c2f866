# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Two controllers, of which one is killed in the middle of a failover.

The one that is killed is whoever is at work just then, and nobody starts it
again: the other one has to go on from what the database says.
"""

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos.fault import Scene
from octavia_anycast_lab.cloud import controller, second_controller
from octavia_anycast_lab.host import process

_SECONDS = 60.0


def kill_one(scene: Scene) -> str:
    """Begin a failover, wait for its first boot, kill who does it.

    Returns its label.

    :raises ApiError: the API took no failover.
    :raises TimeoutError: nothing booted, or nobody was at work.
    """
    second_controller.start(scene.plane, scene.registry)
    before = _instances(scene)
    fail_over(scene)
    process.wait_until(
        lambda: bool(_instances(scene) - before), _SECONDS, "a first boot"
    )
    label = second_controller.await_holder(
        scene.plane, scene.registry, scene.load_balancer_id
    )
    controller.kill(scene.registry, label)
    return label


def fail_over(scene: Scene) -> None:
    """Ask for other amphorae, as soon as the load balancer takes it."""
    api = rest.Api(plane=scene.plane)
    path = f"/v2/lbaas/loadbalancers/{scene.load_balancer_id}"

    def is_active() -> bool:
        shown = api.get(rest.LOAD_BALANCER, path)["loadbalancer"]
        return bool(shown["provisioning_status"] == "ACTIVE")

    process.wait_until(is_active, _SECONDS, "an ACTIVE load balancer")
    api.request("PUT", rest.LOAD_BALANCER, f"{path}/failover")


def restart(scene: Scene) -> None:
    """Both run again; the second one goes when the round is over."""
    controller.start(scene.plane, scene.registry)


def _instances(scene: Scene) -> set[str]:
    return {instance.id for instance in scene.machines.instances()}
