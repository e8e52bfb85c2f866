# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Instances: amphorae as booted containers, wired to the lab's bridges.

    LAB-amp-<id>                      LAB-leaf1, LAB-mgmt, ...
      eth0, eth1, ... ---- veth ----  tap<port id> -- bridge

An instance is a directory (its description), a disk (the upper directory of
an overlay over the image) and, while it has power, a network namespace, a
control group and one process which owns all others. Whoever starts an
instance may die: it lives on. Any process of the lab may call any method at
any time; each instance has its lock.
"""

import collections
import collections.abc
import contextlib
import dataclasses
import enum
import fcntl
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import machine, wiring
from octavia_anycast_lab.host import cgroup, netns, process

_RUNNER = pathlib.Path(__file__).parent / "templates/instance.sh"
_NSPAWN_RUN = pathlib.Path("/run/systemd/nspawn")
_STOP_SECONDS = 15.0
_POWEROFF_SIGNAL = signal.SIGRTMIN + 3


class InstanceNotFound(Exception):
    """No such instance."""


class InstanceStateError(Exception):
    """The instance is not in a state for that."""


class Loss(enum.StrEnum):
    """How an instance dies."""

    POWER = "power"  # with its links: nothing says good-bye
    PROCESSES = "processes"  # its kernel lives and closes the connections


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an instance is made from."""

    instance: machine.Instance
    files: collections.abc.Mapping[str, bytes]


