# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats of many amphorae that do not exist, as Octavia's agent signs.

``python -m octavia_anycast_lab.bench.simulated.heartbeats IDS ADDRESS PORT
INTERVAL`` reads the key from standard input and the amphorae from the file
IDS: a line for each, with its id and the digest of what its agent would
report. One without a digest is of an older image.
"""

import pathlib
import socket
import sys
import time
import typing

from octavia.amphorae.backends.health_daemon import status_message

from octavia_anycast.model.heartbeat import DIGEST, OURS


def main() -> None:
    """Send until killed, spread over the interval."""
    path, address, port, interval = sys.argv[1:]
    key = sys.stdin.readline().strip()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        began = time.monotonic()
        try:
            lines = pathlib.Path(path).read_text("utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            amphora_id, _, digest = line.partition(" ")
            datagram = status_message.wrap_envelope(
                _beat(amphora_id, digest), key
            )
            sender.sendto(datagram, (address, int(port)))
            time.sleep(0.5 * float(interval) / len(lines))
        time.sleep(max(0.1, began + float(interval) - time.monotonic()))


def _beat(amphora_id: str, digest: str) -> dict[str, typing.Any]:
    empty = {"id": amphora_id, "ver": 3, "listeners": {}, "pools": {}}
    return empty | ({OURS: {DIGEST: digest}} if digest else {})


if __name__ == "__main__":
    main()
