# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Take a lab down, whatever its state, and see that nothing is left."""

import contextlib
import os
import shutil
import time
from pathlib import Path

from octavia_anycast_lab import cleanup, lock, settings
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry

KEEP_LOGS_ENVIRONMENT = "OA_LAB_KEEP_LOGS"


class LeftoverError(Exception):
    """Something of the lab survived its removal."""


def down(lab: settings.Lab, progress: Progress) -> None:
    """Remove every process, mount, namespace and file of a lab.

    :raises LeftoverError: something is still there.
    :raises lock.BusyError: another command works on this lab.
    """
    with lock.held(lab), progress.step(f"removing lab {lab.name}"):
        registry = Registry(lab.run_dir)
        # The controller first: it would replace what goes away below it.
        with contextlib.suppress(process.ProcessError):
            process.stop(registry, "controller", 5.0)
        process.kill(registry, database.LABEL)
        keep_logs(lab)
        cleanup.clean(lab, registry)
        left = leftovers(lab)
        if left:
            raise LeftoverError(f"still there: {', '.join(left)}")


def keep_logs(lab: settings.Lab) -> None:
    """Copy the logs to where the environment wants them, if it does."""
    target = os.environ.get(KEEP_LOGS_ENVIRONMENT)
    if target and lab.log_dir.is_dir():
        stamp = time.strftime("%H%M%S")
        shutil.copytree(
            lab.log_dir,
            Path(target) / f"{lab.name}-{stamp}",
            dirs_exist_ok=True,
        )


def leftovers(lab: settings.Lab) -> tuple[str, ...]:
    """What of a lab is on the machine: namespaces, mounts, files."""
    registry = Registry(lab.run_dir)
    found = [f"namespace {n}" for n in cleanup.namespaces(lab, registry)]
    found += [
        f"mount {point}" for point in cleanup.mounts_below([str(lab.run_dir)])
    ]
    if lab.run_dir.exists():
        found.append(f"directory {lab.run_dir}")
    return tuple(found)
