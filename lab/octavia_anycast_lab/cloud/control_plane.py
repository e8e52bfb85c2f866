# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The control plane as a whole: started, repaired, observed.

    MariaDB -> keystone, neutron, octavia-api (together) -> seed -> controller

All of it runs in the lab's namespace ``ctl`` and listens on its management
address.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import (
    controller,
    database,
    keystone,
    neutron,
    octavia_api,
    second_controller,
    service,
)
from octavia_anycast_lab.cloud.service import Service, ServiceError
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Kind, Registry

_SEED_LABEL = "seed"
_SEED_SECONDS = 400.0
SEED_MODULE = "octavia_anycast_lab.api.seed"
_Step = Callable[[deployment.Deployment, Registry, Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What another kind of lab has beyond this control plane.

    ``configure`` writes its files, before all others, and returns services
    that start with ours. ``prepare`` runs when MariaDB answers, ``complete``
    when everything does and ``seed_module`` has ended.
    """

    configure: Callable[[deployment.Deployment], tuple[Service, ...]]
    prepare: _Step
    complete: _Step
    seed_module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One process of the control plane, as it is."""

    label: str
    pid: int | None
    is_answering: bool
    memory_mb: int


def configure(plane: deployment.Deployment) -> tuple[Service, ...]:
    """Write all configuration; returns the services to start."""
    deployment.write_clouds(plane)
    return (
        keystone.configure(plane),
        neutron.configure(plane),
        octavia_api.configure(plane),
    )


def start(
    plane: deployment.Deployment,
    registry: Registry,
    progress: Progress,
    addition: Addition | None = None,
) -> None:
    """Start what does not run; on a running control plane: nothing.

    :raises ServiceError: a service did not come up.
    :raises DatabaseError: MariaDB did not.
    """
    added = addition.configure(plane) if addition else ()
    services = (*configure(plane), *added)
    with progress.step("control plane: MariaDB"):
        database.prepare(plane, progress.note)
        database.start(plane, registry)
        database.upgrade_own_tables(plane)
    if addition:
        addition.prepare(plane, registry, progress)
    bootstrap = keystone.bootstrap(plane) if not _is_seeded(plane) else None
    for each in services:
        service.start(plane, registry, each)
    module = addition.seed_module if addition else SEED_MODULE
    seeding = None if _is_seeded(plane) else begin_seed(plane, module)
    if bootstrap is not None:
        with progress.step("control plane: Keystone bootstrap"):
            keystone.await_bootstrap(plane, bootstrap)
    for each in services:
        with progress.step(f"control plane: {each.label} answers"):
            service.await_answer(plane, registry, each)
    if seeding is not None:
        with progress.step("control plane: identity, networks, flavors"):
            await_seed(plane, seeding)
        _seeded(plane).touch()
    if addition:
        addition.complete(plane, registry, progress)


def start_controller(
    plane: deployment.Deployment, registry: Registry, progress: Progress
) -> None:
    """Start the controller where it is installed."""
    if not controller.is_installed():
        progress.note(f"no {controller.SCRIPT} in this environment: skipped")
        return
    with progress.step("control plane: octavia-anycast-controller"):
        controller.start(plane, registry)


def states(
    plane: deployment.Deployment,
    registry: Registry,
    added: tuple[Service, ...] = (),
) -> tuple[State, ...]:
    """Every process of the control plane, dead or alive.

    ``added``: the services of another kind of lab.
    """
    services = {each.label: each for each in (*configure(plane), *added)}
    labels = [database.LABEL, *services]
    if controller.is_installed():
        labels.append(controller.LABEL)
    if process.is_alive(registry, second_controller.LABEL):
        labels.append(second_controller.LABEL)
    return tuple(
        state(plane, registry, label, services.get(label)) for label in labels
    )


def state(
    plane: deployment.Deployment,
    registry: Registry,
    label: str,
    probed: Service | None = None,
) -> State:
    """One process; without ``probed`` it answers if it lives."""
    pid = process.pid_of(registry, label)
    alive = pid is not None
    entry = registry.get(Kind.PROCESS, label)
    home = entry.attrs.get("namespace") if entry else None
    return State(
        label=label,
        pid=pid,
        is_answering=service.is_answering(plane, probed)
        if probed and alive
        else alive,
        memory_mb=session_memory_mb(plane, pid, home) if pid else 0,
    )


def session_memory_mb(
    plane: deployment.Deployment, leader: int, namespace: str | None = None
) -> int:
    """Proportional set size of a process and all of its session, in MB."""
    total_kb = 0
    for pid in service.session_of(plane, leader, namespace):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total_kb += sum(
            int(line.split()[1])
            for line in rollup.splitlines()
            if line.startswith("Pss:")
        )
    return total_kb // 1024


def _is_seeded(plane: deployment.Deployment) -> bool:
    return _seeded(plane).exists()


def _seeded(plane: deployment.Deployment) -> Path:
    return plane.state_dir / "seeded"


def begin_seed(
    plane: deployment.Deployment, module: str
) -> "subprocess.Popen[bytes]":
    """Start a process that seeds, inside the control namespace."""
    with plane.log(_SEED_LABEL).open("ab") as log:
        return subprocess.Popen(
            [
                # It ends with us, as Keystone's bootstrap does.
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("nsenter", f"--net={netns.path(plane.namespace)}", "--"),
                *(sys.executable, "-m", module),
                *("--lab", plane.lab.name),
            ],
            env=service.clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def await_seed(
    plane: deployment.Deployment, seeding: "subprocess.Popen[bytes]"
) -> None:
    """Wait for its end.

    :raises ServiceError: it failed; with its log.
    """
    try:
        code = seeding.wait(_SEED_SECONDS)
    except subprocess.TimeoutExpired as error:
        seeding.kill()
        raise ServiceError(f"seeding: no end in {_SEED_SECONDS} s") from error
    if code:
        log = service.tail(plane.log(_SEED_LABEL))
        raise ServiceError(f"seeding failed; the end of its log:\n{log}")
