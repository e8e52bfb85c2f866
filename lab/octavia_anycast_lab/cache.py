# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the lab keeps from one run to the next: built once, keyed by inputs.

Everything here can be deleted at any time; it is only ever rebuilt.
"""

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from octavia_anycast_lab import settings


def root() -> Path:
    """The cache directory, made if need be."""
    directory = settings.cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def key_of(inputs: Iterable[str]) -> str:
    """A short key: the same inputs in the same order give the same key."""
    digest = hashlib.sha256()
    for item in inputs:
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()[:16]


def version_of(distribution: str) -> str:
    """``name==version``, or ``name==absent``."""
    try:
        return f"{distribution}=={metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return f"{distribution}==absent"


def tree_digest(directory: Path, pattern: str = "**/*.py") -> str:
    """A digest of the names and contents of files below a directory."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob(pattern)):
        digest.update(str(path.relative_to(directory)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[Path]:
    """Hold the lock of one cache entry; two labs never build it twice."""
    entry = root() / name
    with (root() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield entry


def discard_others(prefix: str, keep: Path) -> None:
    """Delete older entries of one kind: a cache must not grow for ever."""
    for path in root().glob(f"{prefix}*"):
        if path == keep or path.name == f"{keep.name}.lock":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
