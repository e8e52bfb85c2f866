# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Neutron and the agents tell each other, without a message bus.

Both are on one machine and share a directory. Neutron touches ``changes``
whenever a port or a rule has changed, and the agents look at its time, which
costs nothing. The agents send datagrams to ``status.sock``: which port is
plugged and filtered. Either may be lost: both sides compare from time to
time.
"""

import collections.abc
import contextlib
import json
import os
import pathlib
import socket
import time

from octavia_anycast_lab import settings

CHANGES = "changes"
SOCKET = "status.sock"
_DATAGRAM_BYTES = 4096


def directory(lab: settings.Lab) -> pathlib.Path:
    """Where both sides of a lab meet; it is Neutron's option, too."""
    return lab.run_dir / "neutron" / "lab-tap"


def mark_changed(place: pathlib.Path) -> None:
    """Say that a port, a group or a rule has changed."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / CHANGES
    file.touch()
    # The file system's own times are as coarse as the kernel's ticks.
    now = max(time.time_ns(), changed_at(place) + 1)
    os.utime(file, ns=(now, now))


def changed_at(place: pathlib.Path) -> int:
    """When something changed for the last time; 0 if nothing ever did."""
    with contextlib.suppress(FileNotFoundError):
        return (place / CHANGES).stat().st_mtime_ns
    return 0


def report(place: pathlib.Path, port_id: str, *, is_up: bool) -> None:
    """Tell Neutron that a port is plugged and filtered, or is not."""
    message = json.dumps({"port_id": port_id, "is_up": is_up}).encode()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        contextlib.suppress(OSError),  # Neutron does not run: told again
    ):
        sender.sendto(message, str(place / SOCKET))


def reports(
    place: pathlib.Path,
) -> collections.abc.Iterator[tuple[str, bool]]:
    """Yield what the agents report, for ever."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        path.chmod(0o600)
        while True:
            message = receiver.recv(_DATAGRAM_BYTES)
            with contextlib.suppress(ValueError, KeyError, TypeError):
                content = json.loads(message)
                yield str(content["port_id"]), bool(content["is_up"])
