# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Undo a lab, whatever state it was left in.

Only what is the lab's own by construction is touched: what the registry
names (processes by pid and start time), and what runs in, or is mounted as,
a network namespace whose name begins with the lab's prefix.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.host import cgroup, netns, process

_ROUNDS = 50
_PAUSE_SECONDS = 0.1


class CleanupError(Exception):
    """Something of the lab could not be removed."""


def clean(
    lab: settings.Lab, registry: registry_lib.Registry | None = None
) -> None:
    """Remove all of a lab: processes, mounts, namespaces, directories.

    :raises CleanupError: something resisted; the registry then still has it.
    """
    known = registry or registry_lib.Registry(lab.run_dir)
    _kill_registered(known)
    kill_in_namespaces(namespaces(lab, known))
    cgroup.remove_lab(lab.name)
    _unmount(lab, known)
    for name in namespaces(lab, known):
        netns.delete(known, name)
    for entry in known.entries(registry_lib.Kind.DIRECTORY):
        shutil.rmtree(entry.name, ignore_errors=True)
        known.forget(registry_lib.Kind.DIRECTORY, entry.name)
    shutil.rmtree(machine.disks(lab.name), ignore_errors=True)
    known.clear()
    shutil.rmtree(lab.run_dir, ignore_errors=True)


def namespaces(
    lab: settings.Lab, registry: registry_lib.Registry
) -> tuple[str, ...]:
    """Namespaces of the lab, by the registry and by the lab's prefix."""
    names = {e.name for e in registry.entries(registry_lib.Kind.NAMESPACE)}
    if netns.NETNS_DIR.is_dir():
        names |= {item.name for item in netns.NETNS_DIR.iterdir()}
    return tuple(
        sorted(n for n in names if n.startswith(lab.namespace_prefix))
    )


def pids_in(namespace: str) -> tuple[int, ...]:
    """Processes whose network namespace is this one.

    :raises CleanupError: it is the namespace of this very process.
    """
    if not netns.exists(namespace):
        return ()
    wanted = netns.path(namespace).stat().st_ino
    if wanted == pathlib.Path("/proc/self/ns/net").stat().st_ino:
        raise CleanupError(f"{namespace}: call this from outside of it")
    found = []
    for item in pathlib.Path("/proc").iterdir():
        if item.name.isdecimal():
            try:
                inode = (item / "ns" / "net").stat().st_ino
            except OSError:
                continue
            if inode == wanted:
                found.append(int(item.name))
    return tuple(pid for pid in found if pid != os.getpid())


def kill_in_namespaces(names: tuple[str, ...]) -> None:
    """SIGKILL all that runs in these namespaces until nothing does.

    :raises CleanupError: something survived.
    """
    for _ in range(_ROUNDS):
        pids = [
            pid
            for name in names
            for pid in pids_in(name)
            if process.start_time(pid) is not None
        ]
        if not pids:
            return
        for pid in pids:
            process.terminate(pid, signal.SIGKILL, 0.0)
        time.sleep(_PAUSE_SECONDS)
    raise CleanupError(f"processes {pids} survived SIGKILL")


def _kill_registered(registry: registry_lib.Registry) -> None:
    for entry in registry.entries(registry_lib.Kind.PROCESS):
        pid = process.pid_of(registry, entry.name)
        if pid is not None:
            process.kill_group(pid)
            process.terminate(pid, signal.SIGKILL, 5.0)
        registry.forget(registry_lib.Kind.PROCESS, entry.name)


def _unmount(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Unmount, deepest first, what is registered or below the run_dir."""
    roots = [e.name for e in registry.entries(registry_lib.Kind.MOUNT)]
    roots += [e.name for e in registry.entries(registry_lib.Kind.DIRECTORY)]
    roots.append(str(lab.run_dir))
    for target in sorted(mounts_below(roots), key=len, reverse=True):
        if _umount(target) and _umount(target, "--lazy"):
            raise CleanupError(f"cannot unmount {target}")
    for entry in registry.entries(registry_lib.Kind.MOUNT):
        registry.forget(registry_lib.Kind.MOUNT, entry.name)


def mounts_below(roots: list[str]) -> list[str]:
    """Mount points which are, or are below, one of these paths."""
    text = pathlib.Path("/proc/self/mountinfo").read_text("utf-8")
    points = [
        line.split()[4].replace("\\040", " ") for line in text.splitlines()
    ]
    return [
        point
        for point in points
        if any(point == r or point.startswith(f"{r}/") for r in roots)
    ]


def _umount(target: str, *options: str) -> int:
    done = subprocess.run(
        ["umount", *options, target], capture_output=True, check=False
    )
    return done.returncode
