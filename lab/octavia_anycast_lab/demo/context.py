# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What all acts of the demonstration work on."""

import dataclasses

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo.client import Client
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

_ANNOUNCED_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The lab, the two users, the screen."""

    lab: settings.Lab
    plane: deployment.Deployment
    registry: registry_lib.Registry
    screen: Screen
    admin: rest.Api
    tenant: rest.Api
    client: Client
    operator: Client


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The load balancer which is shown; ``before`` is from before it."""

    id: str
    name: str
    vips: tuple[settings.Address, ...]
    size: int
    before: survey.Survey


def amphorae(stage: Stage, subject: Subject) -> tuple[cluster.Amphora, ...]:
    """The amphorae of the load balancer which have power."""
    ids = amphora_ids(stage, subject)
    return tuple(
        amphora
        for amphora in cluster.amphorae(
            stage.plane, stage.admin, subject.before.things["containers"]
        )
        if amphora.instance.id in ids
    )


def amphora_ids(stage: Stage, subject: Subject) -> dict[str, str]:
    """Instance id -> amphora id, as the operator's API has them."""
    path = f"/v2/octavia/amphorae?loadbalancer_id={subject.id}"
    found = stage.admin.get(rest.LOAD_BALANCER, path)["amphorae"]
    return {str(a["compute_id"]): str(a["id"]) for a in found}


def next_hops(
    stage: Stage, subject: Subject
) -> list[frozenset[settings.Address]]:
    """For each VIP the amphorae to which the leaves forward its packets."""
    return [
        observe.forwarded_to(stage.lab, prefix(vip)) for vip in subject.vips
    ]


def await_announced(stage: Stage, subject: Subject) -> None:
    """Wait until the leaves forward to each amphora for each VIP."""
    process.wait_until(
        lambda: all(
            len(hops) == subject.size for hops in next_hops(stage, subject)
        ),
        _ANNOUNCED_SECONDS,
        f"paths of {subject.size} amphorae for each VIP",
    )


def await_active(stage: Stage, subject: Subject, seconds: float) -> None:
    """Wait until the load balancer may be changed."""
    path = f"/v2/lbaas/loadbalancers/{subject.id}"

    def is_active() -> bool:
        found = stage.tenant.get(rest.LOAD_BALANCER, path)["loadbalancer"]
        return bool(found["provisioning_status"] == "ACTIVE")

    process.wait_until(is_active, seconds, f"{subject.name} ACTIVE", 0.1)


def prefix(vip: settings.Address) -> str:
    """The VIP as the fabric knows it: /32 or /128."""
    return f"{vip}/{vip.max_prefixlen}"