class Hypervisor:
    """All instances of one lab."""

    def __init__(self, lab: settings.Lab) -> None:
        self.lab = lab
        self.registry = registry_lib.Registry(lab.run_dir)
        self.directory = lab.run_dir / "instances"

    # -- description -------------------------------------------------------

    def instances(self) -> tuple[machine.Instance, ...]:
        """All instances, with and without power."""
        loaded = (
            machine.load(path)
            for path in sorted(self.directory.glob("*/instance.json"))
        )
        return tuple(i for i in loaded if i is not None)

    def get(self, instance_id: str) -> machine.Instance:
        """One instance.

        :raises InstanceNotFound: there is none.
        """
        instance = machine.load(self._description(instance_id))
        if instance is None:
            raise InstanceNotFound(instance_id)
        return instance

    def namespace(self, instance: machine.Instance) -> str:
        """Its network namespace."""
        return self.lab.namespace(instance.label)

    def console(self, instance: machine.Instance) -> pathlib.Path:
        """Its console log, which outlives it."""
        return self.lab.log_dir / f"{instance.label}.console.log"

    def disk_of(self, instance_id: str) -> pathlib.Path:
        """Where its disk is, or would be."""
        return machine.disks(self.lab.name) / instance_id

    def is_running(self, instance: machine.Instance) -> bool:
        """True while it has power."""
        return process.is_alive(self.registry, instance.label)

    # -- life --------------------------------------------------------------

    def create(self, order: Order) -> None:
        """Make the disk, with the files of the configuration drive on it.

        :raises InstanceStateError: it exists.
        """
        instance = order.instance
        disk = pathlib.Path(instance.disk)
        place = self._description(instance.id)
        if place.exists():
            raise InstanceStateError(f"{instance.id} exists")
        self.registry.add(registry_lib.Kind.DIRECTORY, str(disk))
        for name in ("upper", "work", "root"):
            (disk / name).mkdir(parents=True)
        hostname = {"/etc/hostname": f"{instance.name}\n".encode()}
        for path, content in {**hostname, **order.files}.items():
            _write_to_disk(instance, path, content)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _lock(self.directory):
            machine.store(place, self._scheduled(instance))

    def boot(self, instance_id: str) -> None:
        """Give it power.

        :raises InstanceStateError: it has power.
        """
        with self._locked(instance_id) as instance:
            if self.is_running(instance):
                raise InstanceStateError(f"{instance_id} runs")
            self._power_off(instance)
            netns.create(self.registry, self.namespace(instance))
            for nic in instance.nics:
                wiring.plug(self.namespace(instance), nic)
            self._group(instance).mkdir(parents=True)
            self._start(instance)

    def stop(self, instance_id: str) -> None:
        """Shut it down; power goes if it does not manage in time."""
        with self._locked(instance_id) as instance:
            leader = self.leader(instance)
            if leader is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(leader, _POWEROFF_SIGNAL)
                cgroup.wait_empty(self._group(instance), _STOP_SECONDS)
            self._power_off(instance)

    def kill(self, instance_id: str, loss: Loss = Loss.POWER) -> None:
        """End it at once, all of it."""
        with self._locked(instance_id) as instance:
            if loss is Loss.POWER:
                self._power_off(instance)
            else:
                self._end_processes(instance)

    def reboot(self, instance_id: str) -> None:
        """Shut it down and boot it again: same disk, same interfaces."""
        self.stop(instance_id)
        self.boot(instance_id)

    def pause(self, instance_id: str, *, paused: bool) -> None:
        """Freeze all its processes, or let them go on: it hangs."""
        with self._locked(instance_id) as instance:
            cgroup.freeze(self._group(instance), frozen=paused)

    def delete(self, instance_id: str) -> None:
        """Remove it and all that it has; it need not exist."""
        try:
            with self._locked(instance_id) as instance:
                self._power_off(instance)
                for name in ("propagate", "unix-export"):
                    with contextlib.suppress(OSError):
                        (_NSPAWN_RUN / name / self._machine(instance)).rmdir()
                self._discard_disk(instance)
                self._description(instance_id).unlink()
                shutil.rmtree(self.directory / instance_id)
        except InstanceNotFound:
            return

    # -- interfaces --------------------------------------------------------

    def attach(self, instance_id: str, nic: machine.Nic) -> machine.Nic:
        """Plug a port in, now and at each boot; again: the one there is.

        The interface's name is chosen here, never one that was used before.
        """
        with self._locked(instance_id) as instance:
            known = instance.nic(nic.port_id)
            if known is not None:
                return known
            name = f"eth{instance.next_interface}"
            named = dataclasses.replace(nic, interface=name)
            place = self._description(instance_id)
            machine.store(place, instance.with_nic(named))
            if self.is_running(instance):
                try:
                    wiring.plug(self.namespace(instance), named)
                except netns.NamespaceError:
                    wiring.unplug(named)
                    machine.store(place, instance)
                    raise
            return named

    def detach(self, instance_id: str, port_id: str) -> None:
        """Unplug a port; it need not be plugged."""
        with self._locked(instance_id) as instance:
            nic = instance.nic(port_id)
            if nic is not None:
                wiring.unplug(nic)
                machine.store(
                    self._description(instance_id),
                    instance.without_nic(port_id),
                )

    def replug(self, instance_id: str) -> None:
        """Lay all cables again, after a reboot from inside."""
        with self._locked(instance_id) as instance:
            for nic in instance.nics:
                wiring.plug(self.namespace(instance), nic)

    # -- inside ------------------------------------------------------------

    def leader(self, instance: machine.Instance) -> int | None:
        """The pid, out here, of the instance's pid 1."""
        for pid in cgroup.pids(self._group(instance) / "payload"):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
                if "\nNSpid:" in text:
                    line = text.split("\nNSpid:")[1].splitlines()[0]
                    if line.split()[-1] == "1":
                        return pid
        return None

    def execute(
        self,
        instance: machine.Instance,
        argv: collections.abc.Sequence[str],
        *,
        namespace: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; ``namespace`` names one of the instance.

        :raises InstanceStateError: it has no power.
        """
        leader = self.leader(instance)
        if leader is None:
            raise InstanceStateError(f"{instance.id} has no power")
        inner = () if namespace is None else ("ip", "netns", "exec", namespace)
        return subprocess.run(
            [
                *_on_its_processor(instance),
                *("nsenter", f"--target={leader}", "--all", "--"),
                *(*inner, *argv),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    # -- private -----------------------------------------------------------

    def _description(self, instance_id: str) -> pathlib.Path:
        return self.directory / instance_id / "instance.json"

    def _group(self, instance: machine.Instance) -> pathlib.Path:
        return cgroup.path(self.lab.name, instance.label)

    def _machine(self, instance: machine.Instance) -> str:
        return f"{self.lab.name}-{instance.label}"

    @contextlib.contextmanager
    def _locked(
        self, instance_id: str
    ) -> collections.abc.Iterator[machine.Instance]:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(_lock(self.directory / instance_id))
            except FileNotFoundError:
                raise InstanceNotFound(instance_id) from None
            yield self.get(instance_id)

    def _scheduled(self, instance: machine.Instance) -> machine.Instance:
        """With the processor and the host that the fewest others have."""
        others = self.instances()
        taken = collections.Counter(i.processor for i in others)
        processors = sorted(os.sched_getaffinity(0))
        crowd = collections.Counter(i.host for i in others)
        return dataclasses.replace(
            instance,
            processor=min(processors, key=lambda p: taken[p]),
            host=instance.host
            or min(settings.hosts(instance.zone), key=lambda h: crowd[h]),
        )

    def _start(self, instance: machine.Instance) -> None:
        replug = [
            sys.executable,
            "-m",
            "octavia_anycast_lab.amphora.hypervisor",
        ]
        process.spawn(
            self.registry,
            instance.label,
            [
                *_on_its_processor(instance),
                *("unshare", "--mount", "--propagation", "slave"),
                *("/bin/sh", str(_RUNNER), str(self._group(instance))),
                *(":".join(instance.layers), instance.disk),
                str(netns.path(self.namespace(instance))),
                *(self._machine(instance), instance.id),
                *(*replug, self.lab.name, instance.id),
            ],
            namespace=self.namespace(instance),
            env={"PATH": os.environ.get("PATH", os.defpath)},
            log=self.console(instance),
        )

    def _power_off(self, instance: machine.Instance) -> None:
        """Links first: what dies can then not say good-bye."""
        for nic in instance.nics:
            wiring.unplug(nic)
        self._end_processes(instance)
        netns.delete(self.registry, self.namespace(instance))

    def _end_processes(self, instance: machine.Instance) -> None:
        cgroup.kill(self._group(instance))
        process.stop(self.registry, instance.label, 0.0)
        cgroup.remove(self._group(instance))

    def _discard_disk(self, instance: machine.Instance) -> None:
        shutil.rmtree(instance.disk, ignore_errors=True)
        with contextlib.suppress(OSError):
            pathlib.Path(instance.disk).parent.rmdir()
        self.registry.forget(registry_lib.Kind.DIRECTORY, instance.disk)


def _on_its_processor(instance: machine.Instance) -> tuple[str, ...]:
    return ("taskset", "--cpu-list", str(instance.processor))


@contextlib.contextmanager
def _lock(directory: pathlib.Path) -> collections.abc.Iterator[None]:
    """Hold the lock of a directory.

    :raises FileNotFoundError: there is none.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_to_disk(
    instance: machine.Instance, path: str, content: bytes
) -> None:
    """Put a file on the disk as if the image had been started and it written.

    Directories keep the mode and owner which they have in the image.
    """
    inside = pathlib.PurePosixPath(path)
    if not inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"not an absolute path: {path}")
    upper = pathlib.Path(instance.disk) / "upper"
    for parent in reversed(inside.relative_to("/").parents):
        if not (upper / parent).is_dir():
            (upper / parent).mkdir(mode=0o755)
        for layer in instance.layers:
            model = pathlib.Path(layer) / parent
            if model.is_dir():
                found = model.stat()
                os.chown(upper / parent, found.st_uid, found.st_gid)
                os.chmod(upper / parent, stat.S_IMODE(found.st_mode))
                break
    place = upper / inside.relative_to("/")
    place.write_bytes(content)
    place.chmod(0o644 if path == "/etc/hostname" else 0o600)


if __name__ == "__main__":
    Hypervisor(settings.Lab(name=sys.argv[1])).replug(sys.argv[2])
