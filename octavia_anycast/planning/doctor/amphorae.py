# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae: agents, heartbeats, certificates, clocks, images.

Layer: planning. Pure.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from octavia_anycast.planning.doctor.seen import (
    Seen,
    SeenAmphora,
    Severity,
    Statement,
    Subject,
    ok,
    short,
    unknown,
    wrong,
)
from octavia_anycast.planning.doctor.steps import (
    failover,
    in_amphora,
    in_cloud,
    on_controller,
)

AGENT_PORT = 9443


def agents(seen: Seen) -> Iterator[Statement]:
    """Each agent answers the controller."""
    for amphora in seen.settled():
        if seen.said(amphora) is not None:
            yield ok(amphora.subject)
            continue
        address = amphora.record.lb_network_ip
        yield wrong(
            amphora.subject,
            f"The agent of {amphora.name} {_silence(seen, amphora)}; it is "
            f"asked at {address} port {AGENT_PORT}. The controller may not "
            "run, the management network may be cut, or the agent hangs.",
            (
                on_controller("systemctl status octavia-anycast-controller"),
                on_controller(f"nc -vz {address} {AGENT_PORT}"),
                in_amphora(amphora, "systemctl status octavia-anycast-agent"),
                failover(amphora),
            ),
        )


def _silence(seen: Seen, amphora: SeenAmphora) -> str:
    if amphora.error:
        return f"does not answer ({amphora.error})"
    if amphora.reported_at is None:
        return "has never answered"
    return f"did not answer for {short(seen.age(amphora.reported_at))}"


def heartbeats(seen: Seen) -> Iterator[Statement]:
    """Heartbeats of each amphora whose agent answers arrive."""
    limits = seen.limits
    answering = [
        amphora
        for amphora in seen.settled()
        if seen.said(amphora) is not None and not amphora.record.distributor_id
    ]
    late = {
        amphora.id: seen.age(amphora.beat_at)
        for amphora in answering
        if seen.age(amphora.beat_at) > limits.silent_after
    }
    are_all = len(late) == len(answering)
    for amphora in answering:
        if amphora.id not in late:
            yield ok(amphora.subject)
        else:
            yield _silent(seen, amphora, late[amphora.id], are_all=are_all)


def _silent(
    seen: Seen, amphora: SeenAmphora, age: float, *, are_all: bool
) -> Statement:
    port, address = seen.limits.heartbeat_port, amphora.record.lb_network_ip
    since = (
        "has never arrived"
        if amphora.beat_at is None
        else f"came for {short(age)}"
    )
    likely = (
        f"None of any amphora comes: UDP {port} to the controllers is "
        "blocked, or they do not listen."
        if are_all
        else f"Those of others arrive: UDP {port} from its address is "
        "blocked, or its list of controllers is wrong."
    )
    return wrong(
        amphora.subject,
        f"The agent of {amphora.name} answers, and no heartbeat of it "
        f"{since}. {likely} Statistics and member statuses stand still, and "
        "its death is noticed later.",
        (
            on_controller(f"ss -lun sport = :{port}"),
            on_controller(
                f"tcpdump -ni any host {address} and udp port {port}"
            ),
            in_amphora(
                amphora,
                "grep controller_ip_port_list /etc/octavia/amphora-agent.conf",
            ),
            in_cloud(f"openstack loadbalancer amphora configure {amphora.id}"),
        ),
    )


def certificates(seen: Seen) -> Iterator[Statement]:
    """Each amphora's certificate is valid, and was replaced in time."""
    for amphora in seen.in_use():
        end = amphora.record.cert_expiration
        if end is None:
            yield unknown(
                amphora.subject,
                f"When the certificate of {amphora.name} ends is not "
                "recorded.",
            )
            continue
        left = (end - seen.now).total_seconds()
        if left > seen.limits.certificate_left:
            yield ok(amphora.subject)
            continue
        is_over = left <= 0
        when = f"{end:%Y-%m-%d %H:%M} UTC"
        what = (
            f"has ended at {when}: nobody can talk to its agent"
            if is_over
            else f"ends at {when}, in {short(left)}, and was not replaced: "
            "the controller should have done so"
        )
        yield wrong(
            amphora.subject,
            f"The certificate of {amphora.name} {what}.",
            (
                on_controller(
                    "octavia-anycast-manage housekeeping rotate-certificates"
                ),
                failover(amphora),
            ),
            Severity.ERROR if is_over else Severity.WARNING,
        )


def clocks(seen: Seen) -> Iterator[Statement]:
    """Each amphora's clock shows the controller's time."""
    for amphora in seen.settled():
        report, machine = seen.said(amphora), seen.machine(amphora)
        if report is None:
            continue
        if machine is None or amphora.made_at is None:
            yield _not_told(amphora, "the time of its clock")
            continue
        skew = (machine.clock - amphora.made_at).total_seconds()
        if abs(skew) <= seen.limits.skew_max:
            yield ok(amphora.subject)
            continue
        way = "ahead of" if skew > 0 else "behind"
        yield wrong(
            amphora.subject,
            f"The clock of {amphora.name} is {short(abs(skew))} {way} the "
            "controller's. Certificates are taken for invalid by it, and "
            "times of sessions and probes are wrong.",
            (
                in_amphora(amphora, "timedatectl timesync-status"),
                on_controller("timedatectl timesync-status"),
            ),
            Severity.WARNING,
        )


def images(seen: Seen) -> Iterator[Statement]:
    """The amphorae of a load balancer were booted from one image.

    So were a distributor's own. Those of two load balancers are not compared:
    a flavor may name another image.
    """
    by_image: dict[Subject, dict[str, list[SeenAmphora]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for amphora in seen.settled():
        if seen.said(amphora) is None:
            continue
        machine = seen.machine(amphora)
        if machine is None or not machine.image:
            yield _not_told(amphora, "its image")
        else:
            owner = replace(amphora.subject, amphora_id=None)
            by_image[owner][machine.image].append(amphora)
    for owner, found in by_image.items():
        if len(found) == 1:
            for amphora in next(iter(found.values())):
                yield ok(amphora.subject)
        else:
            yield _different(owner, found)


def _different(
    owner: Subject, found: dict[str, list[SeenAmphora]]
) -> Statement:
    newest = max(found)  # they begin with the date of the build
    old = [one for image in found if image != newest for one in found[image]]
    shares = ", ".join(
        f"{len(found[image])} from {image!r} ({_ids(found[image])})"
        for image in sorted(found)
    )
    of = (
        "a distributor's own"
        if owner.load_balancer_id is None
        else f"load balancer {owner.load_balancer_id}"
    )
    return wrong(
        owner,
        f"Amphorae of {of} were booted from different images: {shares}. "
        f"{newest!r} is the newest.",
        [failover(one) for one in sorted(old, key=lambda one: one.id)],
        Severity.WARNING,
    )


def _ids(amphorae: Sequence[SeenAmphora]) -> str:
    return ", ".join(sorted(one.id for one in amphorae))


def _not_told(amphora: SeenAmphora, what: str) -> Statement:
    return unknown(
        amphora.subject,
        f"The agent of {amphora.name} does not tell {what}; an agent of this "
        "release does.",
    )
