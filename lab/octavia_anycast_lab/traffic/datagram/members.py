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

from octavia_anycast_lab.traffic.datagram import sctp_packet, sctp_socket
from octavia_anycast_lab.traffic.datagram.sctp_association import Echo
from octavia_anycast_lab.traffic.member_server import MemberServer

UDP_PORT = 8081
SCTP_PORT = 8082
_LARGEST = 65536
# UDP is opened last, so SCTP is there as well.
SERVER = MemberServer(
    module=__name__, port=UDP_PORT, protocol="udp", suffix="-datagram"
)


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
