# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent contract: what a controller asks of an amphora, and gets.

``PUT /1.0/anycast`` carries a :class:`DesiredState`, whole; ``GET`` answers
a :class:`Report`. One schema for both ends, versioned: a document of another
version or with an unknown key is refused whole, naming the field.

Layer: model. Pure; JSON documents are plain dicts at this edge only.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from octavia_anycast.model.bgp import (
    ABSENT_IF_DEFAULT,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
    SpeakerDriver,
    check_fields,
    keeping_peers,
    within,
)
from octavia_anycast.model.errors import InvalidRequest

WIRE_VERSION = "1.0"
# Octavia names the amphora's interfaces; the front end is the first one that
# is plugged into the namespace amphora-haproxy.
FRONTEND_INTERFACE = "eth1"
# speakerd's own port is the agent's and so much.
PORT_OFFSET = 1
# Of one VIP at a distributor: as many as a cluster has amphorae at most.
NEXT_HOPS_MAX = 64
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_CODES = r"[1-5][0-9]{2}(-[1-5][0-9]{2})?"
# The amphorae of a cluster at most.
MEMBERS_MAX = 64
RESCUE_PORT = 14_789  # UDP
# TCP. Below the ports that the amphora's own connections take, beside the one
# that HAProxy's peers have.
METRICS_PORT = 1024
ZONE_LENGTH_MAX = 255
AUTHORITY_LENGTH_MAX = 65_536
ADDRESSES_MAX = 256
SECRET_BYTES = 10
# What an agent counts of accepted connections is told in periods, which begin
# at the same moments in every amphora: so they can be compared.
ACCEPTED_SECONDS = 10
ACCEPTED_PERIODS = 6
_SECRET = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


class Intent(StrEnum):
    """What the controller wants of one VIP on one amphora."""

    ADVERTISE = "advertise"  # when the health gate agrees
    DRAIN = "drain"  # advertised with GRACEFUL_SHUTDOWN (RFC 8326)
    WITHDRAW = "withdraw"  # never advertised, whatever the gate says


class GateState(StrEnum):
    """The health gate's states; UP and FALLING let VIPs be advertised."""

    INIT = "INIT"
    RISING = "RISING"
    UP = "UP"
    FALLING = "FALLING"
    DOWN = "DOWN"
    DISABLED = "DISABLED"


class Probe(StrEnum):
    """What the health gate looks at, in the order in which it decides."""

    REVISION = "revision"  # the amphora has a configuration
    PROCESS = "process"  # HAProxy and keepalived run, and are not stopped
    FRONTEND = "frontend"  # the front-end interface: link, addresses
    GATEWAY = "gateway"  # the front end's gateways answer, of each family
    # Each listener's socket accepts on the VIP, or ip_vs has its service.
    LISTENERS = "listeners"
    ANSWER = "answer"  # HAProxy answers on its own socket
    PEERS = "peers"  # it has learnt the stick tables of its peers
    REQUEST = "request"  # a request to a listener on the VIP is answered


