# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A real BGP peer for the contract suite: BIRD in network namespaces.

     oac<pid>-amp                         oac<pid>-peer
     172.31.1.5, fd00:31::5  -- veth --   172.31.0.11 .. .13, fd00:31::11
                                          10.1.0.1/24, fd00:10:1::1/64

A process for each address, so that each one's RIB can be told from the
others'.
"""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path as FilePath

from octavia_anycast.testing.fakes.fake_speaker import Route

PREFIX = "oac"
SPEAKER_AS = 65100
ADDRESSES = {
    "p1": ("172.31.0.11", 65001),
    "p2": ("172.31.0.12", 65002),
    "p3": ("fd00:31::11", 65003),
}
_SOURCES = {4: "172.31.1.5", 6: "fd00:31::5"}
_NEXT_HOPS = ("10.1.0.1/24", "fd00:10:1::1/64")
_PROTOCOL = """
ipv4 table {name}v4;
ipv6 table {name}v6;
protocol bgp {name} {{
    local {address} port {port} as {remote_as};
    neighbor {source} as {local_as};
    strict bind yes;
    passive yes;
    hold time {hold_time};
    {bfd}
    error wait time 1, 1;
    startup hold time 3;
    {password}
    {security}
    ipv4 {{ table {name}v4; import all; export none; {add_paths} }};
    ipv6 {{ table {name}v6; import all; export none; {add_paths} }};
}}
"""
_BFD = """bfd {
        min tx interval 100 ms;
        min rx interval 100 ms;
        multiplier 3;
    };"""


def ip(*words: str, check: bool = True) -> str:
    """Run ip(8)."""
    done = subprocess.run(
        ["ip", *words], check=check, capture_output=True, text=True
    )
    return done.stdout


def remove_leftovers() -> None:
    """Remove namespaces of test runs that are no more."""
    for line in ip("netns", "list").splitlines():
        found = re.match(rf"({PREFIX}(\d+)-\w+)", line)
        if found and not os.path.exists(f"/proc/{found[2]}"):
            remove_namespace(found[1])


def remove_namespace(name: str) -> None:
    """Kill what runs in a namespace of ours, and delete it."""
    for pid in ip("netns", "pids", name, check=False).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    ip("netns", "del", name, check=False)


def build(amphora: str, peer: str) -> None:
    """Make the two namespaces and their link."""
    for name in (amphora, peer):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    link = ["link", "add", "a0", "netns", amphora, "type", "veth"]
    ip(*link, "peer", "name", "l0", "netns", peer)
    for version, length in ((4, 22), (6, 64)):
        _address(amphora, "a0", f"{_SOURCES[version]}/{length}")
    for address, _ in ADDRESSES.values():
        length = 64 if ":" in address else 22
        _address(peer, "l0", f"{address}/{length}")
    for address in _NEXT_HOPS:
        _address(peer, "l0", address)
    # As exabgp.service has it.
    subprocess.run(
        [
            *("nsenter", f"--net=/run/netns/{amphora}", "sysctl", "-qw"),
            "net.ipv4.tcp_syn_retries=2",
        ],
        check=True,
    )
    ip("-n", amphora, "link", "set", "a0", "up")
    ip("-n", peer, "link", "set", "l0", "up")


def _address(namespace: str, device: str, address: str) -> None:
    nodad = ["nodad"] if ":" in address else []
    ip("-n", namespace, "addr", "add", address, "dev", device, *nodad)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A time of day, in seconds, as BIRD prints it.

    BIRD subtracts two clocks each time: the same moment may be printed with
    another millisecond.
    """

    seconds: float

    @classmethod
    def of(cls, text: str) -> "Moment":
        """The first time in a text."""
        hours, minutes, seconds = re.search(
            r"\b(\d\d):(\d\d):(\d\d\.\d{3})", text
        ).groups()
        return cls(int(hours) * 3600 + int(minutes) * 60 + float(seconds))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Moment)
            and abs(self.seconds - other.seconds) < 0.01
        )


@dataclass(slots=True)
class Neighbour:
    """What BIRD expects of the speaker on one of its addresses."""

    port: int = 179
    password: str | None = None
    has_ttl_security: bool = False
    has_bfd: bool = False
    hold_time: int = 3
    local_as: int | None = None
    takes_paths: bool = False  # several of a prefix, RFC 7911


