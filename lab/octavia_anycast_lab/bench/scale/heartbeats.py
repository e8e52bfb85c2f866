# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats of many amphorae that do not exist, as Octavia's agent signs.

``python -m octavia_anycast_lab.bench.scale.heartbeats IDS ADDRESS PORT
INTERVAL`` reads the key from standard input and the amphorae from the file
IDS.
"""

import pathlib
import socket
import sys
import time

from octavia.amphorae.backends.health_daemon import status_message


def main() -> None:
    """Send until killed, spread over the interval."""
    path, address, port, interval = sys.argv[1:]
    key = sys.stdin.readline().strip()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        began = time.monotonic()
        try:
            ids = pathlib.Path(path).read_text("utf-8").split()
        except FileNotFoundError:
            ids = []
        for amphora_id in ids:
            beat = {"id": amphora_id, "ver": 3, "listeners": {}, "pools": {}}
            datagram = status_message.wrap_envelope(beat, key)
            sender.sendto(datagram, (address, int(port)))
            time.sleep(0.5 * float(interval) / len(ids))
        time.sleep(max(0.1, began + float(interval) - time.monotonic()))


if __name__ == "__main__":
    main()
