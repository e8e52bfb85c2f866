# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is created with both providers, and what is changed then; pure data.

An object is called by kind and name; ``{pool web}`` in a path or a body
becomes its id, ``{lb}`` the load balancer's. An L7 rule, which has no name,
is called by the value that it compares with. Statuses are compared at the end
of each chapter, at rest.
"""

import dataclasses
import typing

from octavia_anycast_lab import settings

Body = dict[str, typing.Any]
NOBODY_LISTENS = 9  # discard; no member has it
# A container of the lab may open so few files that HAProxy with twelve
# listeners of the lab's default would not start in Octavia's own amphorae.
_CONNECTION_LIMIT = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call below ``/v2/lbaas``; ``{lb}`` is the load balancer."""

    method: str
    path: str
    body: Body | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Steps, after which everything comes to rest."""

    name: str
    steps: tuple[Step, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A load balancer made in one request, and its chapters."""

    name: str
    listeners: tuple[Body, ...] = ()
    pools: tuple[Body, ...] = ()
    chapters: tuple[Chapter, ...] = ()


def _monitor(name: str, **more: typing.Any) -> Body:
    return {
        "name": name,
        "type": "HTTP",
        "delay": 2,
        "timeout": 1,
        "max_retries": 2,
        **more,
    }


def _member(name: str, **more: typing.Any) -> Body:
    """One that answers; ``subnet`` is put in by who runs the story."""
    return {
        "name": name,
        "address": str(settings.MEMBERS[0].address_v4.ip),
        "protocol_port": settings.MEMBER_PORT,
        **more,
    }


def _dead(name: str) -> Body:
    return _member(name, protocol_port=NOBODY_LISTENS)


def _pool(
    name: str, *members: Body, monitor: Body | None = None, **more: typing.Any
) -> Body:
    made = {
        "name": name,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": _apart(members),
        **more,
    }
    return made if monitor is None else {**made, "healthmonitor": monitor}


def _apart(members: tuple[Body, ...]) -> list[Body]:
    """With an address each: Octavia takes no two of the same."""
    addresses = [str(member.address_v4.ip) for member in settings.MEMBERS]
    return [
        {**member, "address": addresses[index % len(addresses)]}
        for index, member in enumerate(members)
    ]


def _listener(
    name: str, port: int, pool: str = "", **more: typing.Any
) -> Body:
    made = {
        "name": name,
        "protocol": "HTTP",
        "protocol_port": port,
        "connection_limit": _CONNECTION_LIMIT,
        **more,
    }
    return {**made, "default_pool": {"name": pool}} if pool else made


def _rule(value: str, **more: typing.Any) -> Body:
    wanted = {"type": "PATH", "compare_type": "STARTS_WITH"}
    return {**wanted, "value": value, **more}


def _put(collection: str, root: str, name: str, **attributes: object) -> Step:
    path = "/loadbalancers/{lb}"
    if name != "lb":
        path = f"/{collection}/{{{root} {name}}}"
    return Step(method="PUT", path=path, body={root: attributes})


def _switch(collection: str, root: str, name: str, is_up: bool) -> Step:
    return _put(collection, root, name, admin_state_up=is_up)


def _delete(collection: str, root: str, name: str) -> Step:
    return Step(method="DELETE", path=f"/{collection}/{{{root} {name}}}")


def _members_of(pool: str) -> str:
    return f"pools/{{pool {pool}}}/members"


def _rules_of(policy: str) -> str:
    return f"l7policies/{{l7policy {policy}}}/rules"


DOWN: Body = {"admin_state_up": False}
_POLICIES = (
    {
        "name": "policy-on",
        "action": "REJECT",
        "rules": [_rule("/rule-on"), _rule("/rule-off", **DOWN)],
    },
    {
        "name": "policy-off",
        "action": "REJECT",
        "rules": [_rule("/rule-of-off")],
        **DOWN,
    },
    {
        "name": "policy-to-pool",
        "action": "REDIRECT_TO_POOL",
        "redirect_pool": {"name": "redirected"},
        "rules": [_rule("/redirect")],
    },
)

