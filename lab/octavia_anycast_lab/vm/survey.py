# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What there is in Nova, Neutron, Glance, libvirt and the tables, counted.

As ``cloud.survey`` does it for containers: taken before a load balancer is
made and after it was deleted; whatever differs is left of it.
"""

import collections.abc
import json

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm import guests
from octavia_anycast_lab.vm import settings as vm_settings

IMAGE = "glance"
PLACEMENT = "placement"
_TAP = "tap"
Things = dict[str, frozenset[str]]


def take(plane: deployment.Deployment, api: rest.Api) -> survey.Survey:
    """Look everywhere where something of a load balancer can be."""
    return survey.Survey(
        things={
            **_in_nova(api),
            **_in_glance(api),
            **_on_hypervisors(plane),
            **survey.in_services(plane, api),
        }
    )


def names(things: collections.abc.Mapping[str, frozenset[str]]) -> str:
    """What is left, for a sentence; empty if nothing is."""
    return "; ".join(
        f"{kind}: {', '.join(sorted(ids))}"
        for kind, ids in things.items()
        if ids
    )


def _in_nova(api: rest.Api) -> Things:
    servers = api.get(guests.NOVA, "/v2.1/servers?all_tenants=1")["servers"]
    groups = api.get(guests.NOVA, "/v2.1/os-server-groups?all_projects=1")
    return {
        "Nova servers": frozenset(s["id"] for s in servers),
        "Nova server groups": frozenset(
            g["id"] for g in groups["server_groups"]
        ),
        "placement allocations": frozenset(_consumers(api)),
    }


def _consumers(api: rest.Api) -> collections.abc.Iterator[str]:
    found = api.get(PLACEMENT, "/resource_providers")["resource_providers"]
    for provider in found:
        path = f"/resource_providers/{provider['uuid']}/allocations"
        yield from api.get(PLACEMENT, path)["allocations"]


def _in_glance(api: rest.Api) -> Things:
    images = api.get(IMAGE, "/v2/images")["images"]
    return {"Glance images": frozenset(i["id"] for i in images)}


def _on_hypervisors(plane: deployment.Deployment) -> Things:
    domains: set[str] = set()
    taps: set[str] = set()
    for hypervisor in vm_settings.HYPERVISORS:
        domains |= set(guests.domains(plane, hypervisor.rack))
        taps |= _taps(plane.lab, hypervisor.role)
    return {
        "libvirt domains": frozenset(domains),
        "taps": frozenset(taps),
    }


def _taps(lab: settings.Lab, role: str) -> set[str]:
    done = netns.run(lab.namespace(role), ["ip", "-j", "link", "show"])
    links = json.loads(done.stdout or "[]")
    return {
        f"{role}/{link['ifname']}"
        for link in links
        if link["ifname"].startswith(_TAP)
    }
