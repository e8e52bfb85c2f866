# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP: speakers, peers and path attributes (RFC 4271).

The names are the RFC's and the blueprint's (local_as, remote_as, peer_ip,
ttl_hops). An object that exists is valid: ``__post_init__`` raises
:class:`~octavia_anycast.model.errors.InvalidRequest` naming the field.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, NewType

from octavia_anycast.model.errors import (
    InvalidRequest,
    check_name,
    check_place,
)

IPAddress = IPv4Address | IPv6Address
Asn = NewType("Asn", int)

ASN_MAX = 4_294_967_295  # RFC 6793: four octets
BGP_PORT = 179  # RFC 4271, section 8
PORT_MAX = 65_535
# A document has such a field only if it is not its default: an agent of a
# release that does not know it takes the document all the same (ADR 0146).
ABSENT_IF_DEFAULT = {"absent_if_default": True}
TTL_HOPS_MAX = 254  # RFC 5082 through the blueprint: 1-254
HOLD_TIME_MIN_SECONDS = 3  # RFC 4271, section 4.2: zero or at least three
HOLD_TIME_MAX_SECONDS = 65_535
PASSWORD_MAX_LENGTH = 80  # the kernel's TCP_MD5SIG_MAXKEYLEN
MED_MAX = 4_294_967_295
PREPEND_MAX = 10
COMMUNITIES_MAX = 32
PREFIXES_MAX = 1_000_000
KEEPALIVE_MAX_SECONDS = HOLD_TIME_MAX_SECONDS // 3
# Whole, and of ASCII digits: \d would take those of any script.
_COMMUNITY = re.compile(r"[0-9]{1,5}:[0-9]{1,5}")
_LARGE_COMMUNITY = re.compile(r"[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}")
# RFC 8326: a receiver sets LOCAL_PREF 0 on paths that carry it.
GRACEFUL_SHUTDOWN = "65535:0"


class AuthType(StrEnum):
    """How a session authenticates (RFC 2385)."""

    MD5 = "md5"


class PeeringNetwork(StrEnum):
    """Which network of the amphora a session runs over."""

    MANAGEMENT = "management"
    FRONTEND = "frontend"


class SpeakerDriver(StrEnum):
    """Which daemon speaks BGP in the amphora."""

    EXABGP = "exabgp"
    BIRD = "bird"


class SessionState(StrEnum):
    """The states of RFC 4271, section 8.2.2, and UNKNOWN."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"
    UNKNOWN = "Unknown"


def check_range(name: str, value: object, low: int, high: int) -> None:
    """Check an integer against an inclusive range.

    :raises InvalidRequest: naming ``name``; a bool is not an integer here.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(name, f"{value!r} is not an integer")
    if not low <= value <= high:
        raise InvalidRequest(name, f"{value} is not in {low}..{high}")


def checked_by(
    check: Callable[[str, Any], None], default: Any = MISSING
) -> Any:
    """Declare a field that :func:`check_fields` checks.

    :param check: takes the field's name and value
    """
    return field(default=default, metadata={"check": check})


def within(low: int, high: int, default: Any = MISSING) -> Any:
    """Declare an integer field with an inclusive range."""
    return checked_by(partial(check_range, low=low, high=high), default)


def check_fields(instance: Any) -> None:
    """Check all declared fields; None is skipped where it is the default.

    :raises InvalidRequest: naming the field.
    """
    for f in fields(instance):
        value = getattr(instance, f.name)
        if "check" in f.metadata and (value, f.default) != (None, None):
            f.metadata["check"](f.name, value)


# AS numbers that no speaker has: number -> why.
_RESERVED_ASNS = {
    0: "is not an AS (RFC 7607)",
    23_456: "is AS_TRANS, which stands for others (RFC 6793, section 9)",
    65_535: "is reserved (RFC 7300)",
    ASN_MAX: "is reserved (RFC 7300)",
}
# Addresses that no router is met at: network -> why.
_NO_ROUTERS: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "of this network (RFC 1122, section 3.2.1.3)"),
    (IPv4Network("127.0.0.0/8"), "loopback (RFC 1122, section 3.2.1.3)"),
    (
        IPv4Network("169.254.0.0/16"),
        "link-local, which the amphora has no route to (RFC 3927, section 7)",
    ),
    (IPv4Network("224.0.0.0/4"), "multicast (RFC 5771)"),
    (IPv4Network("255.255.255.255/32"), "broadcast (RFC 919, section 7)"),
    (IPv4Network("240.0.0.0/4"), "reserved (RFC 1112, section 4)"),
    (IPv6Network("::/128"), "unspecified (RFC 4291, section 2.5.2)"),
    (IPv6Network("::1/128"), "loopback (RFC 4291, section 2.5.3)"),
    (
        IPv6Network("::/96"),
        "IPv4-compatible, which is deprecated (RFC 4291, section 2.5.5.1)",
    ),
    (
        IPv6Network("::ffff:0:0/96"),
        "IPv4-mapped: give the IPv4 address (RFC 4291, section 2.5.5.2)",
    ),
    (IPv6Network("100::/64"), "for discarding (RFC 6666)"),
    (
        IPv6Network("fe80::/10"),
        "link-local, which needs an interface (RFC 4291, section 2.5.6)",
    ),
    (IPv6Network("ff00::/8"), "multicast (RFC 4291, section 2.7)"),
)


