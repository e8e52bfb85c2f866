# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae as virtual machines: found, entered, struck; for tests and demo.

Power goes by Nova's API, as an operator does it; what Nova cannot do (a
suspended processor, a kernel panic) by libvirt, below Nova.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm import settings

NOVA = "nova-api"
_SSH_OPTIONS = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "BatchMode=yes",
    "ConnectTimeout=20",
)
_COMMAND_SECONDS = 180.0


class GuestError(Exception):
    """A command in a guest, or of libvirt, failed; holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One server of Nova's that is an amphora."""

    id: str
    amphora_id: str | None
    name: str
    status: str
    rack: str
    host: str
    domain: str
    management_address: str | None


def guests(
    plane: deployment.Deployment, load_balancer_id: str | None = None
) -> tuple[Guest, ...]:
    """The servers of a load balancer's amphorae, or all servers there are."""
    found = _servers(plane)
    amphorae = _amphorae(plane, load_balancer_id)
    wanted = {a["compute_id"]: a for a in amphorae if a.get("compute_id")}
    return tuple(
        _guest(server, wanted.get(server["id"]))
        for server in found
        if load_balancer_id is None or server["id"] in wanted
    )


def guest(plane: deployment.Deployment, server_id: str) -> Guest:
    """One server, by its id in Nova.

    :raises LookupError: there is none.
    """
    for found in guests(plane):
        if found.id == server_id:
            return found
    raise LookupError(f"Nova has no server {server_id}")


def power_off(plane: deployment.Deployment, guest: Guest) -> None:
    """Have Nova shut the guest down; it goes on for a minute at most."""
    _act(plane, guest, {"os-stop": None})


def power_on(plane: deployment.Deployment, guest: Guest) -> None:
    """Have Nova start a guest that has no power."""
    _act(plane, guest, {"os-start": None})


def reboot(
    plane: deployment.Deployment, guest: Guest, *, hard: bool = False
) -> None:
    """Have Nova reboot the guest."""
    _act(plane, guest, {"reboot": {"type": "HARD" if hard else "SOFT"}})


def shelve(plane: deployment.Deployment, guest: Guest) -> None:
    """Have Nova shelve the guest: its disk becomes an image, it is gone."""
    _act(plane, guest, {"shelve": None})


def delete(plane: deployment.Deployment, guest: Guest) -> None:
    """Delete the server behind Octavia's back."""
    rest.Api(plane=plane).request("DELETE", NOVA, f"/v2.1/servers/{guest.id}")


def cut_power(plane: deployment.Deployment, guest: Guest) -> None:
    """Take the guest's power away at once, below Nova."""
    virsh(plane, guest.rack, "destroy", guest.domain)


def reset(plane: deployment.Deployment, guest: Guest) -> None:
    """Press the guest's reset button, below Nova."""
    virsh(plane, guest.rack, "reset", guest.domain)


def suspend(plane: deployment.Deployment, guest: Guest) -> None:
    """Stop the guest's processor where it is, below Nova."""
    virsh(plane, guest.rack, "suspend", guest.domain)


def resume(plane: deployment.Deployment, guest: Guest) -> None:
    """Let a suspended guest go on."""
    virsh(plane, guest.rack, "resume", guest.domain)


def panic(plane: deployment.Deployment, guest: Guest) -> None:
    """Have the guest's kernel panic (sysrq), and halt for good."""
    command = (
        "sudo sysctl -q kernel.sysrq=1 kernel.panic=0; "
        "echo c | sudo tee /proc/sysrq-trigger"
    )
    # The answer never comes.
    run_in_guest(plane, guest, command, check=False, timeout_seconds=60.0)


def console(plane: deployment.Deployment, guest: Guest) -> str:
    """What the guest has written to its serial console."""
    place = settings.place(plane.lab, settings.hypervisor(guest.rack))
    path = place / "instances" / guest.id / "console.log"
    return path.read_text("utf-8", "replace") if path.exists() else ""


def virsh(
    plane: deployment.Deployment, rack: str, *args: str, check: bool = True
) -> str:
    """Run ``virsh`` on a rack's hypervisor; returns what it prints.

    :raises GuestError: it failed (with ``check``).
    """
    place = settings.place(plane.lab, settings.hypervisor(rack))
    url = f"qemu:///system?socket={place}/run/libvirt-sock"
    return _call(["virsh", "--connect", url, *args], check, _COMMAND_SECONDS)


def domains(plane: deployment.Deployment, rack: str) -> tuple[str, ...]:
    """The domains that libvirt has on a rack, with power or without."""
    shown = virsh(plane, rack, "list", "--all", "--name")
    return tuple(shown.split())


def cpu_seconds(plane: deployment.Deployment, guest: Guest) -> float:
    """Seconds of a processor that the guest and its emulator took."""
    said = virsh(plane, guest.rack, "domstats", "--cpu-total", guest.domain)
    for line in said.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "cpu.time":
            return int(value) / 1e9
    raise GuestError(f"libvirt says no cpu.time of {guest.domain}: {said}")


def run_in_guest(
    plane: deployment.Deployment,
    guest: Guest,
    command: str,
    *,
    check: bool = True,
    timeout_seconds: float = _COMMAND_SECONDS,
) -> str:
    """Run a line of shell in the guest by SSH, as an operator does.

    From the control namespace over the management network, as the image's
    user, who may use ``sudo``.

    :raises GuestError: no answer, or (with ``check``) the line failed.
    """
    options = [word for each in _SSH_OPTIONS for word in ("-o", each)]
    return _call(
        [
            *("nsenter", f"--net={netns.path(plane.namespace)}", "--"),
            *("ssh", "-i", str(settings.guest_key(plane)), *options),
            f"{settings.GUEST_USER}@{guest.management_address}",
            command,
        ],
        check,
        timeout_seconds,
    )


def _servers(plane: deployment.Deployment) -> list[dict[str, Any]]:
    answer = rest.Api(plane=plane).get(
        NOVA, "/v2.1/servers/detail?all_tenants=1"
    )
    return list(answer["servers"])


def _amphorae(
    plane: deployment.Deployment, load_balancer_id: str | None
) -> list[dict[str, Any]]:
    query = f"?loadbalancer_id={load_balancer_id}" if load_balancer_id else ""
    answer = rest.Api(plane=plane).get(
        rest.LOAD_BALANCER, f"/v2/octavia/amphorae{query}"
    )
    return list(answer["amphorae"])


def _guest(
    server: Mapping[str, Any], amphora: Mapping[str, Any] | None
) -> Guest:
    return Guest(
        id=server["id"],
        amphora_id=None if amphora is None else amphora["id"],
        name=server["name"],
        status=server["status"],
        rack=server["OS-EXT-AZ:availability_zone"],
        host=server["OS-EXT-SRV-ATTR:host"] or "",
        domain=server["OS-EXT-SRV-ATTR:instance_name"],
        management_address=None
        if amphora is None
        else amphora["lb_network_ip"],
    )


def _act(
    plane: deployment.Deployment, guest: Guest, action: rest.Body
) -> None:
    rest.Api(plane=plane).request(
        "POST", NOVA, f"/v2.1/servers/{guest.id}/action", action
    )


def _call(command: Sequence[str], check: bool, seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        if not check:
            return ""
        raise GuestError(f"{command[-1]}: no end in {seconds:g} s") from error
    if check and done.returncode:
        raise GuestError(
            f"{' '.join(command[-3:])} ended with {done.returncode}: "
            f"{done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout
