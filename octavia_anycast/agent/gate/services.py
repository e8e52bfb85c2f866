# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The services of ip_vs: those that are configured, and those that are there.

Octavia's agent writes a configuration for each UDP and SCTP listener, and
keepalived makes a virtual service in the kernel of each of its addresses. A
process that runs does not say that it did so (ADR 0148).

Layer: agent. Looks only.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.gate.gate import (
    GOOD,
    Sample,
    bad,
    partial,
    unknown,
    worst,
)
from octavia_anycast.agent.gate.processes import ProbePaths
from octavia_anycast.model.bgp import IPAddress

_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
_GROUP, _SERVER, _MEMBER = (
    "virtual_server_group",
    "virtual_server",
    "real_server",
)
_PAIR = 2  # an address and its port; a name and its value
_BLOCK = 65_536  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A virtual service of ip_vs."""

    protocol: str
    ip_address: IPAddress
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} on {self.ip_address} port {self.port}"


@dataclass(slots=True)
class _Group:
    """What a configuration says of the addresses of one family."""

    addresses: list[tuple[IPAddress, int]] = field(default_factory=list)
    protocol: str = ""
    has_members: bool = False


def configured(text: str) -> frozenset[Service] | None:
    """The services that keepalived makes of one listener's configuration.

    As Octavia renders it: a group of addresses for each family, and what is
    done for the group. Without a member keepalived ignores it ("has no real
    servers"). Members that fail their checks are taken out of the service,
    which stays.

    :returns: None if the text is not whole: it is being written
    """
    groups: dict[str, _Group] = {}
    blocks: list[list[str]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#!":
            continue
        if words == ["}"]:
            if not blocks:
                return None
            blocks.pop()
        elif words[-1] == "{":
            blocks.append(words[:-1])
            _note_member(groups, blocks)
        else:
            _note_words(groups, blocks, words)
    if blocks or not text.strip():
        return None
    return frozenset(
        Service(protocol=group.protocol, ip_address=address, port=port)
        for group in groups.values()
        if group.has_members
        for address, port in group.addresses
    )


def _note_member(groups: dict[str, _Group], blocks: list[list[str]]) -> None:
    if [block[0] for block in blocks if block] == [_SERVER, _MEMBER]:
        _group_of(groups, blocks[0]).has_members = True


def _note_words(
    groups: dict[str, _Group], blocks: list[list[str]], words: list[str]
) -> None:
    if len(blocks) != 1 or not blocks[0] or len(words) != _PAIR:
        return
    group = _group_of(groups, blocks[0])
    if blocks[0][0] == _GROUP:
        # Nothing is known of what is no address: Octavia writes none.
        with suppress(ValueError):
            group.addresses.append((ip_address(words[0]), int(words[1])))
    elif blocks[0][0] == _SERVER and words[0] == "protocol":
        group.protocol = words[1]


def _group_of(groups: dict[str, _Group], block: list[str]) -> _Group:
    """``virtual_server_group NAME`` and ``virtual_server group NAME``."""
    return groups.setdefault(block[-1], _Group())


def programmed(table: str) -> frozenset[Service]:
    """The services of the kernel.

    :param table: the text of ``/proc/net/ip_vs``
    """
    found = set()
    for line in table.splitlines():
        words = line.split()
        if not words or words[0] not in _PROTOCOLS:
            continue
        address, _, port = words[1].rpartition(":")
        found.add(
            Service(
                protocol=words[0],
                ip_address=ip_address(
                    address.strip("[]")
                    if address.startswith("[")
                    else int(address, 16)
                ),
                port=int(port, 16),
            )
        )
    return frozenset(found)


class KernelTable:
    """``/proc/net/ip_vs`` of one namespace, held open and read again.

    :param namespace_path: None: the one that the process is in
    """

    def __init__(self, namespace_path: str | None, path: str) -> None:
        self._namespace_path = namespace_path
        self._path = path
        self._descriptor: int | None = None

    def read(self) -> str:
        """Read it; empty if the kernel has no ip_vs.

        :raises OSError: it cannot be read.
        """
        if self._descriptor is None:
            try:
                self._descriptor = self._open()
            except FileNotFoundError:
                return ""
        try:
            return _text_of(self._descriptor)
        except OSError:
            self.close()
            raise

    def _open(self) -> int:
        def open_here() -> int:
            return os.open(self._path, os.O_RDONLY)

        if self._namespace_path is None:
            return open_here()
        return netns.call_in(self._namespace_path, open_here)

    def close(self) -> None:
        """Close it: it would keep its namespace alive."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _text_of(descriptor: int) -> str:
    """The kernel writes the table anew for who reads from its beginning."""
    found = b""
    while block := os.pread(descriptor, _BLOCK, len(found)):
        found += block
    return found.decode("ascii")


@dataclass(slots=True)
class _Listener:
    """What is known of one listener.

    ``changed_at``: when its configuration or its process last became another;
    seconds, monotonic. ``served``: those that were seen in the kernel.
    """

    version: tuple[int, ...]
    process: int
    changed_at: float
    expected: frozenset[Service] | None = frozenset()
    served: frozenset[Service] = frozenset()


class ServiceWatch:
    """Compares, and remembers which services were there."""

    def __init__(self, paths: ProbePaths) -> None:
        self._paths = paths
        self._listeners: dict[str, _Listener] = {}

    def look(
        self,
        processes: dict[str, int],
        table: KernelTable,
        now: float,
        *,
        hold_seconds: float,
        has_others: bool,
    ) -> Sample:
        """Look at the services of these listeners, and forget the rest.

        What lacks while keepalived starts with a changed configuration is
        UNKNOWN for ``hold_seconds``. What never was there is PARTIAL beside
        what is served, as with HAProxy's sockets.

        :param processes: listener_id -> how many keepalived were found for it
        :param has_others: there are listeners of HAProxy too
        """
        for gone in self._listeners.keys() - processes.keys():
            del self._listeners[gone]
        for identifier, process in processes.items():
            self._follow(identifier, process, now)
        if not any(x.expected for x in self._listeners.values()):
            return self._unread()
        try:
            found = programmed(table.read())
        except OSError as e:
            return unknown(f"the table of ip_vs: {e.strerror or e}")
        for listener in self._listeners.values():
            if listener.expected is not None:
                listener.served &= listener.expected
                listener.served |= listener.expected & found
        is_beside = has_others or any(
            x.served for x in self._listeners.values()
        )
        return worst(
            [
                self._unread(),
                *(
                    _compared(
                        identifier,
                        listener,
                        found,
                        is_settled=now - listener.changed_at >= hold_seconds,
                        is_beside=is_beside,
                    )
                    for identifier, listener in self._listeners.items()
                ),
            ]
        )

    def _follow(self, identifier: str, process: int, now: float) -> None:
        """Read the configuration if it is another one than last time."""
        path = self._paths.lvs_configuration(identifier)
        version = _version_of(path)
        known = self._listeners.get(identifier)
        if known is None:
            known = _Listener((), process, now)
            self._listeners[identifier] = known
        if (version, process) != (known.version, known.process):
            known.process, known.changed_at = process, now
        if version != known.version or known.expected is None:
            known.version, known.expected = version, _read(path)

    def _unread(self) -> Sample:
        return next(
            (
                unknown(
                    f"the configuration of listener {identifier} is cut",
                    subject=identifier,
                )
                for identifier, listener in self._listeners.items()
                if listener.expected is None
            ),
            GOOD,
        )


def _version_of(path: str) -> tuple[int, ...]:
    """One writing of the configuration; empty if there is none."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_ino, found.st_mtime_ns, found.st_size
    return ()


def _read(path: str) -> frozenset[Service] | None:
    try:
        with open(path, encoding="utf-8") as stream:
            return configured(stream.read())
    except FileNotFoundError:
        # Without it keepalived does not start, and that is seen.
        return frozenset()
    except (OSError, UnicodeError):
        return None


def _compared(
    identifier: str,
    listener: _Listener,
    found: frozenset[Service],
    *,
    is_settled: bool,
    is_beside: bool,
) -> Sample:
    missing = (listener.expected or frozenset()) - found
    if not missing:
        return GOOD
    lost = missing & listener.served
    named = min(lost or missing, key=str)
    reason = f"ip_vs has no service for listener {identifier}: {named}"
    if is_beside and not lost:
        return partial(reason)
    return bad(reason) if is_settled else unknown(reason, subject=identifier)