def check_asn(name: str, value: object) -> None:
    """Check that it is the number of an AS that may speak BGP.

    :raises InvalidRequest: naming ``name``.
    """
    if type(value) is int and value in _RESERVED_ASNS:
        raise InvalidRequest(name, f"{value} {_RESERVED_ASNS[value]}")
    check_range(name, value, 1, ASN_MAX)


def check_router(name: str, address: IPAddress) -> None:
    """Check that a router can be met at an address.

    :raises InvalidRequest: naming ``name``.
    """
    if getattr(address, "scope_id", None) is not None:
        raise InvalidRequest(name, f"{address} names an interface")
    for network, kind in _NO_ROUTERS:
        if address.version == network.version and address in network:
            raise InvalidRequest(name, f"{address} is {kind}")


def check_community(name: str, value: object) -> None:
    """Check a community (RFC 1997) or large community (RFC 8092)."""
    if isinstance(value, str) and _COMMUNITY.fullmatch(value):
        limit = 65_535
    elif isinstance(value, str) and _LARGE_COMMUNITY.fullmatch(value):
        limit = 4_294_967_295
    else:
        raise InvalidRequest(
            name, f"{value!r} is neither ASN:VALUE nor ASN:VALUE:VALUE"
        )
    if any(int(part) > limit for part in value.split(":")):
        raise InvalidRequest(name, f"{value!r} has a part above {limit}")


