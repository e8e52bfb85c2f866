# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Control groups (v2) of instances: all processes of one, as one.

Only groups below ``octavia-anycast-lab`` are made or removed. Works with a
pure v2 host and with a hybrid one, where v2 is a second hierarchy.
"""

import contextlib
import errno
import os
import pathlib
import time

PARENT = "octavia-anycast-lab"
_PAUSE_SECONDS = 0.02


class CgroupError(Exception):
    """No version 2 hierarchy, or a group that does not empty."""


def mount_point() -> pathlib.Path:
    """Where the version 2 hierarchy is mounted.

    :raises CgroupError: nowhere.
    """
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    raise CgroupError("no cgroup2 hierarchy is mounted")


def path(lab: str, name: str | None = None) -> pathlib.Path:
    """The group of an instance of a lab, or of the whole lab."""
    group = mount_point() / PARENT / lab
    return group if name is None else group / name


def pids(group: pathlib.Path) -> tuple[int, ...]:
    """All processes in a group and below."""
    found: list[int] = []
    for directory, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            text = (pathlib.Path(directory) / "cgroup.procs").read_text()
            found += [int(word) for word in text.split()]
    return tuple(found)


def kill(group: pathlib.Path, deadline_seconds: float = 10.0) -> None:
    """SIGKILL every process of a group at once, and wait for their end.

    :raises CgroupError: it does not empty.
    """
    with contextlib.suppress(FileNotFoundError):
        (group / "cgroup.kill").write_text("1")
    if not wait_empty(group, deadline_seconds):
        raise CgroupError(f"{group}: processes {pids(group)} do not end")


def wait_empty(group: pathlib.Path, deadline_seconds: float) -> bool:
    """True if all its processes ended before the deadline."""
    end = time.monotonic() + deadline_seconds
    while pids(group):
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def freeze(group: pathlib.Path, *, frozen: bool) -> None:
    """Stop all its processes where they are, or let them go on."""
    (group / "cgroup.freeze").write_text("1" if frozen else "0")


def remove(group: pathlib.Path, deadline_seconds: float = 10.0) -> None:
    """Remove a group without processes and those below; it need not exist.

    A process which has just ended keeps its group busy until it is reaped.

    :raises CgroupError: it stays busy.
    """
    end = time.monotonic() + deadline_seconds
    for directory, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > end:
                    raise CgroupError(f"{directory}: {error}") from error
                time.sleep(_PAUSE_SECONDS)
            else:
                break


def remove_lab(lab: str) -> None:
    """Kill and remove whatever groups of a lab are left."""
    try:
        group = path(lab)
    except CgroupError:
        return
    if group.is_dir():
        kill(group)
        remove(group)
    with contextlib.suppress(OSError):
        os.rmdir(group.parent)
