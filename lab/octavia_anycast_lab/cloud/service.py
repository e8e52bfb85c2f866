# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One OpenStack service of the control plane: start it, see that it answers.

Started together, awaited one by one; a service that died is started again
once nothing of its predecessor is left.
"""

import collections
import contextlib
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from octavia_anycast_lab import cleanup, deployment, settings
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Kind, Registry

READY_SECONDS = 120.0
_PROBE_SECONDS = 5.0
_TAIL_LINES = 30


class ServiceError(Exception):
    """A service of the control plane did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A WSGI application and how it wants to be started."""

    label: str
    application: str
    port: int
    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: str = "/"
    threads: int = 8

    def argv(self, plane: deployment.Deployment) -> list[str]:
        """The command line that serves it."""
        return [
            *(sys.executable, "-m", "octavia_anycast_lab.host.wsgi_process"),
            *("--program", self.program, "--threads", str(self.threads)),
            *("--bind", f"{plane.address}:{self.port}"),
            *("--bind", f"unix:{plane.service_socket(self.label)}"),
            *(self.application, "--", *self.arguments),
        ]


def start(
    plane: deployment.Deployment, registry: Registry, service: Service
) -> None:
    """Start a service unless it runs; does not wait until it answers."""
    if process.is_alive(registry, service.label):
        return
    clear_remains(plane, registry, service.label)
    process.spawn(
        registry,
        service.label,
        service.argv(plane),
        namespace=plane.namespace,
        env={**environment(plane), **service.environment},
        log=plane.log(service.label),
    )


def await_answer(
    plane: deployment.Deployment,
    registry: Registry,
    service: Service,
    deadline_seconds: float = READY_SECONDS,
) -> None:
    """Wait until a service answers a GET.

    :raises ServiceError: it ended or said nothing in time; with its log.
    """
    deadline = time.monotonic() + deadline_seconds
    while not is_answering(plane, service):
        alive = process.is_alive(registry, service.label)
        if alive and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        reason = "gave no answer in time" if alive else "ended"
        raise ServiceError(
            f"{service.label} {reason}; the end of its log:\n"
            + tail(plane.log(service.label))
        )


def is_answering(plane: deployment.Deployment, service: Service) -> bool:
    """One GET over the service's unix socket; below 500 is an answer."""
    connection = _UnixConnection(plane.service_socket(service.label))
    try:
        connection.request("GET", service.probe)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def clear_remains(
    plane: deployment.Deployment, registry: Registry, label: str
) -> None:
    """Kill what a dead service left: the members of its session.

    Only processes inside the namespace that it was started in are looked at.
    """
    entry = registry.get(Kind.PROCESS, label)
    if entry is None:
        return
    home = entry.attrs.get("namespace")
    for pid in session_of(plane, int(entry.attrs["pid"]), home):
        process.terminate(pid, signal.SIGKILL, _PROBE_SECONDS)


def session_of(
    plane: deployment.Deployment, leader: int, namespace: str | None = None
) -> list[int]:
    """Processes of one session in a namespace, else the control namespace."""
    members = []
    for pid in cleanup.pids_in(namespace or plane.namespace):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                members.append(pid)
    return members


def environment(plane: deployment.Deployment) -> dict[str, str]:
    """What every process of the control plane is started with."""
    return {**clean_environment(), settings.LAB_ENVIRONMENT: plane.lab.name}


def clean_environment() -> dict[str, str]:
    """The caller's environment without credentials of any cloud."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OS_")
    }


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log."""
    if not log.exists():
        return "(no log)"
    with log.open(errors="replace") as stream:
        return "".join(collections.deque(stream, maxlen=lines))


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket: it needs no network namespace."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PROBE_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
