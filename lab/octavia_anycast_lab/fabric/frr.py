# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""FRR routers of the fabric: configuration, daemons, ``vtysh``.

Each daemon reads its own file when it starts, so a restarted one needs
nobody to configure it. No routing code is ours: zebra, bgpd and bfdd are the
distribution's, unmodified.
"""

import collections.abc
import contextlib
import dataclasses
import fcntl
import importlib.resources
import ipaddress
import json
import pathlib
import shutil
import socket
import typing

import jinja2

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process

ZEBRA = "zebra"
DAEMONS = (ZEBRA, "bfdd", "bgpd")
ZEBRA_DEADLINE_SECONDS = 10.0
CONFIGURED_SECONDS = 20.0
ANSWER_SECONDS = 30.0
FRR_DIR = pathlib.Path("/usr/lib/frr")
BFD_INTERVAL_MS = 300
MAXIMUM_PREFIXES = 1000


class RouterError(Exception):
    """A router refused a command or did not answer."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """What one router of the fabric is.

    ``racks``: the ranges from which amphorae may open sessions; empty on a
    router without amphorae.
    """

    name: str
    asn: int
    router_id: ipaddress.IPv4Address
    fabric_interfaces: tuple[str, ...]
    subnet_v4: settings.Network | None = None
    subnet_v6: settings.Network | None = None
    racks: tuple[settings.Network, ...] = ()


def routers() -> tuple[Router, ...]:
    """All routers of the fabric."""
    spines = [
        Router(
            name=spine.name,
            asn=spine.asn,
            router_id=spine.router_id,
            fabric_interfaces=tuple(leaf.name for leaf in settings.LEAVES),
        )
        for spine in settings.SPINES
    ]
    return (*spines, *(_leaf_router(leaf) for leaf in settings.LEAVES))


def router(name: str) -> Router:
    """The router of that name.

    :raises KeyError: there is none.
    """
    for candidate in routers():
        if candidate.name == name:
            return candidate
    raise KeyError(name)


def _leaf_router(leaf: settings.Leaf) -> Router:
    ranges: tuple[settings.Network, ...] = ()
    if leaf.rack is not None:
        ranges = (
            settings.MGMT_NETWORK,
            leaf.gateway_v4.network,
            leaf.gateway_v6.network,
        )
    return Router(
        name=leaf.name,
        asn=leaf.asn,
        router_id=leaf.router_id,
        fabric_interfaces=tuple(spine.name for spine in settings.SPINES),
        subnet_v4=leaf.gateway_v4.network,
        subnet_v6=leaf.gateway_v6.network,
        racks=ranges,
    )


def render(target: Router, daemon: str) -> str:
    """The configuration file of one daemon of a router."""
    source = importlib.resources.files("octavia_anycast_lab.fabric")
    text = (source / "templates" / f"{daemon}.conf.j2").read_text("utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=False,
        keep_trailing_newline=True,
    )
    return environment.from_string(text).render(
        router=target,
        bfd_ms=BFD_INTERVAL_MS,
        vip_v4=settings.VIP_NETWORK_V4,
        vip_v6=settings.VIP_NETWORK_V6,
        amphora_as=settings.AMPHORA_AS,
        password=settings.BGP_PASSWORD,
        ttl_hops=settings.BGP_TTL_HOPS,
        hold=settings.HOLD_TIME_SECONDS,
        keepalive=settings.KEEPALIVE_SECONDS,
        maximum_paths=settings.MAXIMUM_PATHS,
        maximum_prefixes=MAXIMUM_PREFIXES,
    )


def directory(lab: settings.Lab, name: str) -> pathlib.Path:
    """Configuration, sockets and logs of one router."""
    return lab.run_dir / "fabric" / name


def label(name: str, daemon: str) -> str:
    """Under which name the registry has a daemon."""
    return f"fabric-{name}-{daemon}"


def start(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    targets: collections.abc.Sequence[Router],
) -> None:
    """Write the configurations and start those daemons which do not run.

    :raises TimeoutError: a zebra does not come up, or a bgpd has no
        neighbours.
    """
    for target in targets:
        directory(lab, target.name).mkdir(parents=True, exist_ok=True)
    with exclusive(lab):
        for target in targets:
            _configure(lab, target)
        started = []
        for daemon in DAEMONS:
            started = [
                target
                for target in targets
                if not process.is_alive(registry, label(target.name, daemon))
            ]
            for target in started:
                start_daemon(lab, registry, target.name, daemon)
        for target in started:  # their bgpd, the last one
            _ensure_configured(lab, registry, target)


def _ensure_configured(
    lab: settings.Lab, registry: registry_lib.Registry, target: Router
) -> None:
    """Start a bgpd once more that runs without its neighbours.

    Seen once on a machine with a load of 30: FRR 8.4 ran for minutes as if
    its file had been empty. What it says of itself is kept in its log.

    :raises TimeoutError: it has no neighbours after that, too.
    """
    what = f"the BGP neighbours of {target.name}"
    wanted = set(target.fabric_interfaces)

    def is_configured() -> bool:
        try:
            return wanted <= set(
                show(lab, target.name, "show bgp neighbors json")
            )
        except RouterError:
            return False

    try:
        process.wait_until(is_configured, CONFIGURED_SECONDS, what, 0.05)
    except TimeoutError:
        with (directory(lab, target.name) / "bgpd.out").open("a") as log:
            log.write(f"{what} are missing:\n")
            with contextlib.suppress(RouterError):
                log.write(vtysh(lab, target.name, "show running-config"))
        process.kill(registry, label(target.name, "bgpd"))
        start_daemon(lab, registry, target.name, "bgpd")
        process.wait_until(is_configured, CONFIGURED_SECONDS, what, 0.05)


def _configure(lab: settings.Lab, target: Router) -> None:
    home = directory(lab, target.name)
    for daemon in DAEMONS:
        (home / f"{daemon}.conf").write_text(render(target, daemon), "utf-8")
    for item in (home, *home.glob("*.conf")):
        shutil.chown(item, "frr", "frr")


def start_daemon(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    name: str,
    daemon: str,
) -> None:
    """Start one daemon of a router in the router's namespace.

    The others start once zebra answers: who does not reach it at the first
    try asks again only after ten seconds.
    """
    home = directory(lab, name)
    if daemon != ZEBRA:
        process.wait_until(
            lambda: _answers(home / "zserv.api"),
            ZEBRA_DEADLINE_SECONDS,
            f"zebra of {name}",
            0.02,
        )
    process.spawn(
        registry,
        label(name, daemon),
        [
            str(FRR_DIR / daemon),
            *("-F", "datacenter", "-f", str(home / f"{daemon}.conf")),
            *("-z", str(home / "zserv.api"), "--vty_socket", str(home)),
            *("-i", str(home / f"{daemon}.pid"), "-A", "127.0.0.1"),
            *("-P", "0", "--log", f"file:{home / daemon}.log"),
        ],
        namespace=lab.namespace(name),
        log=home / f"{daemon}.out",
    )


def _answers(path: pathlib.Path) -> bool:
    """True if somebody accepts connections on a unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def stop(
    lab: settings.Lab,
    registry: registry_lib.Registry,
    name: str,
    deadline_seconds: float = 10.0,
) -> None:
    """Stop a router's daemons, the ones that hold sessions first."""
    with exclusive(lab):
        for daemon in reversed(DAEMONS):
            process.stop(registry, label(name, daemon), deadline_seconds)


