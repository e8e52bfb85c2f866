# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Network namespaces, veth pairs and bridges of the lab.

Interfaces are created directly in their namespaces: nothing of the lab is in
the main network namespace, not even for a moment. Commands run in a network
namespace by ``nsenter --net`` (never ``ip netns exec``, whose private mount
namespace hides what is made inside).
"""

import collections.abc
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings

NETNS_DIR = pathlib.Path("/run/netns")
COMMAND_TIMEOUT_SECONDS = 60.0
END_SUFFIX = "-end"
SINK_SUFFIX = "-sink"

# Bridges and third-party next hops need reverse path filtering off, and
# duplicate address detection only delays a lab.
BASE_SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
}


class NamespaceError(Exception):
    """A command about, or in, a network namespace failed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One end of a veth pair."""

    namespace: str
    interface: str
    mac: str | None = None
    addresses: tuple[settings.Interface, ...] = ()
    bridge: str | None = None


def path(namespace: str) -> pathlib.Path:
    """The file which holds a namespace."""
    return NETNS_DIR / namespace


def exists(namespace: str) -> bool:
    """True if the namespace is there and usable (its file is mounted)."""
    return path(namespace).exists() and os.path.ismount(path(namespace))


def run(
    namespace: str,
    argv: collections.abc.Sequence[str],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a namespace and wait for it.

    :raises NamespaceError: no such namespace, or (with ``check``) the command
        failed; holds what it said.
    """
    if not exists(namespace):
        raise NamespaceError(f"no network namespace {namespace}")
    command = ["nsenter", f"--net={path(namespace)}", "--", *argv]
    return _call(command, stdin=stdin, check=check, timeout=timeout_seconds)


def sysctls(namespace: str, values: collections.abc.Mapping[str, str]) -> None:
    """Set ``net.*`` sysctls of a namespace: each has its own values."""
    foreign = [key for key in values if not key.startswith("net.")]
    if foreign:
        raise NamespaceError(f"not per network namespace: {foreign}")
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    run(namespace, ["sysctl", "-q", "-p", "/dev/stdin"], stdin=lines)


def ip_batch(namespace: str, commands: collections.abc.Iterable[str]) -> None:
    """Run ``ip`` commands in one go (without the word ``ip``)."""
    lines = "".join(f"{command}\n" for command in commands)
    if lines:
        run(namespace, ["ip", "-batch", "-"], stdin=lines)


def create(registry: registry_lib.Registry, namespace: str) -> None:
    """Make a network namespace with ``lo`` up; it must not exist yet."""
    registry.add(registry_lib.Kind.NAMESPACE, namespace)
    _call(["ip", "netns", "add", namespace])
    sysctls(namespace, BASE_SYSCTLS)
    ip_batch(namespace, ["link set lo up"])


def delete(registry: registry_lib.Registry, namespace: str) -> None:
    """Remove a network namespace, which need not exist.

    Its cables go at once, with their far ends; the kernel would take them
    later, and whoever lays the same again would meet the old ones. All else
    goes once no process is in it: stop these first.
    """
    if exists(namespace):
        _delete_cables(namespace)
    if path(namespace).exists():
        _call(["ip", "netns", "delete", namespace])
    registry.forget(registry_lib.Kind.NAMESPACE, namespace)


def _delete_cables(namespace: str) -> None:
    shown = run(namespace, ["ip", "-json", "link", "show", "type", "veth"])
    for link in json.loads(shown.stdout or "[]"):
        # Both ends of a cable may be in here: the second is gone by then.
        delete_link(namespace, link["ifname"])


def veth(left: Port, right: Port) -> None:
    """Make a veth pair between two namespaces, both ends up."""
    _call(
        [
            *("ip", "link", "add", left.interface, "netns", left.namespace),
            *_mac(left),
            *("type", "veth", "peer", "name", right.interface),
            *("netns", right.namespace),
            *_mac(right),
        ]
    )
    for port in (left, right):
        _bring_up(port)


def bridge(
    namespace: str,
    interface: str,
    addresses: collections.abc.Iterable[settings.Interface] = (),
) -> None:
    """Make a bridge which forwards at once and floods multicast.

    A veth into a dead end keeps its carrier when all others are down or
    silent, as the cable between a switch and a hypervisor does (ifb and
    dummy would do, but loading these modules makes interfaces in the main
    namespace). Its MAC is fixed: else it would follow its ports'.
    """
    mac = _fixed_mac(f"{namespace}/{interface}")
    end, sink = f"{interface}{END_SUFFIX}", f"{interface}{SINK_SUFFIX}"
    ip_batch(
        namespace,
        [
            f"link add {interface} address {mac} type bridge forward_delay 0"
            " stp_state 0 mcast_snooping 0",
            f"link add {end} type veth peer name {sink}",
            f"link set {sink} arp off",
        ],
    )
    sysctls(
        namespace,
        {
            f"net.ipv6.conf.{sink}.disable_ipv6": "1",
            f"net.ipv4.conf.{sink}.forwarding": "0",
        },
    )
    ip_batch(
        namespace,
        [
            f"link set {end} master {interface}",
            *(f"link set {name} up" for name in (sink, end, interface)),
            *_address_commands(interface, addresses),
        ],
    )


def delete_link(namespace: str, interface: str) -> None:
    """Remove an interface (with its veth peer), which need not exist."""
    if exists(namespace) and has_link(namespace, interface):
        ip_batch(namespace, [f"link delete {interface}"])


def has_link(namespace: str, interface: str) -> bool:
    """Whether a namespace has that interface."""
    found = run(namespace, ["ip", "link", "show", interface], check=False)
    return found.returncode == 0


def listens(namespace: str, port: int, protocol: str = "tcp") -> bool:
    """Whether a process in the namespace listens at a port of TCP or UDP."""
    command = ["ss", "-Hln", f"--{protocol}", f"sport = :{port}"]
    return bool(run(namespace, command).stdout.strip())


def _bring_up(port: Port) -> None:
    commands = [f"link set {port.interface} up"]
    if port.bridge is not None:
        commands.insert(0, f"link set {port.interface} master {port.bridge}")
    commands += _address_commands(port.interface, port.addresses)
    ip_batch(port.namespace, commands)


def _address_commands(
    interface: str, addresses: collections.abc.Iterable[settings.Interface]
) -> list[str]:
    return [
        f"address add {address} dev {interface}"
        + (" nodad" if address.version == 6 else "")
        for address in addresses
    ]


def _fixed_mac(seed: str) -> str:
    """A locally administered unicast MAC, the same for the same seed."""
    digest = hashlib.sha256(seed.encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))


def _mac(port: Port) -> tuple[str, ...]:
    return () if port.mac is None else ("address", port.mac)


def _call(
    command: collections.abc.Sequence[str],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = COMMAND_TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NamespaceError(f"{command}: no end in {timeout} s") from error
    if check and done.returncode != 0:
        raise NamespaceError(
            f"{' '.join(command)} ended with {done.returncode}: "
            f"{done.stderr.strip() or done.stdout.strip()}"
        )
    return done
