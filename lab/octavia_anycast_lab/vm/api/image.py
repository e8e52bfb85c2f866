# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphora image in Glance, as ``make vm-image`` builds it.

A file system without partitions: its kernel and ramdisk are images of their
own, which Nova starts it with.
"""

from pathlib import Path
from typing import Any

from octavia_anycast_lab import settings
from octavia_anycast_lab.vm.settings import IMAGE_TAG

NAME = "amphora-anycast"
# A link of its own: what ``make image`` has built may be a whole disk.
LINK = "amphora-vm-lab"
_ROOT_LABEL = "cloudimg-rootfs"
# What the image starts for clouds of all kinds, and what costs an emulated
# guest seconds of its boot for nothing.
_MASKED = (
    "apparmor",
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "e2scrub_reap",
    "irqbalance",
    "open-iscsi",
    "open-vm-tools",
    "pollinate",
)
COMMAND_LINE = " ".join(
    (
        f"root=LABEL={_ROOT_LABEL} ro console=ttyS0 net.ifnames=0 quiet",
        "mitigations=off audit=0 apparmor=0",
        *(f"systemd.mask={unit}" for unit in _MASKED),
    )
)


class ImageMissingError(Exception):
    """There is no image of this lab."""


def folder() -> Path:
    """Where ``make vm-image`` leaves the newest image."""
    return settings.cache_dir() / LINK


def require() -> None:
    """See that there is an image with its kernel and ramdisk.

    :raises ImageMissingError: there is not.
    """
    missing = [
        str(folder() / f"{NAME}.{suffix}")
        for suffix in ("qcow2", "vmlinuz", "initrd")
        if not (folder() / f"{NAME}.{suffix}").exists()
    ]
    if missing:
        raise ImageMissingError(
            f"No {', '.join(missing)}: run `make vm-image` first. "
            "Nothing was changed."
        )


def ensure(connection: Any, name: str = NAME, tag: str = IMAGE_TAG) -> Any:
    """The image, uploaded unless Glance has it; tagged for Octavia."""
    found = connection.image.find_image(name)
    if found is not None and found.status == "active":
        return found
    properties = {
        "kernel_id": _part(connection, name, "vmlinuz", "aki").id,
        "ramdisk_id": _part(connection, name, "initrd", "ari").id,
        "os_command_line": COMMAND_LINE,
        # A NIC can be added while the guest runs.
        "hw_machine_type": "pc",
        # Else a guest waits long for random numbers.
        "hw_rng_model": "virtio",
    }
    return _upload(
        connection,
        name,
        "qcow2",
        disk_format="qcow2",
        container_format="bare",
        tags=[tag],
        **properties,
    )


def _part(connection: Any, name: str, suffix: str, kind: str) -> Any:
    part = f"{name}-{suffix}"
    found = connection.image.find_image(part)
    return found or _upload(
        connection, part, suffix, disk_format=kind, container_format=kind
    )


def _upload(connection: Any, name: str, suffix: str, **attributes: Any) -> Any:
    return connection.image.create_image(
        name=name,
        filename=str(folder() / f"{NAME}.{suffix}"),
        visibility="public",
        validate_checksum=False,
        wait=True,
        timeout=600,
        **attributes,
    )