@contextlib.contextmanager
def exclusive(lab: settings.Lab) -> collections.abc.Iterator[None]:
    """Keep everyone else from starting and stopping daemons."""
    with (lab.run_dir / "fabric" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def show(lab: settings.Lab, name: str, command: str) -> typing.Any:
    """The answer to a ``show ... json`` command of bgpd or bfdd.

    Asked over the daemon's own socket: starting ``vtysh`` costs a hundred
    times as much, and whoever waits for a route asks again and again.

    :raises RouterError: the router does not answer with JSON.
    """
    daemon = "bfdd" if command.startswith("show bfd ") else "bgpd"
    text = ""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(directory(lab, name) / f"{daemon}.vty"))
            _ask(client, "enable")
            text = _ask(client, command)
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise RouterError(f"{name}: {command}: {text[:200]!r}") from error


def _ask(client: socket.socket, command: str) -> str:
    """One command in the protocol between vtysh and a daemon of FRR.

    A command ends with a zero byte, an answer with three and its status.
    """
    client.sendall(command.encode() + b"\0")
    received = b""
    while received[-4:-1] != b"\0\0\0":
        part = client.recv(65536)
        if not part:
            raise ConnectionError(f"the daemon ended at {command!r}")
        received += part
    return received[:-4].decode()


def vtysh(lab: settings.Lab, name: str, *commands: str) -> str:
    """Run commands on a router; returns what they print.

    :raises RouterError: they failed.
    """
    argv = ["vtysh", "--vty_socket", str(directory(lab, name))]
    for command in commands:
        argv += ["-c", command]
    done = netns.run(lab.namespace(name), argv, check=False)
    if done.returncode != 0:
        raise RouterError(f"{name}: {commands}: {done.stdout}{done.stderr}")
    return done.stdout


def commands(lab: settings.Lab, name: str) -> pathlib.Path:
    """A directory, for PATH, with a ``vtysh`` that asks that router."""
    place = directory(lab, name) / "commands"
    place.mkdir(mode=0o755, exist_ok=True)
    script = place / "vtysh"
    script.write_text(
        f"#!/bin/sh\nexec {shutil.which('vtysh')} "
        f'--vty_socket {directory(lab, name)} "$@"\n'
    )
    script.chmod(0o755)
    return place


def set_bfd_interval(lab: settings.Lab, interval_ms: int) -> None:
    """The racks' leaves' side of BFD with amphorae, from the next packet."""
    for leaf in settings.RACK_LEAVES:
        vtysh(
            lab,
            leaf.name,
            *("configure terminal", "bfd", "profile amphora"),
            f"transmit-interval {interval_ms}",
            f"receive-interval {interval_ms}",
        )
