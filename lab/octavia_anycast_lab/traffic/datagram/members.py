# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Back-end servers of UDP and SCTP: they say who they are, and echo.

Runs as ``python -m octavia_anycast_lab.traffic.datagram.members NAME`` in the
member's namespace, on IPv4 and IPv6. SCTP is spoken over raw sockets: the
kernel need not have it.
"""

import contextlib
import selectors
import socket
import sys

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic.datagram import sctp_packet, sctp_socket
from octavia_anycast_lab.traffic.datagram.sctp_association import Echo

UDP_PORT = 8081
SCTP_PORT = 8082
_START_DEADLINE_SECONDS = 10.0
_LARGEST = 65536


def label(name: str) -> str:
    """Under which name the registry has a member's server."""
    return f"member-{name}-datagram"


def up(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Start the servers which do not run; returns once all listen."""
    for member in settings.MEMBERS:
        start(lab, registry, member.name)
    for member in settings.MEMBERS:
        process.wait_until(
            lambda name=member.name: _listens(lab, name),  # type: ignore[misc]
            _START_DEADLINE_SECONDS,
            f"{member.name} listens to UDP and SCTP",
        )


def start(
    lab: settings.Lab, registry: registry_lib.Registry, name: str
) -> None:
    """Start the server of one member unless it runs."""
    if not process.is_alive(registry, label(name)):
        process.spawn(
            registry,
            label(name),
            [sys.executable, "-m", __name__, name],
            namespace=lab.namespace(name),
            log=lab.log_dir / f"{label(name)}.log",
        )


def stop(registry: registry_lib.Registry, name: str) -> None:
    """Stop the server of one member."""
    process.stop(registry, label(name))


def _listens(lab: settings.Lab, name: str) -> bool:
    """UDP is opened last, so SCTP is there as well."""
    return netns.listens(lab.namespace(name), UDP_PORT, "udp")


class Server:
    """All sockets of a member."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._echo = Echo(name, SCTP_PORT)
        self._selector = selectors.DefaultSelector()
        for family in (socket.AF_INET, socket.AF_INET6):
            raw = sctp_socket.Raw(family)
            self._selector.register(raw.fileno(), selectors.EVENT_READ, raw)
        self._udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._udp.bind(("::", UDP_PORT))
        self._selector.register(self._udp, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer until killed."""
        while True:
            for key, _ in self._selector.select():
                # A packet that cannot be answered now is lost, as on a wire.
                with contextlib.suppress(OSError):
                    if isinstance(key.data, sctp_socket.Raw):
                        self._answer_sctp(key.data)
                    else:
                        self._answer_udp()

    def _answer_udp(self) -> None:
        content, sender = self._udp.recvfrom(_LARGEST)
        self._udp.sendto(self._name + b" " + content, sender)

    def _answer_sctp(self, raw: sctp_socket.Raw) -> None:
        try:
            address, packet = raw.receive()
            answers = self._echo.receive(address, packet)
        except sctp_packet.PacketError:
            return
        for answer in answers:
            raw.send(address, answer)


def main(arguments: list[str]) -> None:
    """Entry point of the server process."""
    (name,) = arguments
    Server(name).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
