# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What many objects cost: thirty listeners, a thousand members.

Two amphorae of ours against two of Octavia's own ``ACTIVE_STANDBY``, each by
its own API and whoever works behind it, in turn. Nobody asks the members.
"""

import collections.abc
import dataclasses
import time
import typing

from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.host import process

SIZE = 2
LISTENERS = 30
MEMBERS_OF_EACH = 3
MEMBERS = 1000
_FIRST_PORT = 8001
# HAProxy opens two and a half files for each connection that it may take, and
# a container of the lab may open 20,000.
_CONNECTION_LIMIT = 100
_FIRST_LIMIT = 2001
# The peer's have none either: a second one is twice the addresses and rules.
_ONE_VIP: dict[str, typing.Any] = {"additional_vips": []}
_DEADLINE_SECONDS = 240.0
_LOOK_SECONDS = 0.05
_BALANCERS = "/v2/lbaas/loadbalancers"
_NO_SLOWER = result.Target(quantity="ratio", limit=1.0)
# Both APIs run the same code of Octavia: what differs is chance.
_ALIKE = result.Target(quantity="ratio", limit=1.1)


def _question(
    name: str, expected: str, target: result.Target
) -> result.Question:
    return result.Question(
        name=name, unit="s", expected=expected, target=target
    )


CREATE_CALL = _question(
    "create_30_listeners_call",
    "1.5-3 s each: the same code of Octavia's API",
    _ALIKE,
)
CREATE_ACTIVE = _question(
    "create_30_listeners_active",
    "12-18 s against 18-30 s: two boots, and 30 rules of a security group "
    "for each IP version",
    _NO_SLOWER,
)
CHANGE_ONE = _question(
    "change_with_1_listener",
    "1-1.6 s against 1.5-2.5 s: a poll, a push and a look; against a flow "
    "which reloads one amphora after the other",
    _NO_SLOWER,
)
CHANGE_MANY = _question(
    "change_with_30_listeners",
    "1.3-2.2 s against 2.5-4 s: a longer file, 30 rules to compare",
    _NO_SLOWER,
)
PUT_CALL = _question(
    "put_1000_members_call",
    "2.5-3.5 s each: the same code of Octavia's API",
    _ALIKE,
)
PUT_ACTIVE = _question(
    "put_1000_members_active",
    "5-7 s against 6-10 s: the call, a file of 1,000 servers for each "
    "amphora, and its reload",
    _NO_SLOWER,
)
DELETE_CALL = _question(
    "cascade_delete_call",
    "0.4-0.8 s each: the same code of Octavia's API",
    _ALIKE,
)
DELETE_GONE = _question(
    "cascade_delete_gone",
    "3-5 s: withdraw, two containers stop, 35 queries",
    result.Target(quantity="ours", limit=6.0),
)
DELETE_AGAINST = _question(
    "cascade_delete_gone_against_peer",
    "4 s against 8-15 s: its flow deletes pool by pool and rule by rule",
    _NO_SLOWER,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """How long a call took, and the call with what it set going."""

    call: float
    done: float


Times = collections.abc.Mapping[str, Seconds]


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Alternate ours and stock; the small ones stay, the large do not."""
    before = result.load()
    turns: list[tuple[Times, Times]] = []
    with lab.stock(columns.TOPOLOGY):
        small = [
            lab.create(size, f"bench-one-{size}", **_ONE_VIP)
            for size in (SIZE, None)
        ]
        try:
            for balancer in small:
                lab.await_active(balancer)
            for turn in range(min(lab.runs, 3)):
                ours, peer = (
                    _once(lab, size, one, turn)
                    for size, one in zip((SIZE, None), small, strict=True)
                )
                turns.append((ours, peer))
                lab.say(f"run {turn + 1}: {_line(ours)}")
                lab.say(f"  stock: {_line(peer)}")
        finally:
            for balancer in small:
                lab.delete(balancer)
    return _answers(turns, before)


