# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the demonstration claims of what it has seen; no I/O but the screen."""

import collections.abc

from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo.screen import Screen
from octavia_anycast_lab.vm import balancers, served
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora

POLICY = "soft-anti-affinity"


def show_amphorae(
    screen: Screen, amphorae: collections.abc.Sequence[Amphora]
) -> None:
    """A table of servers with their front-end addresses."""
    screen.table(
        ("server", "host", "zone", "front-end addresses"),
        [
            (one.name, one.guest.host, one.rack, _addresses(one))
            for one in amphorae
        ],
    )


def claim_racks(
    screen: Screen, amphorae: collections.abc.Sequence[Amphora]
) -> None:
    """State that each is in a rack of its own."""
    racks = {one.rack for one in amphorae}
    screen.claim(
        len(racks) == len(amphorae) > 0,
        f"{len(amphorae)} servers run, in {', '.join(sorted(racks))}",
    )


def claim_server_group(
    screen: Screen,
    groups: collections.abc.Iterable[collections.abc.Mapping[str, list[str]]],
    amphorae: collections.abc.Sequence[Amphora],
) -> None:
    """State that Nova keeps the servers apart."""
    wanted = {one.server_id for one in amphorae}
    found = [g for g in groups if _members(g) >= wanted]
    policies = {policy for group in found for policy in group["policies"]}
    screen.claim(
        POLICY in policies,
        f"Nova has the servers in one group, with the policy {POLICY}"
        if POLICY in policies
        else f"no server group with the policy {POLICY} has all servers",
    )


def claim_served(
    screen: Screen, answers: collections.abc.Sequence[served.Served]
) -> None:
    """State, for each listener and VIP, that all was answered."""
    for answer in answers:
        screen.claim(answer.is_whole, str(answer))


def claim_nothing_left(
    screen: Screen,
    before: survey.Survey,
    alive: survey.Survey,
    after: survey.Survey,
) -> None:
    """State that there is what there was."""
    screen.table(
        ("what there is in the lab", "before", "with it", "now"),
        [
            (kind, *(len(s.things[kind]) for s in (before, alive, after)))
            for kind in after.things
        ],
    )
    left = vm_survey.names(balancers.new_things(after, before))
    screen.claim(
        not left,
        f"this is left: {left}"
        if left
        else "nothing of it is left in Nova, Neutron, Glance or libvirt",
    )


def _addresses(one: Amphora) -> str:
    return ", ".join(map(str, sorted(one.addresses, key=lambda a: a.version)))


def _members(
    group: collections.abc.Mapping[str, list[str]],
) -> frozenset[str]:
    return frozenset(group["members"])
