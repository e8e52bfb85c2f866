# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Send one packet from the namespace that this runs in; a program.

packets.py udp --source A --to B --port 3784
packets.py 112 --source A --to B
packets.py 132 --source A --to B --data HEX
packets.py arp --interface eth0 --mac M --source A --to B
"""

import argparse
import ipaddress
import socket
import struct

ARP, IPV6 = 0x0806, 0x86DD


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--source", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--data", type=bytes.fromhex)
    parser.add_argument("--interface")
    parser.add_argument("--mac")
    given = parser.parse_args()
    if given.kind in ("arp", "advertisement", "frame"):
        send_frame(given)
    elif given.kind == "tcp":
        knock(given)
    else:
        send(given)


def send(given):
    kind, protocol = socket.SOCK_RAW, 0
    if given.kind == "udp":
        kind = socket.SOCK_DGRAM
    else:
        protocol = int(given.kind)
    data = given.data or b"x" * given.size
    with socket.socket(family(given.to), kind, protocol) as sender:
        sender.bind((given.source, 0))
        sender.sendto(data, (given.to, given.port if kind == 2 else 0))


def knock(given):
    """Begin a TCP connection; whether it is answered is not asked."""
    with socket.socket(family(given.to)) as sender:
        sender.settimeout(0.05)
        sender.bind((given.source, 0))
        sender.connect_ex((given.to, given.port))


def family(address):
    is_v4 = ipaddress.ip_address(address).version == 4
    return socket.AF_INET if is_v4 else socket.AF_INET6


def send_frame(given):
    """An Ethernet frame, whoever it says that it is from."""
    mac = bytes.fromhex(given.mac.replace(":", ""))
    source = ipaddress.ip_address(given.source).packed
    target = ipaddress.ip_address(given.to).packed
    if given.kind == "arp":
        content = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
        content += mac + source + mac + target
        kind, to = ARP, b"\xff" * 6
    elif given.kind == "advertisement":
        content = advertisement(mac, source, target)
        kind, to = IPV6, bytes.fromhex("333300000001")
    else:
        content, kind, to = b"\0" * 46, given.port, b"\xff" * 6
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((given.interface, 0))
        sender.send(to + mac + struct.pack("!H", kind) + content)


def advertisement(mac, source, target):
    """An unsolicited neighbour advertisement for an address (RFC 4861)."""
    to = ipaddress.ip_address("ff02::1").packed
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + target
    body += b"\x02\x01" + mac
    pseudo = source + to + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
    return header + source + to + body


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


if __name__ == "__main__":
    main()