OBJECTS = Story(
    name="objects",
    listeners=(
        _listener("plain", 80, "plain"),
        _listener("off", 81, "of-off", **DOWN),
        _listener("no-pool", 82),
        _listener("pool-off", 83, "pool-off"),
        _listener("monitored", 84, "monitored"),
        _listener("monitor-off", 85, "monitor-off"),
        _listener("some-down", 86, "some-down"),
        _listener("policies", 87, l7policies=list(_POLICIES)),
        _listener("tcp", 88, "tcp", protocol="TCP"),
        _listener("shared", 89, "shared"),
        _listener("shared-too", 90, "shared"),
        _listener("no-members", 91, "no-members"),
    ),
    pools=(
        _pool("plain", _member("plain-1"), _member("plain-off", **DOWN)),
        _pool("of-off", _member("of-off-1"), monitor=_monitor("of-off-hm")),
        _pool(
            "pool-off",
            _member("pool-off-1"),
            monitor=_monitor("pool-off-hm"),
            **DOWN,
        ),
        _pool(
            "monitored",
            _member("up"),
            _member("weightless", weight=0),
            _member("backup", backup=True),
            _member("disabled", protocol_port=NOBODY_LISTENS, **DOWN),
            monitor=_monitor("hm"),
        ),
        _pool(
            "monitor-off",
            _member("unchecked"),
            monitor=_monitor("hm-off", **DOWN),
        ),
        _pool(
            "some-down",
            _member("alive"),
            _dead("dead"),
            monitor=_monitor("some-down-hm"),
        ),
        _pool(
            "redirected",
            _member("redirected-1"),
            monitor=_monitor("redirected-hm"),
        ),
        _pool(
            "tcp",
            _member("tcp-1"),
            monitor=_monitor("tcp-hm", type="TCP"),
            protocol="TCP",
        ),
        _pool("shared", _member("shared-1"), monitor=_monitor("shared-hm")),
        _pool("no-members", monitor=_monitor("no-members-hm")),
        _pool("alone", _member("alone-1"), monitor=_monitor("alone-hm")),
        _pool("alone-unchecked", _member("alone-unchecked-1")),
    ),
    chapters=(
        Chapter(name="created in one request"),
        Chapter(
            name="switched",
            steps=(
                _switch("listeners", "listener", "plain", False),
                _switch("listeners", "listener", "off", True),
                _switch("pools", "pool", "pool-off", True),
                _switch("pools", "pool", "tcp", False),
                _switch("healthmonitors", "healthmonitor", "hm", False),
                _switch("healthmonitors", "healthmonitor", "hm-off", True),
                _switch("l7policies", "l7policy", "policy-on", False),
                _switch("l7policies", "l7policy", "policy-off", True),
                _switch(
                    _rules_of("policy-on"),
                    "rule",
                    "/rule-off",
                    True,
                ),
                _switch(
                    _rules_of("policy-on"),
                    "rule",
                    "/rule-on",
                    False,
                ),
                _switch(_members_of("monitored"), "member", "up", False),
                Step(
                    method="DELETE",
                    path="/healthmonitors/{healthmonitor some-down-hm}",
                ),
            ),
        ),
        Chapter(
            name="built one by one",
            steps=(
                Step(
                    method="POST",
                    path="/healthmonitors",
                    body={
                        "healthmonitor": {
                            "pool_id": "{pool alone-unchecked}",
                            **_monitor("late-hm"),
                        }
                    },
                ),
                Step(
                    method="POST",
                    path="/" + _members_of("no-members"),
                    body={"member": _member("late-member")},
                ),
                Step(
                    method="POST",
                    path="/l7policies",
                    body={
                        "l7policy": {
                            "name": "late-policy",
                            "listener_id": "{listener no-pool}",
                            "action": "REJECT",
                        }
                    },
                ),
                Step(
                    method="POST",
                    path="/" + _rules_of("late-policy"),
                    body={"rule": _rule("/late")},
                ),
                Step(
                    method="POST",
                    path="/" + _rules_of("late-policy"),
                    body={"rule": _rule("/late-off", **DOWN)},
                ),
                _put(
                    "listeners",
                    "listener",
                    "no-pool",
                    default_pool_id="{pool alone-unchecked}",
                ),
                _delete("listeners", "listener", "shared"),
                _delete("listeners", "listener", "shared-too"),
                Step(
                    method="DELETE",
                    path="/l7policies/{l7policy policy-to-pool}",
                ),
            ),
        ),
    ),
)

ALL_DOWN = Story(
    name="all-down",
    listeners=(_listener("web", 80, "web"),),
    pools=(_pool("web", _dead("dead"), monitor=_monitor("hm")),),
    chapters=(
        Chapter(name="created in one request"),
        Chapter(
            name="its only member disabled",
            steps=(_switch(_members_of("web"), "member", "dead", False),),
        ),
    ),
)

WHOLE = Story(
    name="whole",
    chapters=(
        Chapter(name="created without listeners"),
        Chapter(
            name="its first listener",
            steps=(
                Step(
                    method="POST",
                    path="/listeners",
                    body={
                        "listener": {
                            "loadbalancer_id": "{lb}",
                            **_listener("web", 80),
                        }
                    },
                ),
                Step(
                    method="POST",
                    path="/pools",
                    body={
                        "pool": {
                            "name": "web",
                            "listener_id": "{listener web}",
                            "protocol": "HTTP",
                            "lb_algorithm": "ROUND_ROBIN",
                        }
                    },
                ),
                Step(
                    method="POST",
                    path="/" + _members_of("web"),
                    body={"member": _member("one")},
                ),
                Step(
                    method="POST",
                    path="/healthmonitors",
                    body={
                        "healthmonitor": {
                            "pool_id": "{pool web}",
                            **_monitor("hm"),
                        }
                    },
                ),
            ),
        ),
        Chapter(
            name="disabled",
            steps=(_switch("loadbalancers", "loadbalancer", "lb", False),),
        ),
        Chapter(
            name="enabled again",
            steps=(_switch("loadbalancers", "loadbalancer", "lb", True),),
        ),
        Chapter(
            name="its listener deleted",
            steps=(_delete("listeners", "listener", "web"),),
        ),
    ),
)

STORIES = (WHOLE, ALL_DOWN, OBJECTS)
