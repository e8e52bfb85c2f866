# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults which the lab can make, each with its repair.

Carrier loss is seen by both ends; silence is seen by nobody: frames vanish
and only a timer (hold time, BFD, a probe) notices. All of it happens inside
the lab's namespaces.
"""

import collections.abc
import contextlib
import signal

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import netns, process

SILENCE_TABLE = "lab_silence"
_BRIDGE_PORT_DISABLED = 0
_BRIDGE_PORT_FORWARDING = 3


def link_down(lab: settings.Lab, role: str, interface: str) -> None:
    """Take a link's carrier away."""
    netns.ip_batch(lab.namespace(role), [f"link set {interface} down"])


def link_up(lab: settings.Lab, role: str, interface: str) -> None:
    """Give a link's carrier back."""
    netns.ip_batch(lab.namespace(role), [f"link set {interface} up"])


def silence(
    lab: settings.Lab, role: str, interfaces: collections.abc.Iterable[str]
) -> None:
    """Drop all packets of these interfaces, both ways, carrier kept."""
    names = ", ".join(f'"{name}"' for name in interfaces)
    rules = f"""
    table inet {SILENCE_TABLE} {{}}
    delete table inet {SILENCE_TABLE}
    table inet {SILENCE_TABLE} {{
      chain incoming {{
        type filter hook prerouting priority -500; policy accept;
        iifname {{ {names} }} drop
      }}
      chain outgoing {{
        type filter hook postrouting priority 500; policy accept;
        oifname {{ {names} }} drop
      }}
    }}
    """
    netns.run(lab.namespace(role), ["nft", "-f", "-"], stdin=rules)


def end_silence(lab: settings.Lab, role: str) -> None:
    """Undo ``silence``; fine if there is none."""
    netns.run(
        lab.namespace(role),
        ["nft", "delete", "table", "inet", SILENCE_TABLE],
        check=False,
    )


def silence_bridge_port(lab: settings.Lab, role: str, port: str) -> None:
    """Make a bridge port swallow all frames, both ways, carrier kept.

    How an amphora vanishes behind a hypervisor: nobody's link goes down.
    """
    _bridge_port_state(lab, role, port, _BRIDGE_PORT_DISABLED)


def end_bridge_port_silence(lab: settings.Lab, role: str, port: str) -> None:
    """Let a bridge port forward again."""
    _bridge_port_state(lab, role, port, _BRIDGE_PORT_FORWARDING)


def cut(instance: machine.Instance) -> None:
    """Make all links of an amphora swallow all frames, carrier kept."""
    for nic in instance.nics:
        _port_state(nic.wire.namespace, nic.tap, _BRIDGE_PORT_DISABLED)


def mend(instance: machine.Instance) -> None:
    """Undo ``cut``; fine if nothing is cut."""
    for nic in instance.nics:
        _port_state(nic.wire.namespace, nic.tap, _BRIDGE_PORT_FORWARDING)


def silence_amphora(
    lab: settings.Lab,
    leaf: str,
    front_end: settings.Address,
    management: settings.Address | None,
) -> tuple[tuple[str, str], ...]:
    """Make an amphora vanish in silence, its management leg too if given.

    Returns the pairs (role, port) to pass to ``end_bridge_port_silence``.

    :raises LookupError: no bridge has it; nothing was done.
    """
    places = [(leaf, settings.FRONT_END_BRIDGE, front_end)]
    if management is not None:
        places.append(("mgmt", settings.MGMT_BRIDGE, management))
    found = []
    for role, bridge, address in places:
        mac = observe.mac_of(lab, leaf, address)
        port = observe.bridge_port(lab, role, bridge, mac) if mac else None
        if port is None:
            raise LookupError(f"{address} is behind no port of {bridge}")
        found.append((role, port))
    for role, port in found:
        silence_bridge_port(lab, role, port)
    return tuple(found)


def kill_daemon(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    router: str,
    daemon: str = "bgpd",
) -> int:
    """SIGKILL a routing daemon; ``fabric.watch`` starts it again.

    Returns the pid which was killed.

    :raises ProcessError: it does not run.
    """
    label = frr.label(router, daemon)
    pid = process.pid_of(registry, label)
    if pid is None:
        raise process.ProcessError(f"{label} does not run")
    process.kill(registry, label)
    return pid


def hang_daemon(
    registry: registry_lib.Registry, router: str, daemon: str = "bgpd"
) -> None:
    """SIGSTOP a routing daemon: alive for everyone, but mute."""
    process.send(registry, frr.label(router, daemon), signal.SIGSTOP)


def resume_daemon(
    registry: registry_lib.Registry, router: str, daemon: str = "bgpd"
) -> None:
    """SIGCONT after ``hang_daemon``."""
    process.send(registry, frr.label(router, daemon), signal.SIGCONT)


def power_off_router(
    lab: settings.Lab, registry: registry_lib.Registry, router: str
) -> None:
    """Take a spine or a leaf away: all links down, all daemons gone."""
    for interface in ports(lab, router):
        link_down(lab, router, interface)
    frr.stop(lab, registry, router, 0.0)


def power_on_router(
    lab: settings.Lab, registry: registry_lib.Registry, router: str
) -> None:
    """Bring a router back after ``power_off_router``."""
    for interface in ports(lab, router):
        link_up(lab, router, interface)
    frr.start(lab, registry, [frr.router(router)])


@contextlib.contextmanager
def cloud_full(lab: settings.Lab) -> collections.abc.Iterator[None]:
    """No instance can be booted for the length of a block."""
    lab.boot_refusal.write_text("No valid host was found.", "utf-8")
    try:
        yield
    finally:
        lab.boot_refusal.unlink(missing_ok=True)


@contextlib.contextmanager
def router_off(
    lab: settings.Lab, registry: registry_lib.Registry, router: str
) -> collections.abc.Iterator[None]:
    """A router is away for the length of a block."""
    power_off_router(lab, registry, router)
    try:
        yield
    finally:
        power_on_router(lab, registry, router)


def ports(lab: settings.Lab, router: str) -> tuple[str, ...]:
    """The cables of a router: every veth, but not its bridge's dead end."""
    listing = netns.run(
        lab.namespace(router), ["ip", "-o", "link", "show", "type", "veth"]
    )
    names = [
        line.split(": ")[1].partition("@")[0]
        for line in listing.stdout.splitlines()
    ]
    dead_ends = (netns.END_SUFFIX, netns.SINK_SUFFIX)
    return tuple(name for name in names if not name.endswith(dead_ends))


def _bridge_port_state(
    lab: settings.Lab, role: str, port: str, state: int
) -> None:
    _port_state(lab.namespace(role), port, state)


def _port_state(namespace: str, port: str, state: int) -> None:
    netns.run(
        namespace,
        ["bridge", "link", "set", "dev", port, "state", str(state)],
    )