class ProbeVerdict(StrEnum):
    """What one probe says."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    NOTHING_TO_SERVE = "nothing to serve"


class Scheme(StrEnum):
    """What a listener speaks, as far as a synthetic request cares."""

    HTTP = "http"
    HTTPS = "https"  # TLS ends in HAProxy
    OPAQUE = "opaque"  # nothing can be asked of it


class PathState(StrEnum):
    """Where a path of ours stands towards one peer."""

    ADVERTISED = "advertised"  # in the Adj-RIB-Out of an established session
    DRAINING = "draining"
    PENDING = "pending"  # wanted, but the session is not established
    WITHDRAWN = "withdrawn"


# A path that some peer holds.
HELD = (PathState.ADVERTISED, PathState.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class VipState:
    """One VIP, announced as a host route with ``nexthop_ip``.

    ``peer_ids`` None means every peer. A VIP is bound to the amphora's
    loopback in every intent; only the announcement differs.
    ``amphora_id``: the amphora whose front-end address ``nexthop_ip`` is,
    where a distributor announces it for another one; None: its own, or an
    external endpoint.
    """

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    load_balancer_id: str | None
    intent: Intent
    peer_ids: tuple[str, ...] | None = None
    amphora_id: str | None = None

    def __post_init__(self) -> None:
        if self.vip_ip.version != self.nexthop_ip.version:
            raise InvalidRequest(
                "nexthop_ip",
                f"{self.nexthop_ip} is of another family than the VIP "
                f"{self.vip_ip}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendAddress:
    """An address of the front-end interface; Neutron's subnet says it all."""

    ip_address: IPAddress
    prefix_length: int
    gateway: IPAddress | None = None
    subnet_id: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.prefix_length <= self.ip_address.max_prefixlen:
            raise InvalidRequest(
                "prefix_length", f"{self.prefix_length} does not fit"
            )
        if self.gateway and self.gateway.version != self.ip_address.version:
            raise InvalidRequest(
                "gateway", f"{self.gateway} is of another family"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """The front-end interface: found by its MAC, named eth1."""

    mac_address: str
    mtu: int = within(576, 65_535)
    addresses: tuple[FrontendAddress, ...]

    def __post_init__(self) -> None:
        if not _MAC.fullmatch(self.mac_address):
            raise InvalidRequest(
                "mac_address",
                f"{self.mac_address!r} is not six lower-case hex octets",
            )
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSocket:
    """A TCP socket that HAProxy must hold open for the gate to be UP."""

    listener_id: str
    ip_address: IPAddress
    port: int = within(1, 65_535)
    scheme: Scheme = Scheme.OPAQUE

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticRequest:
    """An HTTP request of the health gate to each HTTP listener on the VIP.

    ``codes``: the statuses that are expected, such as ``200-299,404``.
    ``host``: the Host header; empty: the VIP. ``rise_count`` and
    ``fall_count`` count answers of one listener in a row. The default takes
    any answer for good, 503 too: without members it is the same everywhere.
    """

    path: str
    method: str = "GET"
    host: str = ""
    codes: str = "200-599"
    interval_ms: int = within(50, 600_000, 1_000)
    timeout_ms: int = within(10, 60_000, 1_000)
    rise_count: int = within(1, 100, 1)
    fall_count: int = within(1, 100, 3)

    def __post_init__(self) -> None:
        for name, pattern, expected in (
            ("path", r"/[!-~]*", "/ and visible ASCII"),
            ("method", "GET|HEAD|OPTIONS", "GET, HEAD or OPTIONS"),
            ("host", r"[!-.0-~]*", "a host name"),
            ("codes", rf"{_CODES}(,{_CODES})*", "like 200-299,404"),
        ):
            value = getattr(self, name)
            if not re.fullmatch(pattern, value):
                raise InvalidRequest(name, f"{value!r} is not {expected}")
        check_fields(self)

    def expects(self, status: int) -> bool:
        """Whether this status is one of the expected ones."""
        pairs = (part.partition("-") for part in self.codes.split(","))
        return any(
            int(low) <= status <= int(high or low) for low, _, high in pairs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """The health gate's settings; milliseconds and counts.

    ``unknown_hold_ms``: for how long a probe that cannot tell keeps the last
    verdict before it counts as failed. ``answer_interval_ms``,
    ``answer_timeout_ms``: HAProxy is asked so often, and may think so long.
    ``accept_timeout_ms``: connections wait for so long and none is taken,
    and HAProxy does not answer either: it hangs. ``gateway_interval_ms``: the
    gateways are made to answer so often.
    """

    is_enabled: bool = True
    interval_ms: int = within(20, 60_000, 100)
    rise_count: int = within(1, 100, 2)
    fall_count: int = within(1, 100, 2)
    unknown_hold_ms: int = within(0, 600_000, 5_000)
    answer_interval_ms: int = within(50, 60_000, 500)
    answer_timeout_ms: int = within(50, 60_000, 2_000)
    accept_timeout_ms: int = within(50, 60_000, 1_000)
    gateway_interval_ms: int = within(100, 60_000, 400)
    request: SyntheticRequest | None = None

    def __post_init__(self) -> None:
        check_fields(self)


def _check_named_once(
    vips: tuple[VipState, ...], is_distributor: bool
) -> None:
    """A distributor may announce several next hops of one VIP."""
    if len({vip.vip_ip for vip in vips}) == len(vips):
        return  # as a rule, for thousands of them too
    if not is_distributor:
        raise InvalidRequest("vip_ip", "each VIP may be named once")
    paths = {(vip.vip_ip, vip.nexthop_ip, vip.peer_ids) for vip in vips}
    if len(paths) != len(vips):
        raise InvalidRequest(
            "nexthop_ip", "each next hop of a VIP may be named once"
        )
    hops = Counter(vip_ip for vip_ip, _ in {path[:2] for path in paths})
    if hops and max(hops.values()) > NEXT_HOPS_MAX:
        raise InvalidRequest(
            "nexthop_ip", f"a VIP has at most {NEXT_HOPS_MAX} of them"
        )


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
class MetricsMember:
    """An amphora whose numbers are part of what a tenant's scrape gets.

    ``zone``: its availability zone; empty: it is in none. ``addresses``: its
    front-end addresses; another one asks at the first whose family it has.
    """

    id: str
    zone: str
    addresses: tuple[IPAddress, ...]

    def __post_init__(self) -> None:
        try:
            UUID(self.id)
        except ValueError:
            raise InvalidRequest("id", f"{self.id!r} is no UUID") from None
        if not self.addresses:
            raise InvalidRequest("addresses", f"member {self.id} has none")
        if len(self.zone) > ZONE_LENGTH_MAX:
            raise InvalidRequest(
                "zone", f"it is longer than {ZONE_LENGTH_MAX} characters"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantMetrics:
    """What an amphora needs to answer a PROMETHEUS listener for its cluster.

    ``members``: every amphora of the cluster that has a front end, itself
    too. ``authority``: certificates in PEM, of who signs those of amphorae.
    """

    members: tuple[MetricsMember, ...]
    authority: str

    def __post_init__(self) -> None:
        _check_once("members", [member.id for member in self.members])
        addresses = [ip for member in self.members for ip in member.addresses]
        _check_once("addresses", addresses)
        _check_count("members", len(self.members), MEMBERS_MAX)
        _check_count("addresses", len(addresses), ADDRESSES_MAX)
        if len(self.authority) > AUTHORITY_LENGTH_MAX:
            raise InvalidRequest(
                "authority",
                f"it is longer than {AUTHORITY_LENGTH_MAX} characters",
            )
        if "-----BEGIN CERTIFICATE-----" not in self.authority:
            raise InvalidRequest("authority", "it holds no certificate in PEM")


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

    @property
    def total(self) -> MemberCounts:
        """The counts of all members of now, and of none."""
        every = (self.own, *self.members.values())
        return MemberCounts(
            **{
                name: sum(getattr(counts, name) for counts in every)
                for name in MemberCounts.__dataclass_fields__
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """All that an amphora's agent is to bring about.

    ``revision`` names the configuration that ``listeners`` and
    ``lvs_listener_ids`` belong to; an empty one means that none was pushed
    yet. ``lvs_listener_ids`` are the UDP and SCTP listeners: keepalived must
    run for each, and HAProxy need not run when there are no others.
    ``router_id`` is an IPv4 address in dotted form, unique among the
    speakers of a fabric. ``keeps_speakers``: the agent keeps the speakers
    that it has, and ``speakers`` and ``driver`` say nothing.
    ``kept_peer_ids``: the agent keeps these peers as it has them, and
    ``speakers`` are all others.
    ``is_distributor``: the amphora only speaks BGP, for others. The VIPs are
    theirs: none is on its loopback, and its gate asks for no HAProxy.
    ``flow_rescue``: for the sockets of ``listeners``; None switches it off.
    ``tenant_metrics``: None: the load balancer has no PROMETHEUS listener.
    """

    amphora_id: str
    revision: str
    router_id: str
    driver: SpeakerDriver = SpeakerDriver.EXABGP
    speakers: tuple[Speaker, ...] = ()
    vips: tuple[VipState, ...] = ()
    frontend: Frontend | None = None
    load_balancer_id: str | None = None
    listeners: tuple[ListenerSocket, ...] = ()
    lvs_listener_ids: tuple[str, ...] = ()
    gate: GateSettings = field(default_factory=GateSettings)
    keeps_speakers: bool = False
    kept_peer_ids: tuple[str, ...] = ()
    is_distributor: bool = False
    flow_rescue: FlowRescue | None = field(
        default=None, metadata=ABSENT_IF_DEFAULT
    )
    tenant_metrics: TenantMetrics | None = field(
        default=None, metadata=ABSENT_IF_DEFAULT
    )
    version: str = WIRE_VERSION

    def __post_init__(self) -> None:
        if self.version != WIRE_VERSION:
            raise InvalidRequest(
                "version", f"{self.version!r} is not {WIRE_VERSION!r}"
            )
        if self.keeps_speakers and (self.speakers or self.kept_peer_ids):
            raise InvalidRequest(
                "keeps_speakers",
                "it does not go with speakers or kept_peer_ids",
            )
        given = {peer.id for _, peer in self.peers()}
        if both := given.intersection(self.kept_peer_ids):
            raise InvalidRequest(
                "kept_peer_ids", f"{min(both)} is among the speakers' peers"
            )
        if self.is_distributor and (
            self.frontend or self.listeners or self.lvs_listener_ids
        ):
            raise InvalidRequest(
                "is_distributor", "it goes with no front end and no listener"
            )
        for name in ("flow_rescue", "tenant_metrics"):
            if getattr(self, name) and not self.frontend:
                raise InvalidRequest(name, "it goes with a front end")
        _check_named_once(self.vips, self.is_distributor)

    def completed(self, before: "DesiredState") -> "DesiredState":
        """This state with what it keeps of the one in force, written out.

        :raises InvalidRequest: it keeps a peer that is not there.
        """
        if self.keeps_speakers:
            return replace(
                self,
                speakers=before.speakers,
                driver=before.driver,
                keeps_speakers=False,
            )
        kept = frozenset(self.kept_peer_ids)
        return replace(
            self,
            speakers=keeping_peers(self.speakers, before.speakers, kept),
            kept_peer_ids=(),
        )

    def peers(self) -> tuple[tuple[Speaker, Peer], ...]:
        """Each (speaker, peer) of the amphora."""
        return tuple(
            (speaker, peer)
            for speaker in self.speakers
            for peer in speaker.peers
        )


class VipPeers:
    """The peers that each VIP is announced to; for thousands of VIPs.

    Those named, else those whose session has the VIP's IP version, else all:
    a fabric may carry both families over one session (RFC 4760).

    :param pairs: each (speaker, peer) of the amphora
    """

    def __init__(self, pairs: Sequence[tuple[Speaker, Peer]]) -> None:
        self._pairs = pairs
        # Found once for the VIPs of one kind.
        self._found: dict[object, tuple[Peer, ...]] = {}

    def of(self, vip: VipState) -> tuple[Peer, ...]:
        """The peers of one VIP."""
        key = vip.peer_ids, vip.vip_ip.version
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._find(vip)
        return found

    def _find(self, vip: VipState) -> tuple[Peer, ...]:
        pairs, version = self._pairs, vip.vip_ip.version
        if vip.peer_ids is not None:
            return tuple(peer for _, peer in pairs if peer.id in vip.peer_ids)
        same = tuple(p for s, p in pairs if s.ip_version == version)
        return same or tuple(peer for _, peer in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What one probe saw, and since when its verdict is this one (UTC)."""

    probe: Probe
    verdict: ProbeVerdict
    value: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the health gate says, why, and since when (UTC).

    ``evidence``: each probe that was looked at, in the order of
    :class:`Probe`.
    """

    state: GateState
    reason: str
    since: datetime
    evidence: tuple[ProbeReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """One BGP session.

    ``error``: what the BGP daemon said last about a session that is not
    Established, in its own words; empty if it said nothing.
    ``ip_versions``: of the address families that an Established session
    carries; None: not known. ``bfd``: the state of the BFD session beside it,
    in the daemon's word; None: there is to be none, or it is not known.
    """

    peer_id: str
    peer_ip: IPAddress
    state: SessionState
    since: datetime | None
    error: str = ""
    ip_versions: tuple[int, ...] | None = field(
        default=None, metadata=ABSENT_IF_DEFAULT
    )
    bfd: str | None = field(default=None, metadata=ABSENT_IF_DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """One path towards one peer."""

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_id: str
    state: PathState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCounts:
    """Paths of a distributor towards one peer: wanted, and sent."""

    peer_id: str
    wanted: int
    advertised: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """CPU time since boot, of all CPUs together; both only grow."""

    busy_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LvsReport:
    """What an amphora has for UDP and SCTP listeners, and what arrives there.

    ``lack``: what it lacks for them, as a sentence; empty: nothing.
    ``associations``: the established SCTP associations.
    ``quiet_seconds``: for how long no packet of such a listener has come or
    gone, at least. Both are None where there is no such listener, or where
    the kernel does not tell.
    """

    lack: str = ""
    associations: int | None = None
    quiet_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReport:
    """Whether a gateway of the front end answers an ICMP echo request.

    ``answers_full``: one as large as the front-end interface can send.
    """

    gateway: IPAddress
    answers: bool
    answers_full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReport:
    """What the amphora itself is like, for those who look for faults.

    ``clock``: its time of now. ``image``: which image it was booted from, as
    the image says; empty: it does not. ``frontend_mtu``: of the interface, by
    the kernel; None: it is not there. ``gateways``: as asked last.
    ``accepted``: beginning of a period of ``ACCEPTED_SECONDS`` (Unix time, as
    text) -> TCP connections that HAProxy's namespace accepted in it, of the
    last whole periods. ``ttl_drops``: segments that the kernel dropped in
    these periods because of their TTL (RFC 5082); None: not known.
    """

    clock: datetime
    image: str = ""
    frontend_mtu: int | None = None
    gateways: tuple[GatewayReport, ...] = ()
    accepted: dict[str, int] = field(default_factory=dict)
    ttl_drops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is: the answer to ``GET /1.0/anycast``.

    ``digest`` is :func:`~octavia_anycast.model.codec.digest` of the desired
    state in force, empty before the first; ``revision``, ``listeners`` and
    ``lvs_listener_ids`` are that state's. ``speakers_digest`` is
    :func:`~octavia_anycast.model.codec.speakers_digest` of the speakers in
    force; ``are_speakers_loaded``: the BGP daemon works with them, so that
    ``sessions`` and ``paths`` are theirs. ``peer_digests``: peer_id ->
    :func:`~octavia_anycast.model.codec.peer_digests`, for each peer in force;
    ``driver`` is theirs. ``refusal``: why the BGP daemon refused the speakers
    that ``refused_digest`` names; both are empty again as soon as speakers
    are taken. ``connections``: VIP as text ->
    established TCP connections, counted when asked. A distributor's paths
    are counted only (``path_counts``), there are thousands. ``cpu`` None:
    its kernel does not tell. ``flow_rescue``, ``lvs`` and ``machine`` None:
    the agent does not know them. ``knows_tenant_metrics``: it can be told
    :class:`TenantMetrics`. ``report_digest`` is
    :func:`~octavia_anycast.model.codec.report_digest` of it. Heartbeats bear
    it as long as the agent would say the same; empty: they bear none.
    """

    amphora_id: str
    digest: str
    revision: str
    gate: GateReport
    speaker_is_running: bool
    frontend_is_up: bool
    listeners: tuple[ListenerSocket, ...] = ()
    lvs_listener_ids: tuple[str, ...] = ()
    sessions: tuple[SessionReport, ...] = ()
    paths: tuple[PathReport, ...] = ()
    connections: dict[str, int] = field(default_factory=dict)
    speakers_digest: str = ""
    are_speakers_loaded: bool = False
    peer_digests: dict[str, str] = field(default_factory=dict)
    driver: SpeakerDriver | None = None
    refusal: str = ""
    refused_digest: str = ""
    path_counts: tuple[PathCounts, ...] = ()
    cpu: CpuTime | None = None
    flow_rescue: FlowRescueReport | None = field(
        default=None, metadata=ABSENT_IF_DEFAULT
    )
    lvs: LvsReport | None = field(default=None, metadata=ABSENT_IF_DEFAULT)
    machine: MachineReport | None = field(
        default=None, metadata=ABSENT_IF_DEFAULT
    )
    knows_tenant_metrics: bool = field(
        default=False, metadata=ABSENT_IF_DEFAULT
    )
    report_digest: str = field(default="", metadata=ABSENT_IF_DEFAULT)
    version: str = WIRE_VERSION

    def is_announcing(self, vip_ip: IPAddress) -> bool:
        """Whether some peer holds our path for this VIP."""
        return vip_ip in self.announced()

    def announced(self) -> frozenset[IPAddress]:
        """The VIPs of which some peer holds our path."""
        return frozenset(
            path.vip_ip for path in self.paths if path.state in HELD
        )


class AgentCall(StrEnum):
    """What can be asked of a dedicated distributor's agent."""

    LIST_VIPS = "list_vips"
    REGISTER_VIP = "register_vip"
    UNREGISTER_VIP = "unregister_vip"
    LIST_AMPHORAE = "list_amphorae"
    REGISTER_AMPHORA = "register_amphora"
    UNREGISTER_AMPHORA = "unregister_amphora"
    DRAIN_AMPHORA = "drain_amphora"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBody:
    """An empty object, or no body at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVip:
    """Where packets to an external VIP go; ``peer_ids`` null: every peer."""

    nexthop_ip: IPAddress
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraPath:
    """A VIP and where its packets go: an amphora's front-end address."""

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAmphora:
    """All paths of an amphora; those that it had before are replaced."""

    paths: tuple[AmphoraPath, ...]
    load_balancer_id: str | None = None

    def __post_init__(self) -> None:
        if not self.paths:
            raise InvalidRequest("paths", "there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAmphora:
    """An amphora of the desired state; it drains if all its paths do."""

    amphora_id: str
    load_balancer_id: str | None
    is_draining: bool
    paths: tuple[AmphoraPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VipList:
    """The answer to ``GET /1.0/anycast/vips``."""

    vips: tuple[AmphoraPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraList:
    """The answer to ``GET /1.0/anycast/amphorae``."""

    amphorae: tuple[ListedAmphora, ...]