def _answers(
    turns: collections.abc.Sequence[tuple[Times, Times]], before: float
) -> tuple[result.Result, ...]:
    def runs(step: str, part: str) -> list[result.Run]:
        return [
            result.Run(
                ours=getattr(ours[step], part), peer=getattr(peer[step], part)
            )
            for ours, peer in turns
        ]

    return tuple(
        question.answer(runs(step, part), before)
        for question, step, part in (
            (CREATE_CALL, "create", "call"),
            (CREATE_ACTIVE, "create", "done"),
            (CHANGE_ONE, "change one", "done"),
            (CHANGE_MANY, "change many", "done"),
            (PUT_CALL, "put", "call"),
            (PUT_ACTIVE, "put", "done"),
            (DELETE_CALL, "delete", "call"),
            (DELETE_GONE, "delete", "done"),
            (DELETE_AGAINST, "delete", "done"),
        )
    )


def _once(
    lab: world.World, size: int | None, small: world.LoadBalancer, turn: int
) -> Times:
    """All of it with a large load balancer of its own."""
    times: dict[str, Seconds] = {}
    began = time.monotonic()
    large = lab.create(
        size, f"bench-many-{size}-{turn}", listeners=_graph(), **_ONE_VIP
    )
    called = time.monotonic()
    try:
        lab.await_active(large)
        times["create"] = Seconds(
            call=called - began, done=time.monotonic() - began
        )
        limit = {"connection_limit": _FIRST_LIMIT + turn}
        times["change one"] = _change(lab, small, limit)
        times["change many"] = _change(lab, large, limit)
        times["put"] = _put_members(lab, large)
    except BaseException:
        lab.delete(large)
        raise
    times["delete"] = _delete(lab, large)
    return times


def _graph() -> list[dict[str, typing.Any]]:
    return [
        {
            "name": f"web-{number}",
            "protocol": "HTTP",
            "protocol_port": _FIRST_PORT + number,
            "connection_limit": _CONNECTION_LIMIT,
            "default_pool": {
                "name": f"web-{number}",
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "members": _members(MEMBERS_OF_EACH),
            },
        }
        for number in range(LISTENERS)
    ]


def _members(count: int) -> list[dict[str, typing.Any]]:
    """Of the network for benchmarks (RFC 2544): nobody is there."""
    return [
        {"address": f"198.18.{n // 250}.{n % 250 + 1}", "protocol_port": 80}
        for n in range(count)
    ]


def _change(
    lab: world.World,
    balancer: world.LoadBalancer,
    attributes: dict[str, typing.Any],
) -> Seconds:
    first = lab.status(balancer)["listeners"][0]["id"]
    path = f"/v2/lbaas/listeners/{first}"
    return _timed(
        lab,
        balancer,
        lambda: lab.api.request(
            "PUT", balancer.service, path, {"listener": attributes}
        ),
    )


def _put_members(lab: world.World, balancer: world.LoadBalancer) -> Seconds:
    first = lab.status(balancer)["pools"][0]["id"]
    path = f"/v2/lbaas/pools/{first}/members"
    body = {"members": _members(MEMBERS)}
    return _timed(
        lab,
        balancer,
        lambda: lab.api.request("PUT", balancer.service, path, body),
    )


def _timed(
    lab: world.World,
    balancer: world.LoadBalancer,
    call: collections.abc.Callable[[], object],
) -> Seconds:
    """Make a change, and wait until the load balancer is ACTIVE again."""
    lab.await_active(balancer)
    began = time.monotonic()
    call()
    called = time.monotonic()
    lab.await_active(balancer)
    return Seconds(call=called - began, done=time.monotonic() - began)


def _delete(lab: world.World, balancer: world.LoadBalancer) -> Seconds:
    """Delete it with all below, and wait until the API has it no more."""
    began = time.monotonic()
    lab.request_deletion(balancer)
    called = time.monotonic()

    def is_gone() -> bool:
        try:
            lab.api.get(balancer.service, f"{_BALANCERS}/{balancer.id}")
        except rest.ApiError as error:
            if error.status != 404:
                raise
            return True
        return False

    process.wait_until(
        is_gone, _DEADLINE_SECONDS, f"{balancer.id} gone", _LOOK_SECONDS
    )
    return Seconds(call=called - began, done=time.monotonic() - began)


def _line(times: Times) -> str:
    return ", ".join(
        f"{step} {seconds.call:.1f}/{seconds.done:.1f} s"
        for step, seconds in times.items()
    )
