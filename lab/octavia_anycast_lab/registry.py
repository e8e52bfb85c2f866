# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Write-ahead registry of all that a lab has made on this machine.

An entry is on disk before the thing exists, so whatever dies at whatever
moment, the next ``up`` or ``down`` knows what may be left. Several processes
append to one file at the same time (the lab, the compute driver); a line
torn by a crash is skipped.
"""

import collections.abc
import contextlib
import dataclasses
import enum
import fcntl
import json
import os
import pathlib
import typing

FILE_NAME = "registry.jsonl"
COMPACT_BYTES = 256 * 1024


class Kind(enum.StrEnum):
    """What an entry stands for."""

    NAMESPACE = "namespace"
    PROCESS = "process"
    MOUNT = "mount"
    DIRECTORY = "directory"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of the lab: ``attrs`` is what its kind needs to undo it."""

    kind: Kind
    name: str
    attrs: collections.abc.Mapping[str, typing.Any]


class Registry:
    """The registry of one lab instance, in ``run_dir``."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        self.path = run_dir / FILE_NAME
        self._seen: tuple[tuple[int, int, int], tuple[Entry, ...]] | None = (
            None
        )

    def add(self, kind: Kind | str, name: str, **attrs: typing.Any) -> None:
        """Record, before making it, a thing; again with the same name: new
        attributes replace the old ones."""
        self._append("add", Kind(kind), name, attrs)

    def forget(self, kind: Kind | str, name: str) -> None:
        """Record, after its removal, that a thing is no more."""
        self._append("forget", Kind(kind), name, {})

    def entries(self, kind: Kind | str) -> tuple[Entry, ...]:
        """All living entries of a kind, oldest first."""
        wanted = Kind(kind)
        return tuple(e for e in self._replay() if e.kind is wanted)

    def get(self, kind: Kind | str, name: str) -> Entry | None:
        """The living entry of that kind and name, if any."""
        for entry in self.entries(kind):
            if entry.name == name:
                return entry
        return None

    def clear(self) -> None:
        """Forget everything: only once all of it has been undone."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _append(
        self,
        operation: str,
        kind: Kind,
        name: str,
        attrs: dict[str, typing.Any],
    ) -> None:
        line = _line(operation, kind, name, attrs)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        descriptor = self._open_locked()
        try:
            if _is_torn(descriptor):
                line = b"\n" + line
            os.write(descriptor, line)
            os.fsync(descriptor)
            if os.fstat(descriptor).st_size > COMPACT_BYTES:
                self._compact()
        finally:
            os.close(descriptor)

    def _open_locked(self) -> int:
        """The file, locked: again if it was replaced while we waited."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        while True:
            descriptor = os.open(self.path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                    return descriptor
            os.close(descriptor)

    def _compact(self) -> None:
        """Replace the file, whose lock is held, by its living entries."""
        content = b"".join(
            _line("add", entry.kind, entry.name, dict(entry.attrs))
            for entry in self._replay()
        )
        if len(content) > COMPACT_BYTES // 2:
            return
        fresh = self.path.with_suffix(".new")
        with open(fresh, "wb", opener=_private) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.rename(self.path)

    def _replay(self) -> tuple[Entry, ...]:
        """Living entries; read again only if the file has changed.

        The file grows or is replaced: inode and size tell its contents.
        """
        try:
            with self.path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                key = (status.st_ino, status.st_size, status.st_ctime_ns)
                if self._seen is not None and self._seen[0] == key:
                    return self._seen[1]
                living = _replay(stream.read(status.st_size))
        except FileNotFoundError:
            return ()
        self._seen = (key, living)
        return living


def _line(
    operation: str, kind: Kind, name: str, attrs: dict[str, typing.Any]
) -> bytes:
    record = {"op": operation, "kind": kind, "name": name, "attrs": attrs}
    return json.dumps(record, default=str).encode() + b"\n"


def _replay(content: bytes) -> tuple[Entry, ...]:
    living: dict[tuple[Kind, str], Entry] = {}
    for line in content.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            record = json.loads(line)
            entry = Entry(
                kind=Kind(record["kind"]),
                name=record["name"],
                attrs=record["attrs"],
            )
            key = (entry.kind, entry.name)
            if record["op"] == "add":
                living[key] = entry
            else:
                living.pop(key, None)
    return tuple(living.values())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_torn(descriptor: int) -> bool:
    """True if the file ends in the middle of a line."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
