# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""etcd of three members, one on each node; no TLS, as in the lab elsewhere.

Each is configured as the caller says, such as by the file that the operator
guide prints. It keeps its data when it is killed, and joins again as itself.
"""

import collections.abc
import json
import os
import signal
import typing

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import netns, process

PROGRAM = "etcd"
CLIENT_PORT = 2379
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
# Twice etcd's own: two processors are shared by all.
_HEARTBEAT_MS = 200
_ELECTION_MS = 2000


Environment = collections.abc.Callable[[Node], str]


def start(
    nodes: collections.abc.Sequence[Node],
    registry: registry_lib.Registry,
    environment: Environment,
) -> None:
    """Start the members that do not run, and wait for a leader.

    :param environment: node -> lines NAME=VALUE, as in /etc/default/etcd
    """
    for node in nodes:
        begin(node, registry, environment)
    await_leader(nodes)


def begin(
    node: Node, registry: registry_lib.Registry, environment: Environment
) -> None:
    """Start one member, if it does not run; does not wait for it."""
    label = node.label(PROGRAM)
    if process.is_alive(registry, label):
        return
    lines = (line.partition("=") for line in environment(node).split())
    told = {name: value for name, _, value in lines}
    # A flag would contradict the line, which etcd refuses.
    told["ETCD_DATA_DIR"] = str(node.directory / PROGRAM)
    process.spawn(
        registry,
        label,
        [
            *("etcd", "--heartbeat-interval", str(_HEARTBEAT_MS)),
            *("--election-timeout", str(_ELECTION_MS)),
            *("--logger", "zap", "--log-level", "warn"),
        ],
        namespace=node.namespace,
        env={**os.environ, **told},
        log=node.log(PROGRAM),
    )


def stop(node: Node, registry: registry_lib.Registry) -> None:
    """Stop a member tidily."""
    process.stop(registry, node.label(PROGRAM), _STOP_SECONDS)


def kill(node: Node, registry: registry_lib.Registry) -> None:
    """Kill a member; :func:`begin` starts it again, with its data."""
    process.kill(registry, node.label(PROGRAM))


def pause(node: Node, registry: registry_lib.Registry) -> None:
    """Stop a member's process where it is, until :func:`resume`."""
    process.send(registry, node.label(PROGRAM), signal.SIGSTOP)


def resume(node: Node, registry: registry_lib.Registry) -> None:
    """Let a paused member go on."""
    process.send(registry, node.label(PROGRAM), signal.SIGCONT)


def leader(nodes: collections.abc.Sequence[Node]) -> Node | None:
    """The member that leads, if a member says that there is one."""
    for node in nodes:
        status = _status(node)
        if status and status.get("leader") == status["header"]["member_id"]:
            return node
    return None


def await_leader(
    nodes: collections.abc.Sequence[Node],
    deadline_seconds: float = _START_SECONDS,
) -> Node:
    """Wait until one of these members leads; which one.

    :raises TimeoutError: none does.
    """
    found: list[Node] = []

    def look() -> bool:
        node = leader(nodes)
        found.extend(filter(None, (node,)))
        return bool(found)

    process.wait_until(look, deadline_seconds, "a leader of etcd", 0.2)
    return found[0]


def url(node: Node) -> str:
    """Where a member takes requests."""
    return f"http://{node.address}:{CLIENT_PORT}"


def get(node: Node, prefix: str) -> dict[str, str]:
    """Key -> value of all keys with a prefix, asked of one member.

    :raises netns.NamespaceError: it does not answer.
    """
    said = _ctl(node, "get", "--prefix", prefix).splitlines()
    return dict(zip(said[::2], said[1::2], strict=True))


def _status(node: Node) -> dict[str, typing.Any] | None:
    """What a member says of itself; None if it does not answer."""
    try:
        said = _ctl(node, "endpoint", "status", "--write-out=json")
    except netns.NamespaceError:
        return None
    (only,) = json.loads(said)
    status: dict[str, typing.Any] = only["Status"]
    return status


def _ctl(node: Node, *words: str) -> str:
    done = netns.run(
        node.namespace,
        [
            *("env", "ETCDCTL_API=3", "etcdctl"),
            *("--endpoints", url(node)),
            *("--dial-timeout=1s", "--command-timeout=2s"),
            *words,
        ],
    )
    return done.stdout
