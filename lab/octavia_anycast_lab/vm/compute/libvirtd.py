# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""libvirt's daemon of one rack, in namespaces of its own.

It sees the network namespace of the rack's hypervisor, another host name, and
its own folders where libvirt has fixed paths: two of them, and one of the
machine, do not meet. Nothing is mounted in the machine's mount namespace.
"""

import uuid
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import settings

PROGRAM = "/usr/sbin/libvirtd"
# Folder of a hypervisor -> where libvirt expects it.
PLACES = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "etc": "/etc/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
_START_SECONDS = 60.0
# "$1" is the host name, "$2" the hypervisor's folder; then comes libvirtd.
_ENTER = (
    'set -e; hostname -- "$1"; mount -t sysfs sysfs /sys; '
    + " ".join(
        f'mount --bind "$2/{name}" {target};'
        for name, target in PLACES.items()
    )
    + ' shift 2; exec "$@"'
)


def label(hypervisor: settings.Hypervisor) -> str:
    """Its name in the lab's registry."""
    return f"libvirtd-{hypervisor.rack}"


def start(
    plane: deployment.Deployment,
    registry: Registry,
    hypervisor: settings.Hypervisor,
) -> bool:
    """Start it, unless it runs, and wait until it answers; True if it did."""
    name = label(hypervisor)
    if process.is_alive(registry, name):
        return False
    place = settings.place(plane.lab, hypervisor)
    _write(plane, hypervisor, place)
    process.spawn(
        registry,
        name,
        [
            *("unshare", "--mount", "--uts", "--propagation", "private"),
            *("--", "sh", "-c", _ENTER, "sh", hypervisor.host, str(place)),
            *(PROGRAM, "--pid-file", "/run/libvirt/libvirtd.pid"),
        ],
        namespace=plane.lab.namespace(hypervisor.role),
        env=service.clean_environment(),
        log=plane.log(name),
    )
    socket = place / "run" / "libvirt-sock"

    def is_answering() -> bool:
        if not process.is_alive(registry, name):
            raise service.ServiceError(
                f"{name} ended; the end of its log:\n"
                + service.tail(plane.log(name))
            )
        return socket.is_socket()

    process.wait_until(is_answering, _START_SECONDS, f"{name} listens")
    return True


def inside(pid: int) -> list[str]:
    """What a command line begins with to see what libvirtd sees."""
    return ["nsenter", f"--target={pid}", "--mount", "--uts", "--"]


def _write(
    plane: deployment.Deployment,
    hypervisor: settings.Hypervisor,
    place: Path,
) -> None:
    for name, target in PLACES.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        # The mount point; Debian's package makes it at each boot.
        Path(target).mkdir(parents=True, exist_ok=True)
    (place / "run" / "libvirt-sock").unlink(missing_ok=True)
    identity = uuid.uuid5(
        uuid.NAMESPACE_OID, f"{plane.lab.name}/{hypervisor.rack}"
    )
    for name in ("libvirtd.conf", "qemu.conf"):
        deployment.write_private(
            place / "etc" / name,
            settings.render(plane, f"{name}.j2", host_uuid=identity),
        )
