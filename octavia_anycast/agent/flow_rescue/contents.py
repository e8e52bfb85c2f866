# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the maps of the program are to hold.

Layer: agent. Pure: from the wanted state, the devices, and what the members'
map holds now, since a member keeps its slot as long as it is one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octavia_anycast.agent.flow_rescue import layout
from octavia_anycast.agent.flow_rescue.layout import Map
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.wire import FlowRescue, Member, MemberState

Entries = Mapping[bytes, bytes]  # key -> value, packed
Services = frozenset[tuple[IPAddress, int]]  # VIP and TCP port of listeners


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What the programs are attached to, and the amphora's own families."""

    amphora_id: str
    frontend_index: int
    frontend_mac: str
    tunnel_index: int
    ip_versions: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of a map that is to be written, or deleted (value None)."""

    map: Map
    key: bytes
    value: bytes | None


def wanted_entries(
    wanted: FlowRescue,
    services: Services,
    devices: Devices,
    held_members: Entries,
) -> dict[Map, Entries]:
    """What each map is to hold.

    Maps are in the order in which they are to be written: an owner that left
    is invalid before anything else, and the number of members comes last.

    :raises Retryable: there are too many listeners.
    """
    reached = {
        member.id: (member, address)
        for member in wanted.members
        if member.id != devices.amphora_id
        and (address := _reached_at(member, devices.ip_versions))
    }
    slots = _slots(list(reached), held_members)
    members = {
        layout.KEY.pack(slots[id]): layout.packed_member(
            id, address, member.state
        )
        for id, (member, address) in reached.items()
    }
    present = sum(
        member.state is MemberState.PRESENT for member, _ in reached.values()
    )
    return {
        Map.MEMBERS: members,
        Map.SLOTS: {
            layout.packed_address(ip): layout.KEY.pack(slots[id])
            for id, (member, _) in reached.items()
            for ip in member.addresses
        },
        Map.SERVICES: _services(services),
        Map.CONFIGS: {
            layout.KEY.pack(0): _config(
                wanted, devices, max(slots.values(), default=0), present
            )
        },
    }


def changes(
    held: Mapping[Map, Entries], wanted: Mapping[Map, Entries]
) -> Iterator[Change]:
    """What is to be written; nothing if each map holds what it is to hold."""
    for map, entries in wanted.items():
        before = held[map]
        for key in before.keys() - entries.keys():
            yield Change(map=map, key=key, value=None)
        for key, value in entries.items():
            if before.get(key) != value:
                yield Change(map=map, key=key, value=value)


def new_slots(held_members: Entries, members: Entries) -> Iterator[bytes]:
    """Keys of slots that another member than before gets."""
    for key, value in members.items():
        before = held_members.get(key)
        if before is None or layout.member_id(before) != layout.member_id(
            value
        ):
            yield key


def _reached_at(
    member: Member, ip_versions: frozenset[int]
) -> IPAddress | None:
    for address in member.addresses:
        if address.version in ip_versions:
            return address
    return None


def _slots(ids: list[str], held_members: Entries) -> dict[str, int]:
    """Id -> slot, from 1; those that are members already keep theirs."""
    held = {
        layout.member_id(value): layout.KEY.unpack(key)[0]
        for key, value in held_members.items()
    }
    slots = {id: held[id] for id in ids if id in held}
    taken = set(slots.values())
    free = (slot for slot in range(1, len(ids) + 1) if slot not in taken)
    return slots | {id: next(free) for id in ids if id not in slots}


def _services(services: Services) -> Entries:
    with_vips = services | {(vip_ip, 0) for vip_ip, _ in services}
    if len(with_vips) > layout.SERVICES_MAX:
        raise Retryable(
            f"{len(with_vips)} listeners and VIPs are more than "
            f"{layout.SERVICES_MAX}"
        )
    return {
        layout.packed_service(vip_ip, port): layout.KEY.pack(1)
        for vip_ip, port in with_vips
    }


def _config(
    wanted: FlowRescue, devices: Devices, slots: int, present: int
) -> bytes:
    secrets = [layout.packed_secret(secret) for secret in wanted.secrets]
    return layout.CONFIG.pack(
        secrets[0],
        secrets[-1],
        bytes.fromhex(devices.frontend_mac.replace(":", "")),
        devices.frontend_index,
        devices.tunnel_index,
        slots,
        present,
        wanted.probe_rate,
        wanted.probe_burst,
    )
