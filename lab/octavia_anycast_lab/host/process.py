# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Long-lived processes of the lab: started detached, found again by anyone.

A process is known by its pid and its start time (``/proc/PID/stat``), so a
recycled pid is never signalled. It waits for its registry entry to be on
disk before it becomes the program: a crash of the caller in between leaves
nothing running.
"""

import collections.abc
import contextlib
import os
import pathlib
import select
import signal
import time

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.host import netns

PATIENCE = "OA_LAB_PATIENCE"
PATIENCE_MAX = 100
# "$1" is the directory to start in; the rest is the program. The shell reads
# one line (or sees end of file and gives up) before it is replaced.
_LAUNCHER = (
    'cd -- "$1" || exit 126; shift; read -r go || exit 125; '
    'exec "$@" </dev/null'
)
# Of /proc/PID/stat, counted from the first one after the name.
_USER_FIELD, _SYSTEM_FIELD, _START_TIME_FIELD = 14 - 3, 15 - 3, 22 - 3
_SETTLE_SECONDS = 5.0
_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM)


class ProcessError(Exception):
    """A process of the lab could not be started or stopped."""


def spawn(
    registry: registry_lib.Registry,
    label: str,
    argv: collections.abc.Sequence[str],
    *,
    namespace: str | None = None,
    env: collections.abc.Mapping[str, str] | None = None,
    log: pathlib.Path,
    cwd: pathlib.Path | None = None,
) -> int:
    """Start a program in a session of its own; returns its pid.

    It survives the caller; what it prints is appended to ``log``.

    :raises ProcessError: one with this label runs already.
    """
    if is_alive(registry, label):
        raise ProcessError(f"{label} runs already")
    enter: tuple[str, ...] = ()
    if namespace is not None:
        if not netns.exists(namespace):
            raise ProcessError(f"{label}: no network namespace {namespace}")
        enter = ("nsenter", f"--net={netns.path(namespace)}", "--")
    launcher = ("/bin/sh", "-c", _LAUNCHER, "sh", str(cwd or "/"), *argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    try:
        pid = _launch((*enter, *launcher), reader, log, env)
        registry.add(
            registry_lib.Kind.PROCESS,
            label,
            pid=pid,
            start_time=start_time(pid),
            argv=list(argv),
            namespace=namespace,
            log=str(log),
        )
        with contextlib.suppress(BrokenPipeError):
            os.write(writer, b"go\n")
    finally:
        os.close(reader)
        os.close(writer)
    return pid


def pid_of(registry: registry_lib.Registry, label: str) -> int | None:
    """The pid of a living process of that label."""
    entry = registry.get(registry_lib.Kind.PROCESS, label)
    if entry is None:
        return None
    pid = entry.attrs.get("pid")
    started = entry.attrs.get("start_time")
    if not isinstance(pid, int) or started is None:
        return None
    _reap(pid)
    return pid if start_time(pid) == started else None


def is_alive(registry: registry_lib.Registry, label: str) -> bool:
    """True if the process of that label runs (a zombie does not)."""
    return pid_of(registry, label) is not None


def stop(
    registry: registry_lib.Registry,
    label: str,
    deadline_seconds: float = 10.0,
) -> None:
    """SIGTERM, and SIGKILL (to its whole group) after the deadline.

    :raises ProcessError: it is still there even so.
    """
    pid = pid_of(registry, label)
    if pid is not None:
        gone = terminate(pid, signal.SIGTERM, deadline_seconds)
        if not gone:
            kill_group(pid)
            if not terminate(pid, signal.SIGKILL, _SETTLE_SECONDS):
                raise ProcessError(f"{label} (pid {pid}) survived SIGKILL")
    registry.forget(registry_lib.Kind.PROCESS, label)


def kill(registry: registry_lib.Registry, label: str) -> None:
    """SIGKILL at once, as a crash does; the entry stays for ``spawn``."""
    pid = pid_of(registry, label)
    if pid is not None:
        terminate(pid, signal.SIGKILL, _SETTLE_SECONDS)


def send(
    registry: registry_lib.Registry, label: str, number: signal.Signals
) -> None:
    """Send any signal.

    :raises ProcessError: no such process runs.
    """
    pid = pid_of(registry, label)
    if pid is None:
        raise ProcessError(f"{label} does not run")
    os.kill(pid, number)


def terminate(pid: int, number: signal.Signals, deadline: float) -> bool:
    """Signal one process and wait for its end; True if it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        gone = bool(poll.poll(max(deadline, 0.0) * 1000))
    finally:
        os.close(descriptor)
    _reap(pid)
    return gone


def kill_group(pid: int) -> None:
    """SIGKILL to the group which a spawned process leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which a process began, None if it is gone."""
    fields = _stat(pid)
    return int(fields[_START_TIME_FIELD]) if fields else None


def cpu_seconds(pid: int) -> float:
    """Seconds of a processor that a process took, all its threads.

    :raises ProcessLookupError: it is gone.
    """
    fields = _stat(pid)
    if not fields:
        raise ProcessLookupError(f"process {pid} is gone")
    ticks = int(fields[_USER_FIELD]) + int(fields[_SYSTEM_FIELD])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name; none if it is gone.

    Source: proc(5), ``/proc/PID/stat``; the second field may hold spaces and
    parentheses.
    """
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = text.rpartition(")")[2].split()
    return [] if fields[0] in ("Z", "X") else fields


def wait_until(
    condition: collections.abc.Callable[[], bool],
    deadline_seconds: float,
    what: str,
    interval_seconds: float = 0.1,
) -> float:
    """Poll until true; returns how many seconds it took.

    The deadline is one for a lab that has two processors for itself. Suites
    that run beside each other stretch it: ``OA_LAB_PATIENCE`` is a factor.

    :raises TimeoutError: not true before the deadline; names ``what``.
    :raises ValueError: ``OA_LAB_PATIENCE`` is not a number from 1 to 100.
    """
    began = time.monotonic()
    deadline = deadline_seconds * _patience()
    while not condition():
        if time.monotonic() - began > deadline:
            raise TimeoutError(f"{what}: not within {deadline:g} s")
        time.sleep(interval_seconds)
    return time.monotonic() - began


def _patience() -> float:
    text = os.environ.get(PATIENCE, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= PATIENCE_MAX:
        raise ValueError(
            f"{PATIENCE}: {text!r} is not a number from 1 to {PATIENCE_MAX}"
        )
    return factor


def _launch(
    command: collections.abc.Sequence[str],
    reader: int,
    log: pathlib.Path,
    env: collections.abc.Mapping[str, str] | None,
) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return os.posix_spawnp(
        command[0],
        list(command),
        dict(os.environ if env is None else env),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reader, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESET_SIGNALS,
    )


def _reap(pid: int) -> None:
    """Collect a child of ours which has ended; others are init's."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
