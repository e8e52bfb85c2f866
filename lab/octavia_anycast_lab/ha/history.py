# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The history of who did what under which lock, and whether it is sound.

A tenure is the time from when somebody took a lock until it gave it back, or
was overtaken. What it did meanwhile has to be one piece: once another tenure
of the same lock has acted, an older one must not act again.
"""

import collections.abc
import dataclasses
import json
import os
import pathlib
import time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act under a lock; ``at``: seconds of the machine's clock."""

    at: float
    lock: str
    tenure: str
    what: str = "act"


class Recorder:
    """Appends acts to a file that several processes share."""

    def __init__(self, path: pathlib.Path) -> None:
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
        )

    def record(self, lock: str, tenure: str, what: str = "act") -> None:
        """Record that something is done now."""
        act = Act(at=time.monotonic(), lock=lock, tenure=tenure, what=what)
        line = json.dumps(dataclasses.asdict(act)) + "\n"
        os.write(self._descriptor, line.encode())


def read(path: pathlib.Path) -> tuple[Act, ...]:
    """All acts of a file, in the order of time."""
    if not path.exists():
        return ()
    lines = path.read_text().splitlines()
    acts = (Act(**json.loads(line)) for line in lines)
    return tuple(sorted(acts, key=lambda act: act.at))


def violations(acts: collections.abc.Iterable[Act]) -> tuple[str, ...]:
    """Sentences about acts of tenures that were over by then."""
    last: dict[str, Act] = {}
    over: dict[tuple[str, str], Act] = {}
    found = []
    for act in acts:
        before = last.get(act.lock)
        if before is not None and before.tenure != act.tenure:
            over[act.lock, before.tenure] = act
        since = over.get((act.lock, act.tenure))
        if since is not None and since is not act:
            found.append(
                f"{act.tenure} did {act.what} under {act.lock} "
                f"{act.at - since.at:.3f} s after {since.tenure} had begun"
            )
        last[act.lock] = act
    return tuple(found)
