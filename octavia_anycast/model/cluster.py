# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster: N amphorae that serve one load balancer at the same time.

What is wanted (:class:`DesiredCluster`), what is recorded
(:class:`AmphoraRecord`) and what is seen (:class:`ObservedCluster`).
Times are aware datetimes in UTC, durations seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from octavia_anycast.model.autoscale import Autoscale, MeasuredLoad
from octavia_anycast.model.bgp import (
    IPAddress,
    check_fields,
    check_range,
    within,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.monitoring.event import Told
from octavia_anycast.model.wire import (
    Frontend,
    GateSettings,
    ListenerSocket,
    Report,
)

CLUSTER_SIZE_MAX = 64  # what common ToR silicon holds in one ECMP group
SPARE_COUNT_MAX = 2
COOLDOWN_MAX_SECONDS = 86_400


class ServiceType(StrEnum):
    """What an amphora does (blueprint: service_type)."""

    LOADBALANCER = "loadbalancer"
    DISTRIBUTOR = "distributor"
    COMBINED = "combined"


class AmphoraStatus(StrEnum):
    """Octavia's amphora statuses, as far as they occur here."""

    BOOTING = "BOOTING"
    ALLOCATED = "ALLOCATED"
    PENDING_DELETE = "PENDING_DELETE"
    DELETED = "DELETED"
    ERROR = "ERROR"


class ComputeState(StrEnum):
    """What the compute service says of a server; UNKNOWN: it did not."""

    BUILDING = "BUILDING"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"  # it has no power; somebody may start it again
    ERROR = "ERROR"
    GONE = "GONE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the compute service says of a server.

    ``fault``: why it was not built. ``image_id``: what it was booted from.
    """

    state: ComputeState
    address: IPAddress | None = None
    host: str | None = None
    fault: str = ""
    image_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDrive:
    """Path in the amphora -> contents, which hold secrets."""

    files: dict[str, str] = field(repr=False)
    cert_expiration: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSize:
    """How many amphorae: wanted, at least for service, at most."""

    desired: int
    minimum: int = 1
    maximum: int = CLUSTER_SIZE_MAX

    def __post_init__(self) -> None:
        if not 1 <= self.desired <= CLUSTER_SIZE_MAX:
            raise InvalidRequest(
                "cluster_size",
                f"{self.desired} is not in 1..{CLUSTER_SIZE_MAX}",
            )
        if not 1 <= self.minimum <= self.desired:
            raise InvalidRequest(
                "cluster_min_size",
                f"{self.minimum} is not in 1..{self.desired}, the cluster "
                "size",
            )
        if not self.desired <= self.maximum <= CLUSTER_SIZE_MAX:
            raise InvalidRequest(
                "cluster_max_size",
                f"{self.maximum} is not in {self.desired}..{CLUSTER_SIZE_MAX}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecord:
    """Our row beside Octavia's load balancer (1:1).

    ``failover_generation`` counts the failovers asked for: an amphora of an
    older generation is to be replaced. ``is_enabled``: the cluster manager
    looks after it. ``scaled_at``: when its wanted size last changed, and
    ``scaling_reason`` why; empty: its user asked for it. ``changed_at``:
    when its user last changed any of it, or the sweep or the doctor asked for
    a look at it.
    ``flow_rescue``: its amphorae hand
    packets of each other's connections to their owner. ``failures``: what
    does not work just now. ``refusals``: id -> sentence, of objects below
    the load balancer that amphorae refused. ``pending_since``: when the load
    balancer was first seen in the PENDING_* that it is in, or was in before
    ERROR.
    ``is_deletion_wanted``: its deletion failed, so it is in ERROR; the work
    on it goes on. ``request_id``: the last API request that asked for what
    is under way; empty: nobody asked, or it is carried out. ``told``: what
    events told of it. ``epoch``: counts the plans that were begun.
    """

    load_balancer_id: str
    project_id: str
    distributor_id: str
    size: ClusterSize
    is_enabled: bool = True
    frontend_network_id: str | None = None
    frontend_subnet_id: str | None = None
    failover_generation: int = 0
    provisioning_status: str = "PENDING_CREATE"
    operating_status: str = "OFFLINE"
    reason: str = ""
    config_revision: str = ""
    cooldown_seconds: int = 0
    cluster_type: str = "ACTIVE_ACTIVE"
    spare_count: int = within(0, SPARE_COUNT_MAX, default=0)
    flow_rescue: bool = True
    refusals: Mapping[str, str] = field(default_factory=dict)
    autoscale: Autoscale | None = None
    scaled_at: datetime | None = None
    scaling_reason: str = ""
    changed_at: datetime | None = None
    created_at: datetime | None = None
    failures: tuple["ActionFailure", ...] = ()
    pending_since: datetime | None = None
    is_deletion_wanted: bool = False
    request_id: str = ""
    told: Told = field(default=None, hash=False, repr=False)
    epoch: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_range("cooldown", self.cooldown_seconds, 0, COOLDOWN_MAX_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraRecord:
    """Our row of an amphora.

    ``distributor_id``: the distributor whose own it is, serving no load
    balancer; None for all others.
    ``peer_amphora_ids``: with whom HAProxy was told to share stick tables,
    itself too.
    ``applied_revision``: the HAProxy configuration that the controller last
    pushed with success. ``refused_revision``: the one that it last refused,
    ``refusal_count`` times, at last with the sentence ``refusal``;
    ``refuses_anything``: even a configuration without any object.
    ``partial_revision``: the one that it was given but for what hangs on
    secrets that cannot be read (``unread``, a sentence): it serves the
    listeners ``unread_listener_ids`` as before, and those of them in
    ``lacking_listener_ids`` not at all.
    ``leaving_since``: when it was told to leave.
    ``status_since``: when ``status`` last changed. ``member_network_ids``:
    networks plugged for members, beside the front end.
    ``speakers_changed_at``: when it was given other BGP speakers while it
    announced; None again as soon as it announces with them.
    ``failover_wanted``: another one is to take its place.
    ``agent_update_wanted``: its agent is to be given its configuration again.
    ``spare_since``: when it became a spare, which is ready and does not
    announce; None: it is none. ``is_replacing``: it was booted in the place
    of another one and is not configured yet.
    ``drain_wanted_since``: when it was asked to be taken out of service, and
    ``drain_deadline``: until when it may drain, if it begins at once; None: it
    was not.
    ``draining_since``: when its agent was first told to drain, by wish or on
    its way out, ``drained_at``: when it was told to withdraw after that, and
    ``finishing_since``: when its HAProxy was asked to finish its connections.
    ``zone_drain_id``: the zone drain that asked for that; None: an operator
    did, of this one alone. ``stand_in_wanted``: another one is to boot and
    serve before it drains, and to stay until it is back.
    ``mute_since``: since when its agent does not answer the controller;
    None: it does. ``stale_since``: since when others hold the current
    configuration and it holds an older one. ``told``: what events told of it.
    """

    id: str
    load_balancer_id: str | None
    status: AmphoraStatus
    status_since: datetime
    distributor_id: str | None = None
    generation: int = 0
    service_type: ServiceType = ServiceType.COMBINED
    availability_zone: str | None = None
    compute_host: str | None = None
    compute_id: str | None = None
    lb_network_ip: IPAddress | None = None
    cert_expiration: datetime | None = None
    frontend: Frontend | None = None
    frontend_port_id: str | None = None
    frontend_interface: str | None = None
    member_network_ids: tuple[str, ...] = ()
    applied_revision: str = ""
    refused_revision: str = ""
    refused_at: datetime | None = None
    refusal: str = ""
    refusal_count: int = 0
    refuses_anything: bool = False
    partial_revision: str = ""
    unread: str = ""
    unread_listener_ids: tuple[str, ...] = ()
    lacking_listener_ids: tuple[str, ...] = ()
    peer_amphora_ids: tuple[str, ...] = ()
    applied_at: datetime | None = None
    leaving_since: datetime | None = None
    speakers_changed_at: datetime | None = None
    reason: str = ""
    failover_wanted: bool = False
    agent_update_wanted: bool = False
    spare_since: datetime | None = None
    is_replacing: bool = False
    drain_wanted_since: datetime | None = None
    drain_deadline: datetime | None = None
    draining_since: datetime | None = None
    drained_at: datetime | None = None
    finishing_since: datetime | None = None
    zone_drain_id: str | None = None
    stand_in_wanted: bool = False
    image_id: str | None = None
    fleet_change_id: str | None = None
    mute_since: datetime | None = None
    stale_since: datetime | None = None
    told: Told = field(default=None, hash=False, repr=False)

    @property
    def was_configured(self) -> bool:
        """Whether it was ever given a configuration, if only in part."""
        return bool(self.applied_revision or self.partial_revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vip:
    """A VIP address of the load balancer; the first one is primary."""

    ip_address: IPAddress
    network_id: str | None
    subnet_id: str | None
    port_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPolicy:
    """Times and limits that the planner works by; seconds.

    :param boot_timeout: an amphora that is not reachable by then has failed
    :param dead_after: neither heartbeat nor agent for so long: it is dead;
        no agent for so long, and an old configuration: it is replaced
    :param gate_timeout: gate not UP for so long while others are: failed;
        an agent that does not answer, or does not take the configuration
        that others have, for so long: replaced
    :param drain_timeout: how long a leaving amphora drains at most
    :param withdraw_linger: between the withdrawal and the deletion
    :param backoff_base: wait before the boot after a failed one; doubles
    :param backoff_max: the longest such wait
    :param failure_memory: failures older than this do not count
    :param peer_group_size: so many amphorae share their stick tables; 0: none
    :param session_patience: a BGP session that is not up for so long is
        taken to stay so
    :param replacement_limit: how many replacements may be under way in the
        whole cloud
    """

    boot_timeout: float = 600.0
    dead_after: float = 15.0
    gate_timeout: float = 60.0
    drain_timeout: float = 300.0
    withdraw_linger: float = 2.0
    backoff_base: float = 5.0
    backoff_max: float = 300.0
    failure_memory: float = 1800.0
    session_patience: float = 60.0
    peer_group_size: int = 8
    replacement_limit: int = 10
    gate: GateSettings = field(default_factory=GateSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What is wanted of amphorae, whomever they announce.

    ``revision`` names all that they are to serve. ``is_managed``: they are
    booted and dismissed; ``is_new``: the first of them are to boot.
    ``is_autoscaled``: it was not its user who last changed the size;
    ``grown_by``: by so many autoscaling has made it larger in this look.
    ``avoided_zones``: nothing boots there, unless there is no other zone.
    """

    distributor: Distributor
    revision: str
    load_balancer_id: str | None = None
    is_deleted: bool = False
    vips: tuple[Vip, ...] = ()
    lvs_listener_ids: tuple[str, ...] = ()
    failover_generation: int = 0
    is_managed: bool = True
    is_new: bool = False
    scaled_at: datetime | None = None
    is_autoscaled: bool = False
    grown_by: int = 0
    avoided_zones: frozenset[str] = frozenset()
    policy: ClusterPolicy = field(default_factory=ClusterPolicy)

    @property
    def wanted(self) -> int:
        """How many are to announce."""
        raise NotImplementedError

    @property
    def total(self) -> int:
        """How many there are to be, spares included."""
        return self.wanted

    @property
    def minimum(self) -> int:
        """How many others announce the same, at least, when one goes."""
        return 1

    @property
    def replaced_by(self) -> int:
        """How many others are ready, at least, when a silent one goes."""
        return 0

    @property
    def drain_seconds(self) -> float:
        """How long one drains that leaves."""
        return self.policy.drain_timeout

    @property
    def withdraw_patience(self) -> float:
        """Seconds until one is deleted that does not withdraw."""
        return float("inf")

    @property
    def should_announce(self) -> bool:
        """Whether anything of theirs belongs into the fabric at all."""
        return bool(self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredCluster(Desired):
    """All that one load balancer asks for, from Octavia's rows and ours.

    ``revision`` names the configuration of the whole tree. ``listeners`` are
    the sockets of the enabled TCP-based listeners on every VIP,
    ``lvs_listener_ids`` the enabled UDP and SCTP listeners; without any of
    either there is nothing to announce for. ``refusals``: a sentence for each
    object that amphorae refused and that is left out of the configuration.
    ``rescue_secrets``: of flow rescue, the one to send first; empty: it is
    off. ``metrics_authority``: who signs amphorae's certificates, in PEM;
    empty: there is no PROMETHEUS listener.
    """

    load_balancer_id: str
    is_enabled: bool
    listeners: tuple[ListenerSocket, ...]
    member_network_ids: tuple[str, ...]
    size: ClusterSize
    frontend_network_id: str | None = None
    frontend_subnet_id: str | None = None
    spare_count: int = 0
    cooldown_seconds: int = 0
    autoscale: Autoscale | None = None
    has_stick_tables: bool = False
    refusals: tuple[str, ...] = ()
    rescue_secrets: tuple[str, ...] = field(default=(), repr=False)
    metrics_authority: str = field(default="", repr=False)

    @property
    def wanted(self) -> int:
        """As many as the cluster's size says."""
        return 0 if self.is_deleted else self.size.desired

    @property
    def total(self) -> int:
        """Those, and the spares."""
        return self.wanted + self.spare_count

    @property
    def minimum(self) -> int:
        """The cluster's min_size."""
        return self.size.minimum

    @property
    def should_announce(self) -> bool:
        """Whether the VIPs belong into the fabric at all.

        A disabled distributor takes no new load balancers; those that it has
        go on.
        """
        return (
            self.is_enabled
            and not self.is_deleted
            and bool(self.listeners or self.lvs_listener_ids)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAmphora:
    """One amphora as recorded and as seen just now.

    ``compute_fault``: why the compute service did not build its server.
    ``report`` None: the agent did not answer (``report_error`` says how).
    ``is_agent_mute``: the agent did not answer, and the report, if there is
    one, is of speakerd itself, which can be told a state but no HAProxy
    configuration. ``is_not_yet_valid``: because its certificate is of a time
    to come, by this controller's clock.
    ``heartbeat_trouble``: why its heartbeats do not arrive, as a sentence;
    empty: they do. ``silent_seconds``: since it was last heard of, by
    heartbeat or answer; None: never.
    """

    record: AmphoraRecord
    compute_state: ComputeState = ComputeState.UNKNOWN
    compute_address: IPAddress | None = None
    compute_host: str | None = None
    compute_fault: str = ""
    compute_image_id: str | None = None
    report: Report | None = None
    report_error: str = ""
    is_agent_mute: bool = False
    is_not_yet_valid: bool = False
    heartbeat_trouble: str = ""
    silent_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFailure:
    """A boot that failed; ``has_run``: its server ran, so it had room.

    Or that of another one did, booted between this failure and the next.
    ``is_refused``: the compute service said no, so the next one will fail,
    too, unless something changes. ``is_invalid``: and not for want of room,
    but for what it was asked for, such as an image that is gone.
    ``availability_zone``: where it was; None: in the anonymous zone.
    """

    at: datetime
    reason: str = ""
    availability_zone: str | None = None
    has_run: bool = True
    is_refused: bool = False
    is_invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailure:
    """An action that fails, since when, and why.

    :param action: its name, as in :mod:`octavia_anycast.model.actions`
    :param amphora_id: empty if it concerns the load balancer as a whole
    :param since: when it failed first; it has not worked since then
    :param is_refused: trying again fails, unless something changes
    :param is_aside: the change goes into force without it
    """

    action: str
    reason: str
    since: datetime
    amphora_id: str = ""
    is_refused: bool = False
    is_aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementClaim:
    """A load balancer that waits for the limit of replacements.

    ``wanted``: how many it would boot now, were there room. ``serving`` of
    ``size`` amphorae serve it. ``since``: from when on it waits; ``asked_at``:
    when it was last looked at. A claim that is not asked for again is void.
    """

    load_balancer_id: str
    wanted: int
    serving: int
    size: int
    since: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedCluster:
    """A cluster as seen.

    ``recent_failures`` are failed boots, oldest first,
    ``replacements_under_way`` those of the whole cloud, ``claims`` who waits
    for these to end, this cluster with them, ``prepared_revision``
    that for which the VIP's ports and security group were last brought up to
    date. ``failures`` are those of the actions of the last round. ``load``:
    what was measured of it; None: the cluster is not autoscaled.
    """

    amphorae: tuple[ObservedAmphora, ...] = ()
    recent_failures: tuple[BootFailure, ...] = ()
    replacements_under_way: int = 0
    claims: tuple[ReplacementClaim, ...] = ()
    prepared_revision: str = ""
    failures: tuple[ActionFailure, ...] = ()
    load: MeasuredLoad | None = None


TIMEOUT_MAX_SECONDS = 86_400
# So long an amphora takes to be told, and to have its paths yield (ADR 0169):
# one that withdraws sooner loses what routers further off still send to it.
LEAST_DRAIN_SECONDS = 2.0


class DrainState(StrEnum):
    """Where the drain of an amphora stands."""

    NONE = "NONE"
    PENDING = "PENDING"  # asked for, and not begun
    DRAINING = "DRAINING"  # announced with GRACEFUL_SHUTDOWN (RFC 8326)
    DRAINED = "DRAINED"  # withdrawn; what arrives is still served


class DrainMark(StrEnum):
    """What telling an agent its state is in a drain; it is recorded."""

    BEGUN = "begun"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A drain that was asked for, by wish or because the amphora leaves.

    ``deadline``: it withdraws then, whatever connections are left; never
    sooner than LEAST_DRAIN_SECONDS after ``since``.
    """

    since: datetime
    deadline: datetime
    state: DrainState


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOptions:
    """How to drain; ``timeout`` in seconds, None: as the settings say."""

    timeout: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None:
            check_range("timeout", self.timeout, 0, TIMEOUT_MAX_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainLimits:
    """What the settings say of drains, and of who goes on; seconds.

    :param drain_timeout: how long one drains if it is not said
    :param stale_after: after it an amphora's report says nothing any more
    :param silent_after: not heard of for so long, an amphora is silent
    """

    drain_timeout: float
    stale_after: float
    silent_after: float


def drain_of(record: AmphoraRecord, leaving_seconds: float) -> Drain | None:
    """The drain that an amphora is in; None: in none.

    :param leaving_seconds: how long one on its way out may drain; the
        deadline of an earlier wish does not hold it up
    """
    if record.leaving_since is not None:
        since = record.leaving_since
        asked = since + timedelta(seconds=leaving_seconds)
        deadline = drain_deadline(since, asked)
    elif record.drain_wanted_since is not None:
        since = record.drain_wanted_since
        deadline = record.drain_deadline or since
        begun = record.draining_since or since
        # It may have had to wait, and who asked may have another clock: its
        # time counts from its beginning.
        deadline = drain_deadline(begun, deadline + (begun - since))
    else:
        return None
    return Drain(since=since, deadline=deadline, state=_state(record))


def drain_deadline(since: datetime, asked: datetime) -> datetime:
    """When one withdraws that is to drain: as asked, but not at once."""
    return max(asked, since + timedelta(seconds=LEAST_DRAIN_SECONDS))


def _state(record: AmphoraRecord) -> DrainState:
    if record.drained_at is not None:
        return DrainState.DRAINED
    if record.draining_since is not None:
        return DrainState.DRAINING
    return DrainState.PENDING
