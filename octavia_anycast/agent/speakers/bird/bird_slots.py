# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which of BIRD's static protocols has which next hop of a VIP.

A static protocol has one route of a prefix, so that several next hops of a
VIP need as many protocols: slots, numbered from 0. RFC 7911's path identifier
is the protocol's. A path therefore keeps its slot for as long as it is there,
whatever comes and goes beside it: else its peer would hear a withdrawal.

Layer: agent. Pure.
"""

import re
from collections.abc import Iterator, Mapping

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import NEXT_HOPS_MAX

SUFFIX = ".routes"
SLOT_MAX = NEXT_HOPS_MAX
_NAME = re.compile(rf"(\w+)_([46])(?:\.([0-9]+))?{re.escape(SUFFIX)}")
_ROUTE = re.compile(r"route (\S+)/\d+ unreachable \{ bgp_next_hop = (\S+);")

Slots = Mapping[Path, int]
Channel = tuple[str, int]  # name of a peer's protocol, IP version


def file_name(channel: Channel, slot: int) -> str:
    """The file of the paths in one slot of a peer."""
    name, version = channel
    return f"{name}_{version}{f'.{slot}' if slot else ''}{SUFFIX}"


def file_of(name: str) -> tuple[Channel, int] | None:
    """What :func:`file_name` made the name of; None: another one."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[3] or 0) >= SLOT_MAX:
        return None
    return (found[1], int(found[2])), int(found[3] or 0)


def assign(
    channels: Mapping[Path, Channel], files: Mapping[str, str]
) -> dict[Path, int]:
    """Give each path a slot; a path that is in a file keeps its own.

    :param channels: all paths, with their channels
    :param files: file name -> its text, of all that is there
    """
    groups: dict[tuple[Channel, IPAddress], list[Path]] = {}
    for path, channel in channels.items():
        groups.setdefault((channel, path.vip_ip), []).append(path)
    found = [file_of(name) for name in files]
    if len(groups) == len(channels) and not any(f and f[1] for f in found):
        # Thousands of VIPs, each with a next hop: nothing to look up.
        return dict.fromkeys(channels, 0)
    kept = dict(_kept(files))
    slots: dict[Path, int] = {}
    for (channel, vip_ip), paths in groups.items():
        vip = str(vip_ip)
        before = {
            path: kept.get((channel, vip, str(path.nexthop_ip)))
            for path in paths
        }
        slots.update(_assign_one(before))
    return slots


def _assign_one(before: Mapping[Path, int | None]) -> dict[Path, int]:
    """The slots of one VIP's paths; ``before``: those that they had."""
    taken: dict[int, Path] = {}
    late = []
    for path in sorted(before, key=lambda p: p.nexthop_ip.packed):
        slot = before[path]
        if slot is None or slot in taken:
            late.append(path)
        else:
            taken[slot] = path
    free = (slot for slot in range(len(before)) if slot not in taken)
    for path in late:
        taken[next(free)] = path
    return {path: slot for slot, path in taken.items()}


def _kept(
    files: Mapping[str, str],
) -> Iterator[tuple[tuple[Channel, str, str], int]]:
    """((channel, VIP, next hop), slot) of all routes in the files."""
    for name, text in files.items():
        found = file_of(name)
        if found is None:
            continue
        channel, slot = found
        for vip, next_hop in _ROUTE.findall(text):
            yield (channel, vip, next_hop), slot
