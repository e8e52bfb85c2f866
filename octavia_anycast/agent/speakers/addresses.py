# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What every BGP daemon here asks of the addresses of its peers.

Layer: agent. Pure.
"""

from octavia_anycast.model.bgp import IPAddress, Speaker
from octavia_anycast.model.errors import InvalidRequest


def check(speakers: tuple[Speaker, ...]) -> None:
    """Refuse two sessions with one address, beyond what the model refuses.

    :raises InvalidRequest: naming the field.
    """
    seen: set[IPAddress] = set()
    for i, speaker in enumerate(speakers):
        for j, peer in enumerate(speaker.peers):
            if peer.peer_ip in seen:
                raise InvalidRequest(
                    f"speakers[{i}].peers[{j}].peer_ip",
                    "an amphora has one session with an address",
                )
            seen.add(peer.peer_ip)
