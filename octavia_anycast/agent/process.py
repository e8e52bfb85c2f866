# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Programs and units of the amphora.

Layer: agent. The one place that starts a process.
"""

import logging
import subprocess
from collections.abc import Sequence

LOG = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 20


def run(argv: Sequence[str], *, level: int = logging.ERROR) -> bool:
    """Run a program; True if it ended well. Its complaint is logged."""
    done = _run(argv)
    if done is not None and done.returncode:
        LOG.log(level, "%s: %s", " ".join(argv), done.stderr.strip())
    return done is not None and not done.returncode


def complaint(argv: Sequence[str]) -> str:
    """Run a program that checks something; what it says if it fails.

    Empty if it ends well, and if it cannot be run: then nothing is known.
    """
    done = _run(argv)
    if done is None or not done.returncode:
        return ""
    return done.stderr or done.stdout or f"it ended with {done.returncode}"


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        LOG.error("%s: %s", " ".join(argv), e)
        return None


class SystemdUnit:
    """A unit; implements :class:`~.speakers.base.Service`.

    The unit itself says ``Restart=always``.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def start(self) -> None:
        run(["systemctl", "start", "--no-block", self._unit])

    def stop(self) -> None:
        run(["systemctl", "stop", self._unit])

    def kill(self) -> None:
        """Kill all of its processes; systemd starts it again."""
        run(["systemctl", "kill", "--signal=KILL", self._unit])
