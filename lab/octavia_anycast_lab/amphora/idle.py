# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an amphora costs that does nothing: processor and memory by unit.

For the Python of the amphora itself, from its standard input, so it needs
nothing but the standard library; in a virtual machine::

   ssh debian@ADDRESS sudo python3 - 60 \
       < lab/octavia_anycast_lab/amphora/idle.py

A unit is a control group: a process that has ended still counts with it. The
line "busy" has what no unit has, too: interrupts and the kernel's threads.
"""

import dataclasses
import pathlib
import sys
import time
from typing import TypeVar

_CGROUPS = pathlib.Path("/sys/fs/cgroup")
_PROC = pathlib.Path("/proc")
_TICKS = 100  # a second, whatever the kernel's HZ
# In /proc/PID/stat, after the name.
_USER, _SYSTEM, _STARTED_AT = 11, 12, 19
_IDLE, _IO_WAIT = 4, 5
_SHOWN_MS = 1.0
_Key = TypeVar("_Key")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Counters that only grow; times in milliseconds.

    A process is (pid, when it started): a number is used again.
    """

    at_ms: float
    idle_ms: float
    units: dict[str, float]
    processes: dict[tuple[int, int], float]
    counts: dict[str, int]


def unit_ms(cpu_stat: str) -> float:
    """Read the ``cpu.stat`` of a control group."""
    for line in cpu_stat.splitlines():
        name, _, value = line.partition(" ")
        if name == "usage_usec":
            return int(value) / 1000
    return 0.0


def process_ms(stat: str) -> tuple[int, float]:
    """Read ``/proc/PID/stat``: when it started, and its time."""
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return int(fields[_STARTED_AT]), ticks * 1000 / _TICKS


def kernel_counts(stat: str) -> tuple[float, dict[str, int]]:
    """Read ``/proc/stat``: the time without work, and what has happened."""
    lines = {line.split()[0]: line.split() for line in stat.splitlines()}
    idle = int(lines["cpu"][_IDLE]) + int(lines["cpu"][_IO_WAIT])
    return idle * 1000 / _TICKS, {
        "interrupts": int(lines["intr"][1]),
        "context switches": int(lines["ctxt"][1]),
        "processes started": int(lines["processes"][1]),
    }


def leaves(paths: list[str]) -> list[str]:
    """Those control groups that have none below them."""
    inner = {path.rpartition("/")[0] for path in paths}
    return [path for path in paths if path not in inner]


def report(before: Snapshot, after: Snapshot) -> list[str]:
    """Say what came between, as lines: units first, the largest first."""
    seconds = (after.at_ms - before.at_ms) / 1000
    busy = after.at_ms - before.at_ms - (after.idle_ms - before.idle_ms)
    lines = [f"busy {_share(busy, seconds)}"]
    lines += [
        f"{name}: {(count - before.counts[name]) / seconds:.1f} a second"
        for name, count in after.counts.items()
    ]
    units = _grown(before.units, after.units)
    lines += [f"unit {_share(ms, seconds)} {name}" for name, ms in units]
    processes = _grown(before.processes, after.processes)
    lines += [
        f"process {_share(ms, seconds)} {_command(pid)}"
        for (pid, _), ms in processes
    ]
    return lines


def _grown(
    before: dict[_Key, float], after: dict[_Key, float]
) -> list[tuple[_Key, float]]:
    """What each has more; what is new began at nothing."""
    grown = {key: ms - before.get(key, 0.0) for key, ms in after.items()}
    return [
        (key, ms)
        for key, ms in sorted(grown.items(), key=lambda item: -item[1])
        if ms >= _SHOWN_MS
    ]


def _share(milliseconds: float, seconds: float) -> str:
    a_minute = milliseconds * 60 / seconds
    return f"{a_minute:8.0f} ms a minute, {a_minute / 600:5.2f} %"


def _command(pid: int) -> str:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        name = (_PROC / str(pid) / "comm").read_text(encoding="utf-8")
    except OSError:
        return f"{pid} (ended)"
    text = b" ".join(words).decode("utf-8", "replace").strip()
    return f"{pid} {text[:90] or '[' + name.strip() + ']'}"


def _groups() -> list[str]:
    found = [str(path.parent) for path in _CGROUPS.rglob("cpu.stat")]
    return leaves(found)


def snapshot() -> Snapshot:
    """Look at this machine now."""
    units, processes = {}, {}
    for path in _groups():
        text = (pathlib.Path(path) / "cpu.stat").read_text(encoding="ascii")
        units[path.removeprefix(f"{_CGROUPS}/")] = unit_ms(text)
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            started_at, ms = process_ms(
                (entry / "stat").read_text(encoding="utf-8")
            )
        except OSError:
            continue  # it has ended
        processes[int(entry.name), started_at] = ms
    idle_ms, counts = kernel_counts(
        (_PROC / "stat").read_text(encoding="ascii")
    )
    return Snapshot(
        at_ms=time.monotonic() * 1000,
        idle_ms=idle_ms,
        units=units,
        processes=processes,
        counts=counts,
    )


def memory() -> list[str]:
    """Say what memory is in use, and each unit's proportional set size."""
    kilobytes = {}
    for line in (_PROC / "meminfo").read_text(encoding="ascii").splitlines():
        name, value = line.split()[:2]
        kilobytes[name] = int(value)
    used = kilobytes["MemTotal:"] - kilobytes["MemAvailable:"]
    lines = [f"memory {used / 1024:8.1f} MB in use, the kernel's too"]
    sizes: dict[str, float] = {}
    for path in _groups():
        name = path.removeprefix(f"{_CGROUPS}/")
        pids = (pathlib.Path(path) / "cgroup.procs").read_text(
            encoding="ascii"
        )
        for pid in pids.split():
            sizes[name] = sizes.get(name, 0.0) + _pss_mb(pid)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        lines.append(f"memory {size:8.1f} MB {name}")
    return lines


def _pss_mb(pid: str) -> float:
    try:
        text = (_PROC / pid / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Look, wait, look again, and print what came between."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    before = snapshot()
    time.sleep(seconds)
    lines = report(before, snapshot())
    print("\n".join([*lines, *memory()]))  # noqa: T201


if __name__ == "__main__":
    main()
