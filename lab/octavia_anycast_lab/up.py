# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bring a lab up, or a running one back to health.

A lab whose first ``up`` came to its end is *complete*: it is repaired, and
keeps its load balancers. What a crash left of any other is removed first.
"""

import concurrent.futures
import os
import shutil
from pathlib import Path

from octavia_anycast_lab import cleanup, deployment, lock, settings
from octavia_anycast_lab.amphora import image, machine
from octavia_anycast_lab.cloud import control_plane
from octavia_anycast_lab.fabric import lifecycle
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry

PROGRAMS = {
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "nft": "nftables",
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "ip": "iproute2",
}
_FABRIC_SECONDS = 60.0


class NotPossibleError(Exception):
    """The lab cannot run here; the message says why and what to do."""


def require_machine() -> None:
    """See, before anything is touched, that a lab can be made here.

    :raises NotPossibleError: not root, or a program is missing.
    """
    if os.geteuid() != 0:
        raise NotPossibleError(
            "The lab makes network namespaces and containers: run it as "
            "root. Nothing was changed."
        )
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {
        package
        for program, package in PROGRAMS.items()
        if shutil.which(program, path=path) is None
    }
    if not Path("/usr/lib/frr/bgpd").exists():
        missing.add("frr")
    if missing:
        raise NotPossibleError(
            f"Debian packages are missing: {' '.join(sorted(missing))} "
            "(`make packages` installs them). Nothing was changed."
        )


def up(
    lab: settings.Lab,
    progress: Progress,
    *,
    with_image: bool = True,
    addition: control_plane.Addition | None = None,
) -> deployment.Deployment:
    """Bring the whole lab up; on a healthy lab this changes nothing.

    Without the image (a minute, the first time) everything works except
    that the first amphora has to wait for it. ``addition`` makes it a lab of
    another kind.

    :raises NotPossibleError: the machine lacks something.
    :raises lock.BusyError: another command works on this lab.
    """
    require_machine()
    with lock.held(lab):
        registry = Registry(lab.run_dir)
        _discard_broken(lab, registry, progress)
        return bring_up(
            lab,
            registry,
            progress,
            with_image=with_image,
            addition=addition,
        )


def bring_up(
    lab: settings.Lab,
    registry: Registry,
    progress: Progress,
    *,
    with_image: bool = True,
    addition: control_plane.Addition | None = None,
) -> deployment.Deployment:
    """Start all that does not run, the parts side by side.

    The caller holds the lab, and has seen that what is there is sound.
    """
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(_fabric, lab, registry, progress)]
        if with_image:
            parts.append(pool.submit(_image, lab, progress))
        plane = deployment.Deployment.of(lab)
        _await_namespaces(lab, parts[0])
        control_plane.start(plane, registry, progress, addition)
        for part in parts:
            part.result()
    control_plane.start_controller(plane, registry, progress)
    _marker(lab).touch()
    return plane


def is_complete(lab: settings.Lab) -> bool:
    """Whether an ``up`` of this lab came to its end."""
    return _marker(lab).exists()


def _discard_broken(
    lab: settings.Lab, registry: Registry, progress: Progress
) -> None:
    """Remove a lab that cannot be repaired: half made, or cut into.

    After a reboot its disks are there, and nothing else of it.
    """
    places = (lab.run_dir, machine.disks(lab.name))
    is_there = any(place.exists() for place in places)
    if not is_there and not cleanup.namespaces(lab, registry):
        return
    if is_complete(lab) and lifecycle.is_built(lab):
        return
    with progress.step(f"removing what is left of lab {lab.name}"):
        cleanup.clean(lab, registry)


def _await_namespaces(
    lab: settings.Lab, fabric: "concurrent.futures.Future[None]"
) -> None:
    """Wait for the fabric's namespaces, not for its routing."""

    def is_built() -> bool:
        if fabric.done():
            fabric.result()  # it may have failed
        return lifecycle.is_built(lab)

    process.wait_until(is_built, _FABRIC_SECONDS, "the lab's namespaces", 0.05)


def _fabric(lab: settings.Lab, registry: Registry, progress: Progress) -> None:
    with progress.step("fabric: spines, leaves, members, client"):
        lifecycle.up(lab, registry)


def _image(lab: settings.Lab, progress: Progress) -> None:
    """Build the amphora images, or find them in the cache."""
    with progress.step("amphora image"):
        image.publish(lab, progress.note)


def _marker(lab: settings.Lab) -> Path:
    return lab.run_dir / "complete"
