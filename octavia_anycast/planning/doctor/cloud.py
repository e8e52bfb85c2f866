# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cloud around amphorae: the default distributor, security groups.

Layer: planning. Pure.
"""

from collections.abc import Iterator

from octavia_anycast.planning.doctor.seen import (
    NOTHING,
    Opening,
    Seen,
    SeenGroup,
    Severity,
    Statement,
    Step,
    Subject,
    ok,
    unknown,
    wrong,
)
from octavia_anycast.planning.doctor.steps import in_cloud


def default_distributor(seen: Seen) -> Iterator[Statement]:
    """Load balancers that name no distributor get one."""
    if seen.has_default is None:
        return
    if seen.has_default:
        yield ok(NOTHING)
        return
    if not seen.distributors:
        yield wrong(
            NOTHING,
            "There is no distributor: no load balancer can be created.",
            (
                in_cloud(
                    "openstack loadbalancer distributor create --name fabric "
                    "--speaker ip-version=4,local-as=AS,peer=PEER --wait"
                ),
            ),
        )
        return
    first = seen.distributors[0]
    yield wrong(
        NOTHING,
        "No distributor is the default: a load balancer is refused if "
        "neither it nor its flavor or availability zone names one.",
        (
            in_cloud(
                "openstack loadbalancer distributor set "
                f"{first.name or first.id} --default --wait"
            ),
        ),
        Severity.WARNING,
    )


def security_groups(seen: Seen) -> Iterator[Statement]:
    """The group of each load balancer lets in what it is to."""
    if seen.groups is None:
        yield unknown(
            NOTHING,
            "The rules of the security groups are not known: "
            f"{seen.why_no_groups}.",
        )
        return
    for group in seen.groups:
        subject = Subject(
            distributor_id=group.distributor_id,
            load_balancer_id=group.load_balancer_id,
        )
        if group.id is None:
            yield wrong(
                subject,
                f"The security group {group.name} of load balancer "
                f"{group.load_balancer_id} does not exist: nothing is let in "
                "to its amphorae.",
                _anew(group),
            )
        elif group.missing:
            yield _closed(subject, group)
        else:
            yield ok(subject)


def _closed(subject: Subject, group: SeenGroup) -> Statement:
    ports = ", ".join(
        f"{one.protocol.upper()} {one.port} over IPv{one.ip_version} "
        f"({one.why})"
        for one in group.missing
    )
    return wrong(
        subject,
        f"The security group {group.name} of load balancer "
        f"{group.load_balancer_id} does not let in {ports}: somebody has "
        "deleted the rule.",
        [_rule(group, one) for one in group.missing],
    )


def _rule(group: SeenGroup, opening: Opening) -> Step:
    command = (
        f"openstack security group rule create {group.id} --ingress "
        f"--ethertype IPv{opening.ip_version} --protocol {opening.protocol} "
        f"--dst-port {opening.port}"
    )
    if opening.is_among_members:
        command += f" --remote-group {group.id}"
    return in_cloud(command)


def _anew(group: SeenGroup) -> Iterator[Step]:
    """A new amphora has the group made again."""
    yield in_cloud(
        f"openstack loadbalancer failover {group.load_balancer_id} --wait"
    )
