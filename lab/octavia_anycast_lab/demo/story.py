# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration, act by act. Whatever it states it has checked."""

import contextlib
import ipaddress
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo import (
    aftermath,
    context,
    edge,
    figures,
    load,
    outage,
    pinned,
    planned,
)
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import fetch

NAME = "demo"
# The client finds them by name: a visitor may have a listener "web" as well.
WEB = f"{NAME}-web"
MOVED = f"{NAME}-moved"
NAMES = (NAME, pinned.NAME)
SIZE = 4
_CREATE = (
    f"loadbalancer create --name {NAME} --flavor cluster-{SIZE}"
    " --vip-subnet-id anycast-v4 --additional-vip subnet-id=anycast-v6"
)
_REDIRECT = "http://lab.example/new"
_LOAD_BALANCERS = "/v2/lbaas/loadbalancers"
_ACTIVE_SECONDS = 180.0
_GONE_SECONDS = 60.0


def tell(stage: context.Stage) -> None:
    """All acts, in order.

    :raises octavia_anycast_lab.demo.screen.NotTrueError: something stated
        does not hold.
    """
    _clear_earlier(stage)
    with edge.quick_leaves(stage.lab):
        _tell(stage)


def _tell(stage: context.Stage) -> None:
    before = survey.take(stage.plane, stage.admin)
    distributor = edge.create_distributor(stage)
    subject = _create_load_balancer(stage, before)
    stage.screen.act("what the fabric holds")
    figures.show_paths(stage, subject)
    edge.show_sessions(stage, subject)
    stage.screen.act("where new connections go")
    figures.show_shares(stage, subject)
    _kill_one(stage, subject)
    planned.show(stage, subject)
    victim = _silence_one(stage, subject, edge.has_bfd(stage, distributor))
    # Meanwhile that one is replaced.
    pinned.show(stage, lambda name: _await_active(stage, name))
    stage.screen.act("the shares again, with the replacements")
    _await_repair(stage, subject, victim)
    figures.show_shares(stage, subject)
    _delete_all(stage, subject, distributor)


def _clear_earlier(stage: context.Stage) -> None:
    """Remove what an interrupted demonstration has left."""
    is_left = any(_find(stage.tenant, name) for name in NAMES)
    step = stage.screen.progress.step("removing an earlier demonstration")
    with step if is_left else contextlib.nullcontext():
        remove(stage.admin, stage.tenant)


def remove(admin: rest.Api, tenant: rest.Api) -> None:
    """Remove the load balancers of a demonstration, then its distributor.

    That stays if somebody's own load balancers in this lab use it.

    :raises TimeoutError: a load balancer is still there after 60 s.
    """
    for found in [_find(tenant, name) for name in NAMES]:
        if found:
            _delete_quietly(tenant, found["id"])
    old = distributors.find(admin)
    if old is not None:
        with contextlib.suppress(distributors.InUseError):
            distributors.delete(admin, old["id"])


def _create_load_balancer(
    stage: context.Stage, before: survey.Survey
) -> context.Subject:
    """The tenant's part, with the unmodified client."""
    screen = stage.screen
    screen.act("a load balancer, by the unmodified openstack client")
    with screen.progress.step(f"load balancer of {SIZE} amphorae ACTIVE"):
        stage.client.run(*_CREATE.split())
        found = _await_active(stage)
    with screen.progress.step("listener, redirect, pool, members"):
        for line in _content():
            stage.client.run(*line.split())
            _await_active(stage)
    screen.say("(after each of them until ACTIVE, as with --wait)")
    extra = [vip["ip_address"] for vip in found["additional_vips"]]
    subject = context.Subject(
        id=found["id"],
        name=NAME,
        vips=tuple(
            ipaddress.ip_address(text)
            for text in (found["vip_address"], *extra)
        ),
        size=SIZE,
        before=before,
    )
    with screen.progress.step("all amphorae announce both VIPs"):
        context.await_announced(stage, subject)
    _check_cluster(stage, subject)
    _check_redirect(stage, subject)
    return subject


def _kill_one(stage: context.Stage, subject: context.Subject) -> None:
    """One amphora loses its power, and what follows."""
    screen = stage.screen
    screen.act("one amphora is killed, under traffic")
    victim = context.amphorae(stage, subject)[0]
    load.explain(screen)
    seen = outage.kill(stage, subject, victim)
    aftermath.judge_loss_of_power(stage, subject, seen, victim)


def _silence_one(
    stage: context.Stage, subject: context.Subject, has_bfd: bool
) -> cluster.Amphora:
    """One amphora is lost in silence; its replacement is awaited later."""
    screen = stage.screen
    screen.act("one amphora is lost in silence, under traffic")
    used = frozenset().union(*context.next_hops(stage, subject))
    # Not one which leaves anyway, as the cluster became smaller.
    victim = next(
        a for a in context.amphorae(stage, subject) if a.addresses <= used
    )
    load.explain(screen)
    seen = outage.silence(stage, subject, victim)
    aftermath.judge_silence(stage, subject, seen, victim, has_bfd=has_bfd)
    return victim


