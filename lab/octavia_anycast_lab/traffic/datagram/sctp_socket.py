# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""SCTP packets over a raw socket of one IP version; needs root."""

import socket

from octavia_anycast_lab.traffic.datagram import sctp_packet

_PROTOCOL = 132
_LARGEST = 65536
_WORD = 4


class Raw:
    """Sends and receives the SCTP packets of a network namespace."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._socket = socket.socket(family, socket.SOCK_RAW, _PROTOCOL)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def settimeout(self, seconds: float) -> None:
        """How long ``receive`` waits."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, address: str, packet: sctp_packet.Packet) -> None:
        """Send a packet."""
        self._socket.sendto(sctp_packet.encode(packet), (address, 0))

    def receive(self) -> tuple[str, sctp_packet.Packet]:
        """The next packet and who sent it.

        :raises TimeoutError: none came.
        :raises sctp_packet.PacketError: it was damaged.
        """
        text, sender = self._socket.recvfrom(_LARGEST)
        if self._family == socket.AF_INET:
            # IPv4 brings its header along (raw(7)), IPv6 does not.
            text = text[(text[0] & 0xF) * _WORD :]
        return str(sender[0]), sctp_packet.decode(text)
