# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Files that are either the old ones or the new ones, also after a crash.

Layer: agent.
"""

import os
import shutil


def write(
    path: str, text: str, *, mode: int, group: str | None = None
) -> None:
    """Replace a file; it is on the disk on return.

    ``group``: the group that owns it; None does not change it.

    :raises LookupError: there is no such group.
    """
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    # Nobody else may read it before its group is right.
    descriptor = os.open(temporary, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        if group is not None:
            shutil.chown(temporary, group=group)
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    os.rename(temporary, path)
    directory_descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(directory_descriptor)
    finally:
        os.close(directory_descriptor)
