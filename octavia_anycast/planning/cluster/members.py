# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which members of its cluster an amphora is told of, where not all fit.

An agent takes so many members and addresses, and each address once. A plan is
made all the same: a cluster of full size has one more in a failover, and one
that was deleted halfway may have an address that Neutron gave away again.

Layer: planning. Pure.
"""

from collections.abc import Iterable

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import ADDRESSES_MAX, MEMBERS_MAX
from octavia_anycast.planning.amphora.assessment import Assessment, Phase

# Who is left out last. The others are as good as each other.
_LAST = (Phase.LEAVING, Phase.SILENT, Phase.FAILED)


def addresses_of(member: Assessment) -> tuple[IPAddress, ...]:
    """The addresses of an amphora's front end; none without one."""
    frontend = member.amphora.record.frontend
    return tuple(a.ip_address for a in frontend.addresses) if frontend else ()


def told_of(
    members: Iterable[Assessment], own_id: str
) -> tuple[Assessment, ...]:
    """Choose, of those that have a front end, as many as an agent takes.

    The amphora itself is among them. The oldest are left out, so that all
    know a new one, which else would never begin to announce.

    :returns: by id, the order in which an agent is told
    """
    taken: set[IPAddress] = set()
    chosen: list[Assessment] = []
    for member in sorted(members, key=lambda m: _rank(m, own_id)):
        addresses = addresses_of(member)
        is_fitting = (
            len(chosen) < MEMBERS_MAX
            and len(taken) + len(addresses) <= ADDRESSES_MAX
            and taken.isdisjoint(addresses)
        )
        if addresses and is_fitting:
            taken.update(addresses)
            chosen.append(member)
    return tuple(sorted(chosen, key=lambda m: m.id))


def _rank(member: Assessment, own_id: str) -> tuple[bool, int, float, str]:
    place = _LAST.index(member.phase) + 1 if member.phase in _LAST else 0
    since = member.amphora.record.status_since.timestamp()
    return member.id != own_id, place, -since, member.id