def check_communities(name: str, values: tuple[object, ...]) -> None:
    """Check the communities of a path: valid, not too many, no duplicates.

    :raises InvalidRequest: naming ``name``.
    """
    if len(values) > COMMUNITIES_MAX:
        raise InvalidRequest(name, f"there are more than {COMMUNITIES_MAX}")
    for community in values:
        check_community(name, community)
    if len(set(values)) < len(values):
        raise InvalidRequest(
            name, "each may be named once (RFC 8092, section 5)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdTimers:
    """RFC 5880 timers of a session; milliseconds."""

    min_tx_ms: int = within(10, 60_000, default=100)
    min_rx_ms: int = within(10, 60_000, default=100)
    multiplier: int = within(2, 255, default=3)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A BGP peer profile: one neighbour of every amphora it selects.

    ``hold_time`` and ``keepalive_interval`` are seconds; a hold time of 0
    means no keepalives at all. ``availability_zone`` and ``compute_host``
    are the selector: None selects every amphora. ``peer_port`` is the TCP
    port that the peer listens on.
    """

    id: str
    peer_ip: IPAddress
    remote_as: Asn
    name: str = checked_by(check_name, default="")
    auth_type: AuthType | None = None
    password: str | None = field(default=None, repr=False)
    peer_port: int = field(
        default=BGP_PORT,
        metadata={
            "check": partial(check_range, low=1, high=PORT_MAX),
            **ABSENT_IF_DEFAULT,
        },
    )
    ttl_hops: int | None = within(1, TTL_HOPS_MAX, default=None)
    hold_time: int = within(0, HOLD_TIME_MAX_SECONDS, default=90)
    keepalive_interval: int | None = within(
        1, KEEPALIVE_MAX_SECONDS, default=None
    )
    bfd: BfdTimers | None = None
    peering_network: PeeringNetwork = PeeringNetwork.MANAGEMENT
    availability_zone: str | None = checked_by(check_place, default=None)
    compute_host: str | None = checked_by(check_place, default=None)
    max_prefixes: int | None = within(1, PREFIXES_MAX, default=None)
    communities: tuple[str, ...] = checked_by(check_communities, default=())
    as_path_prepend: int = within(0, PREPEND_MAX, default=0)
    med: int | None = within(0, MED_MAX, default=None)
    local_pref: int | None = within(0, MED_MAX, default=None)

    def __post_init__(self) -> None:
        check_asn("remote_as", self.remote_as)
        check_fields(self)
        self._check_timers()
        self._check_authentication()
        check_router("peer_ip", self.peer_ip)

    def _check_timers(self) -> None:
        if 0 < self.hold_time < HOLD_TIME_MIN_SECONDS:
            raise InvalidRequest(
                "hold_time",
                f"{self.hold_time} is neither 0 nor at least "
                f"{HOLD_TIME_MIN_SECONDS} seconds (RFC 4271, section 4.2)",
            )
        if 0 < self.hold_time < 3 * (self.keepalive_interval or 0):
            raise InvalidRequest(
                "keepalive_interval",
                f"{self.keepalive_interval} is more than a third of the hold "
                f"time {self.hold_time} (RFC 4271, section 4.4)",
            )

    def _check_authentication(self) -> None:
        if (self.auth_type is None) != (self.password is None):
            raise InvalidRequest(
                "password" if self.auth_type else "auth_type",
                "a password and the auth_type md5 go together",
            )
        if self.password is None:
            return
        if not 1 <= len(self.password) <= PASSWORD_MAX_LENGTH:
            raise InvalidRequest(
                "password",
                f"its length is not in 1..{PASSWORD_MAX_LENGTH}, which is "
                "what Linux takes for TCP MD5 (RFC 2385)",
            )
        if not re.fullmatch(r"[!#-\[\]-~]+", self.password):
            raise InvalidRequest(
                "password",
                "it may hold printable ASCII without space, double quote and "
                "backslash only: not every BGP daemon can be told others",
            )

    def selects(self, zone: str | None, host: str | None) -> bool:
        """Whether an amphora in this zone and on this host peers here."""
        return self.availability_zone in (
            None,
            zone,
        ) and self.compute_host in (None, host)

    def meets(self, other: "Peer") -> bool:
        """Whether some amphora would peer with both, at one address."""
        return self.peer_ip == other.peer_ip and all(
            mine is None or theirs is None or mine == theirs
            for mine, theirs in (
                (self.availability_zone, other.availability_zone),
                (self.compute_host, other.compute_host),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A BGP speaker; ``ip_version`` is that of its sessions' transport."""

    id: str
    ip_version: int
    local_as: Asn
    driver: SpeakerDriver = SpeakerDriver.EXABGP
    peers: tuple[Peer, ...] = ()

    def __post_init__(self) -> None:
        if self.ip_version not in (4, 6) or isinstance(self.ip_version, bool):
            raise InvalidRequest(
                "ip_version", f"{self.ip_version!r} is neither 4 nor 6"
            )
        check_asn("local_as", self.local_as)
        for index, peer in enumerate(self.peers):
            if peer.peer_ip.version != self.ip_version:
                raise InvalidRequest(
                    f"peers[{index}].peer_ip",
                    f"{peer.peer_ip} is not an IPv{self.ip_version} address "
                    "as the speaker's ip_version asks",
                )
            if any(peer.meets(other) for other in self.peers[:index]):
                raise InvalidRequest(
                    f"peers[{index}].peer_ip",
                    f"{peer.peer_ip} is there twice for the same amphorae",
                )
            _DRIVER_CHECKS[self.driver](f"peers[{index}]", peer)


def keeping_peers(
    wanted: tuple[Speaker, ...],
    in_force: tuple[Speaker, ...],
    peer_ids: frozenset[str],
) -> tuple[Speaker, ...]:
    """The speakers wanted, with some peers as they are in force.

    A kept peer whose speaker has another AS now stays with the speaker that
    it had, beside the new one.

    :raises InvalidRequest: a peer that is to be kept is not there.
    """
    found = [
        replace(
            speaker, peers=tuple(p for p in speaker.peers if p.id in peer_ids)
        )
        for speaker in in_force
    ]
    missing = peer_ids - {p.id for speaker in found for p in speaker.peers}
    if missing:
        raise InvalidRequest(
            "kept_peer_ids", f"there is no peer {min(missing)} to keep"
        )
    kept = {_without_peers(s): s.peers for s in found if s.peers}
    joined = [
        replace(s, peers=s.peers + kept.pop(_without_peers(s), ()))
        for s in wanted
    ]
    return (*joined, *(replace(s, peers=p) for s, p in kept.items()))


def _without_peers(speaker: Speaker) -> Speaker:
    return replace(speaker, peers=())


def _check_exabgp(path: str, peer: Peer) -> None:
    if peer.bfd:
        raise InvalidRequest(
            f"{path}.bfd", "ExaBGP does not speak BFD; use the bird driver"
        )
    interval = peer.keepalive_interval
    if interval is not None and interval != peer.hold_time // 3:
        raise InvalidRequest(
            f"{path}.keepalive_interval",
            "ExaBGP sends a keepalive each third of the hold time, "
            f"{peer.hold_time // 3} s, and cannot be told otherwise",
        )


def _check_bird(path: str, peer: Peer) -> None:
    if peer.bfd and peer.ttl_hops is not None and peer.ttl_hops > 1:
        raise InvalidRequest(
            f"{path}.ttl_hops",
            "BFD watches a peer on the same link (RFC 5881): ttl_hops is 1 "
            "or not given",
        )


_DRIVER_CHECKS = {
    SpeakerDriver.EXABGP: _check_exabgp,
    SpeakerDriver.BIRD: _check_bird,
}