class BirdPeer:
    """A BIRD for each address: one takes one session from one neighbour."""

    def __init__(self, namespace: str, directory: FilePath) -> None:
        self._namespace = namespace
        self._directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []
        self.neighbours = {name: Neighbour() for name in ADDRESSES}

    def start(self) -> None:
        """Run them with the present expectations."""
        for number, (name, neighbour) in enumerate(self.neighbours.items()):
            path = self._directory / f"{name}.conf"
            path.write_text(
                f"router id 172.31.0.{11 + number};\nprotocol device {{}}\n"
                + ("protocol bfd {}\n" if neighbour.has_bfd else "")
                + _protocol(name, neighbour)
            )
            argv = ["ip", "netns", "exec", self._namespace, "bird", "-f"]
            argv += ["-c", str(path), "-s", self._control(name)]
            argv += ["-P", str(self._directory / f"{name}.pid")]
            self.processes.append(
                subprocess.Popen(argv, stderr=subprocess.DEVNULL)
            )
        deadline = time.monotonic() + 5
        while not all(os.path.exists(self._control(n)) for n in ADDRESSES):
            assert time.monotonic() < deadline, "BIRD does not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """End them the hard way."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()
        for name in ADDRESSES:
            with suppress(FileNotFoundError):
                os.unlink(self._control(name))

    def since(self, name: str) -> Moment:
        """Since when the session is as it is."""
        return Moment.of(self._ask(name, "show", "protocols", name))

    def rib(self, name: str) -> dict[str, Route]:
        """The paths of one neighbour: prefix -> route."""
        routes: dict[str, Route] = {}
        for version in (4, 6):
            table = f"{name}v{version}"
            text = self._ask(name, "show", "route", "table", table, "all")
            for block in re.split(r"\n(?=\S+/\d+ )", text):
                if found := re.match(r"(\S+/\d+) ", block):
                    routes[found[1]] = _route(block)
        return routes

    def paths(self, name: str, prefix: str) -> dict[str, tuple[Moment, Route]]:
        """All paths of a prefix: next hop -> (when it was heard, route)."""
        version = 6 if ":" in prefix else 4
        words = ("show", "route", prefix, "table", f"{name}v{version}", "all")
        found = {}
        for block in re.split(
            r"(?m)^(?=\S*\s+unicast \[)", self._ask(name, *words)
        ):
            if heard := re.search(r"unicast \[(.*?) from", block):
                route = _route(block)
                found[str(route.nexthop_ip)] = Moment.of(heard[1]), route
        return found

    def count(self, name: str) -> int:
        """How many paths of both families a neighbour has sent."""
        lines = self._ask(name, "show", "protocols", "all", name)
        return sum(int(n) for n in re.findall(r"(\d+) imported", lines))

    def reason(self, name: str) -> str:
        """Why the session is not there."""
        lines = self._ask(name, "show", "protocols", "all", name).splitlines()
        found = [line for line in lines if "Last error:" in line]
        return found[0].split(":", 1)[1].strip() if found else ""

    def is_watched(self, name: str) -> bool:
        """Whether a BFD session is up."""
        words = self._bfd_session(name)
        return len(words) > 2 and words[2] == "Up"

    def detection_seconds(self, name: str) -> float:
        """For how long the neighbour may be silent, by BFD."""
        return float(self._bfd_session(name)[-1])

    def _bfd_session(self, name: str) -> list[str]:
        lines = self._ask(name, "show", "bfd", "sessions").splitlines()
        sources = tuple(_SOURCES.values())
        found = [x.split() for x in lines if x.startswith(sources)]
        return found[0] if found else []

    def local_pref(self, name: str, prefix: str) -> int | None:
        """The LOCAL_PREF of one path of an internal session."""
        version = 6 if ":" in prefix else 4
        table = f"{name}v{version}"
        words = ("show", "route", prefix, "table", table, "all")
        found = re.search(r"BGP\.local_pref: (\d+)", self._ask(name, *words))
        return int(found[1]) if found else None

    def age(self, name: str, prefix: str) -> Moment | None:
        """When BIRD last heard of a path; unchanged if it heard nothing."""
        for version in (4, 6):
            table = f"{name}v{version}"
            text = self._ask(name, "show", "route", "table", table)
            for line in text.splitlines():
                if line.startswith(f"{prefix} "):
                    return Moment.of(line)
        return None

    def _control(self, name: str) -> str:
        return str(self._directory / f"{name}.ctl")

    def _ask(self, name: str, *words: str) -> str:
        done = subprocess.run(
            ["birdc", "-s", self._control(name), *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout


def _protocol(name: str, neighbour: Neighbour) -> str:
    address, remote_as = ADDRESSES[name]
    version = 6 if ":" in address else 4
    password = neighbour.password
    return _PROTOCOL.format(
        name=name,
        address=address,
        port=neighbour.port,
        remote_as=neighbour.local_as or remote_as,
        hold_time=neighbour.hold_time,
        bfd=_BFD if neighbour.has_bfd else "",
        add_paths="add paths rx;" if neighbour.takes_paths else "",
        source=_SOURCES[version],
        local_as=SPEAKER_AS,
        password=f'password "{password}";' if password else "",
        security="ttl security yes;" if neighbour.has_ttl_security else "",
    )


def _route(block: str) -> Route:
    def value(name: str) -> str:
        found = re.search(rf"BGP\.{name}: (.*)", block)
        return found[1] if found else ""

    communities = re.findall(r"\((\d+),(\d+)\)", value("community"))
    large = re.findall(r"\((\d+), (\d+), (\d+)\)", value("large_community"))
    return Route(
        nexthop_ip=ip_address(value("next_hop").split()[0]),
        as_path=tuple(int(word) for word in value("as_path").split()),
        communities=frozenset(":".join(c) for c in [*communities, *large]),
        med=int(value("med")) if value("med") else None,
        is_incomplete=value("origin") == "Incomplete",
    )
