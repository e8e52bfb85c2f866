# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One command at a time works on a lab instance.

The lock is beside the lab's directory, which ``down`` removes; the kernel
lets go of it with its holder, however that ends.
"""

import contextlib
import fcntl
from collections.abc import Iterator

from octavia_anycast_lab import settings


class BusyError(Exception):
    """Another command is at work on the lab."""


@contextlib.contextmanager
def held(lab: settings.Lab, command: str = "up or down") -> Iterator[None]:
    """Hold the lab against others of the same command.

    :raises BusyError: somebody else does; nothing was changed.
    """
    lab.run_root.mkdir(parents=True, exist_ok=True)
    name = f"{lab.name}.{command.replace(' ', '-')}.lock"
    with (lab.run_root / name).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"Another command is at work on lab {lab.name} ({command}); "
                "wait for its end. Nothing was changed."
            ) from None
        yield
