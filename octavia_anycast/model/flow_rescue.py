# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue: what an amphora is told of its cluster, and what it counts.

Amphorae of a cluster hand packets of each other's connections to their owner.
For that each one knows all others by id and front-end address, and a secret
that all of them share.

Layer: model. Pure.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import InvalidRequest

# The amphorae of a cluster at most.
MEMBERS_MAX = 64
ADDRESSES_MAX = 256
SECRET_BYTES = 10
_SECRET = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


# Outer IPv6, UDP, VXLAN and the inner Ethernet header.
TUNNEL_OVERHEAD_BYTES = 40 + 8 + 8 + 14


def advertised_mss(mtu: int, ip_version: int) -> int:
    """The MSS that a VIP announces, so that a segment fits into the tunnel.

    Without it the outer packet of a full-size segment is fragmented where the
    tunnel is over IPv4, and is lost over IPv6 (RFC 8200, section 4.5: only a
    source fragments, and Linux' VXLAN does not).
    """
    headers = 40 if ip_version == 4 else 60
    return mtu - TUNNEL_OVERHEAD_BYTES - headers


class MemberState(StrEnum):
    """Whether packets are sent to a member; what it sends is taken anyway."""

    PRESENT = "present"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An amphora of the cluster. A draining one is PRESENT until deleted.

    ``addresses``: all of its front-end addresses. It is reached at the first
    one whose family the amphora that sends has, too.
    """

    id: str
    addresses: tuple[IPAddress, ...]
    state: MemberState = MemberState.PRESENT

    def __post_init__(self) -> None:
        try:
            UUID(self.id)
        except ValueError:
            raise InvalidRequest("id", f"{self.id!r} is no UUID") from None
        if not self.addresses:
            raise InvalidRequest("addresses", f"member {self.id} has none")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRescue:
    """What an amphora needs to rescue flows; without it, it rescues none.

    ``members`` may have the amphora itself, which is passed over.
    ``secrets``: 20 hexadecimal digits each; the first one is sent, each is
    accepted. A rotation is three states that all members reach one after the
    other: (old, new), (new, old), (new,).
    ``probe_rate``, ``probe_burst``: how many copies of packets of unknown
    owners it sends a second, and at once.
    """

    members: tuple[Member, ...]
    secrets: tuple[str, ...] = field(repr=False)
    probe_rate: int = 20_000
    probe_burst: int = 4_000

    def __post_init__(self) -> None:
        if not 1 <= len(self.secrets) <= 2 or not all(
            _SECRET.fullmatch(secret) for secret in self.secrets
        ):
            raise InvalidRequest(
                "secrets", "one or two of 20 hexadecimal digits are needed"
            )
        _check_once("members", [member.id for member in self.members])
        addresses = [ip for member in self.members for ip in member.addresses]
        _check_once("addresses", addresses)
        _check_count("members", len(self.members), MEMBERS_MAX)
        _check_count("addresses", len(addresses), ADDRESSES_MAX)
        if not 1 <= self.probe_rate <= 10_000_000:
            raise InvalidRequest(
                "probe_rate", f"{self.probe_rate} is not in 1..10000000"
            )
        if not MEMBERS_MAX <= self.probe_burst <= 1_000_000:
            raise InvalidRequest(
                "probe_burst",
                f"{self.probe_burst} is not in {MEMBERS_MAX}..1000000",
            )


def _check_once(field: str, values: list[str] | list[IPAddress]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise InvalidRequest(field, f"{repeated[0]} is named twice")


def _check_count(field: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidRequest(field, f"{count} are more than {limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCounts:
    """Packets and flows since the program was loaded; they only grow.

    Of one member of the cluster, or of none.
    ``carried``: packets sent to it as the owner. ``floods``: searches of an
    owner, each a copy for every member. ``probes``: copies sent to it by
    floods. ``refused``: packets dropped, since the budget had no flood left.
    ``waiting``: packets dropped, since a flood was not answered yet.
    ``given_up``: packets left to the stack, since nobody owned the flow.
    ``learned``: flows that it claimed. ``unlearned``: flows that it denied.
    ``unanswered``: questions that it did not answer in time. ``probed``:
    copies received from its floods. ``delivered``: its packets, delivered to
    the stack here. ``answered``: answers sent to it. ``foreign``: packets
    dropped that are not from a member. ``forged``: packets dropped that are
    from its address, with a wrong secret. ``malformed``: packets dropped that
    no member sends.
    """

    # In the order of the program's own counters.
    carried: int = 0
    floods: int = 0
    probes: int = 0
    refused: int = 0
    waiting: int = 0
    given_up: int = 0
    learned: int = 0
    unlearned: int = 0
    unanswered: int = 0
    probed: int = 0
    delivered: int = 0
    answered: int = 0
    foreign: int = 0
    forged: int = 0
    malformed: int = 0


class RescueState(StrEnum):
    """What an amphora says of its flow rescue."""

    OFF = "off"
    ON = "on"
    UNSUPPORTED = "unsupported"  # this kernel or this image cannot
    FAILED = "failed"  # it should; it is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRescueReport:
    """What an amphora says of its flow rescue.

    ``reason``: why it is unsupported or failed. ``learned``: flows of others
    whose owner is known now. ``own``: counts that belong to no member;
    ``members``: amphora_id -> counts, of the members of now.
    """

    state: RescueState
    reason: str = ""
    learned: int = 0
    own: MemberCounts = field(default_factory=MemberCounts)
    members: dict[str, MemberCounts] = field(default_factory=dict)
