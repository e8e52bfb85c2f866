# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Memory of an amphora (proportional set size): ours against stock.

Both serve the same listener; what ours has more is the speaker, its
supervisor and the blueprint in the agent.
"""

import collections
import contextlib
import pathlib

from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.host import cgroup

QUESTION = result.Question(
    name="amphora_memory",
    unit="MB",
    expected="260-300 MB against 195-217 MB: ExaBGP 30, its relay 10, "
    "speakerd 30",
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """One amphora of each kind, both serving."""
    before = result.load()
    with contextlib.ExitStack() as stack:
        stack.enter_context(lab.stock())
        there = {instance.id for instance in lab.instances()}
        stack.enter_context(lab.serving(1, "bench-memory"))
        (ours,) = (i for i in lab.instances() if i.id not in there)
        there.add(ours.id)
        other = lab.create(None, "bench-memory-stock")
        stack.callback(lab.delete, other)
        lab.await_active(other)
        (stock,) = (i for i in lab.instances() if i.id not in there)
        run = result.Run(
            ours=sum(_parts(lab, ours).values()),
            peer=sum(_parts(lab, stock).values()),
            detail={
                "ours_by_program": _parts(lab, ours),
                "peer_by_program": _parts(lab, stock),
            },
        )
    return (QUESTION.answer([run], before),)


def _parts(lab: world.World, instance: machine.Instance) -> dict[str, float]:
    """Program -> its MB, the largest first."""
    group = cgroup.path(lab.lab.name, instance.label)
    totals: collections.Counter[str] = collections.Counter()
    for pid in cgroup.pids(group):
        with contextlib.suppress(OSError, IndexError):
            totals[_program(pid)] += _pss_kb(pid)
    return {
        program: round(kilobytes / 1024, 1)
        for program, kilobytes in totals.most_common()
    }


def _program(pid: int) -> str:
    """The script of an interpreter, else the program, as it calls itself."""
    proc = pathlib.Path(f"/proc/{pid}")
    words = proc.joinpath("cmdline").read_bytes().split(b"\0")
    paths = [
        pathlib.PurePath(word.decode("utf-8", "replace")) for word in words
    ]
    name = paths[0].name
    if name.startswith("python"):
        scripts = (p.name for p in paths[1:] if p.is_absolute())
        name = next((s for s in scripts if not s.endswith(".conf")), "")
    return name.rstrip(":") or proc.joinpath("comm").read_text().strip()


def _pss_kb(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
    return sum(
        int(line.split()[1])
        for line in text.splitlines()
        if line.startswith("Pss:")
    )