def _await_repair(
    stage: context.Stage, subject: context.Subject, victim: cluster.Amphora
) -> None:
    """Until it is whole again, without those that are gone or leaving."""

    def is_whole() -> bool:
        found = context.amphorae(stage, subject)
        return len(found) == subject.size and victim.label not in {
            a.label for a in found
        }

    with stage.screen.progress.step(f"{victim.label} replaced meanwhile"):
        process.wait_until(
            is_whole, _ACTIVE_SECONDS, f"{victim.label} replaced", 0.3
        )
        context.await_announced(stage, subject)
        context.await_active(stage, subject, _ACTIVE_SECONDS)
    aftermath.judge_repair(stage, subject, victim)


def _delete_all(
    stage: context.Stage,
    subject: context.Subject,
    distributor: dict[str, typing.Any],
) -> None:
    """Everything goes, and nothing of it is left anywhere."""
    screen = stage.screen
    screen.act("everything is deleted")
    alive = survey.take(stage.plane, stage.admin)
    with screen.progress.step("both load balancers deleted"):
        for name in NAMES:
            stage.client.run("loadbalancer", "delete", "--cascade", name)
        for name in NAMES:
            _await_gone(stage, name)
    try:
        distributors.delete(stage.admin, distributor["id"])
        screen.say(f"DELETE {distributors.PATH}/{distributor['id']}")
    except distributors.InUseError:
        screen.say("(the distributor stays: your load balancers use it)")
    aftermath.check_nothing_left(stage, subject, alive)


def _find(tenant: rest.Api, name: str) -> dict[str, typing.Any]:
    """A load balancer of this demonstration, empty if there is none."""
    answer = tenant.get(rest.LOAD_BALANCER, f"{_LOAD_BALANCERS}?name={name}")
    return dict(next(iter(answer["loadbalancers"]), {}))


def _await_active(
    stage: context.Stage, name: str = NAME
) -> dict[str, typing.Any]:
    """What ``--wait`` does, without its pauses of three seconds."""
    process.wait_until(
        lambda: (
            _find(stage.tenant, name).get("provisioning_status") == "ACTIVE"
        ),
        _ACTIVE_SECONDS,
        f"load balancer {name} ACTIVE",
    )
    return _find(stage.tenant, name)


def _await_gone(stage: context.Stage, name: str) -> None:
    process.wait_until(
        lambda: not _find(stage.tenant, name), _GONE_SECONDS, f"{name} deleted"
    )


def _delete_quietly(tenant: rest.Api, load_balancer_id: str) -> None:
    path = f"{_LOAD_BALANCERS}/{load_balancer_id}?cascade=true"

    def is_gone() -> bool:
        try:
            tenant.request("DELETE", rest.LOAD_BALANCER, path)
        except rest.ApiError as error:
            if error.status not in (404, 409):
                raise
            return error.status == 404
        return False

    process.wait_until(
        is_gone, _GONE_SECONDS, "the earlier load balancer's deletion", 0.5
    )


def _check_cluster(stage: context.Stage, subject: context.Subject) -> None:
    found = context.amphorae(stage, subject)
    stage.screen.say(f"VIPs: {', '.join(map(str, subject.vips))}")
    stage.screen.table(
        ("amphora", "rack", "front-end IPv4", "front-end IPv6"),
        [(a.label, a.rack, a.address(4), a.address(6)) for a in found],
    )
    stage.screen.claim(
        len(found) == SIZE and len({a.rack for a in found}) == 2,
        f"{len(found)} amphorae run, in two racks",
    )


def _check_redirect(stage: context.Stage, subject: context.Subject) -> None:
    answers = {
        fetch.fetch(stage.lab, vip, figures.PORT, "/old/page")
        for vip in subject.vips
    }
    stage.screen.claim(
        answers == {fetch.Answer(status=302, location=_REDIRECT)},
        f"over IPv4 and IPv6 GET /old/page is answered {_summary(answers)}",
    )


def _summary(answers: set[fetch.Answer]) -> str:
    return " and ".join(f"{a.status}, Location: {a.location}" for a in answers)


def _content() -> list[str]:
    """What the load balancer serves, as lines to type."""
    member = "loadbalancer member create --subnet-id backend-v4"
    return [
        f"loadbalancer listener create --name {WEB} --protocol HTTP"
        f" --protocol-port {figures.PORT} {NAME}",
        f"loadbalancer pool create --name {WEB} --protocol HTTP"
        f" --lb-algorithm ROUND_ROBIN --listener {WEB}",
        *(
            f"{member} --name {m.name} --address {m.address_v4.ip}"
            f" --protocol-port {settings.MEMBER_PORT} {WEB}"
            for m in settings.MEMBERS
        ),
        f"loadbalancer l7policy create --name {MOVED}"
        f" --action REDIRECT_TO_URL --redirect-url {_REDIRECT} {WEB}",
        "loadbalancer l7rule create --type PATH --compare-type STARTS_WITH"
        f" --value /old {MOVED}",
    ]
