# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables (design, section 4), each name prefixed ``anycast_``.

The names behind the prefix and the columns are the blueprint's; the prefix
lets Octavia's own database hold them (ADR 0001). No foreign key leads into
a table of Octavia: its housekeeping deletes rows on its own.

An attribute of a row has the name of the model's field, so that
:mod:`octavia_anycast.db.mapping` can copy one to the other. Where the column
is named differently, its name is the first argument of ``mapped_column``.
"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedColumn,
    mapped_column,
    relationship,
)

from octavia_anycast.db.columns import (
    UUID_LENGTH,
    Address,
    Document,
    LargeDocument,
    ReportDocument,
    StoredString,
    StoredText,
    Strings,
    TrueOrNull,
    UtcDateTime,
    autoscale,
    failures,
    listener_counts,
    refusals,
    told,
    words,
)
from octavia_anycast.model.autoscale import Autoscale
from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    IPAddress,
    PeeringNetwork,
    SpeakerDriver,
)
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraStatus,
    ServiceType,
)
from octavia_anycast.model.distributor import DistributorType
from octavia_anycast.model.fleet.change import ChangeKind, ChangeState
from octavia_anycast.model.monitoring.event import CAUSE_LENGTH, Told
from octavia_anycast.model.wire import Report

REASON_LENGTH = 1024
REQUEST_ID_LENGTH = 64  # "req-" and a UUID
MYSQL_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
# Constraints have names, so that a later migration can drop them. MariaDB
# allows 64 characters: the long tables name theirs themselves.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def utcnow() -> datetime:
    """The time of a row; nothing is decided by it."""
    return datetime.now(UTC)


def new_id() -> str:
    """Make an identifier as Octavia does."""
    return str(uuid.uuid4())


Uuid = Annotated[str, UUID_LENGTH]
NewUuid = Annotated[
    str, mapped_column(String(UUID_LENGTH), primary_key=True, default=new_id)
]
KeyUuid = Annotated[str, mapped_column(String(UUID_LENGTH), primary_key=True)]
IndexedUuid = Annotated[str, mapped_column(String(UUID_LENGTH), index=True)]
Status = Annotated[str, 16]
Digest = Annotated[str, 64]
LongText = Annotated[str, 65535]
BigInt = Annotated[int, 8]


def _added_text(length: int = 255) -> MappedColumn[Any]:
    """A text that rows of an older release lack: it is empty there."""
    return mapped_column(StoredString(length), default="", server_default="")


def _added_count() -> MappedColumn[Any]:
    return mapped_column(default=0, server_default="0")


def _added_big_count() -> MappedColumn[Any]:
    return mapped_column(BigInteger, default=0, server_default="0")


def _added_flag(*, index: bool = False) -> MappedColumn[Any]:
    return mapped_column(default=False, server_default=false(), index=index)


class Base(DeclarativeBase):
    """What each table has."""

    metadata = MetaData(naming_convention=NAMING)
    # Names may hold any Unicode, whatever the database's own default is.
    __table_args__: Any = MYSQL_OPTIONS
    type_annotation_map: ClassVar[Any] = {
        str: StoredString(255),
        Uuid: String(UUID_LENGTH),
        Status: String(16),
        Digest: String(64),
        LongText: StoredText,
        BigInt: BigInteger,
        Asn: BigInteger,
        datetime: UtcDateTime,
        IPAddress: Address,
        tuple[str, ...]: Strings,
        AmphoraStatus: words(AmphoraStatus, 36),
        AuthType: words(AuthType, 16),
        ChangeKind: words(ChangeKind, 16),
        ChangeState: words(ChangeState, 16),
        DistributorType: words(DistributorType, 36),
        PeeringNetwork: words(PeeringNetwork, 16),
        ServiceType: words(ServiceType, 16),
        SpeakerDriver: words(SpeakerDriver, 36),
    }
    # What a row is called in the error that says that there is none.
    NOUN: ClassVar[str] = "Row"

    created_at: Mapped[datetime] = mapped_column(default=utcnow, sort_order=90)
    updated_at: Mapped[datetime | None] = mapped_column(
        onupdate=utcnow, sort_order=91
    )


class Distributor(Base):
    """How clusters meet the fabric."""

    __tablename__ = "anycast_distributor"
    NOUN = "Distributor"

    id: Mapped[NewUuid]
    name: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    distributor_type: Mapped[DistributorType]
    provisioning_status: Mapped[Status]
    operating_status: Mapped[Status]
    is_enabled: Mapped[bool] = mapped_column("enabled")
    # Two API processes cannot both make a default distributor.
    is_default: Mapped[bool] = mapped_column(
        TrueOrNull, unique=True, nullable=True
    )
    # Why it is in ERROR or not quite ONLINE; empty if all is well.
    status_reason: Mapped[str] = _added_text(REASON_LENGTH)
    # How many amphorae it has that only speak BGP.
    dedicated_count: Mapped[int] = _added_count()
    # See db/epochs.py.
    epoch: Mapped[BigInt] = _added_big_count()
    turn: Mapped[BigInt] = _added_big_count()
    # Counts the changes of its external VIPs and registrations.
    vips_revision: Mapped[int] = _added_count()
    # What fails just now with amphorae of its own.
    failures: Mapped[tuple[ActionFailure, ...]] = mapped_column(
        Document(failures), nullable=True
    )
    # Its deletion failed, so it is in ERROR; the work on it goes on.
    deletion_wanted: Mapped[bool] = _added_flag()
    # Whether a deletion also deletes the peers that no other speaker uses.
    delete_peers: Mapped[bool] = _added_flag()

    speakers: Mapped[list["Speaker"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="Speaker.ip_version",
    )
    zones: Mapped[list["Zone"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="Zone.position"
    )


def _distributor_key(name: str, *, index: bool = False) -> MappedColumn[Any]:
    return mapped_column(
        ForeignKey("anycast_distributor.id", name=name), index=index
    )


class ExternalVip(Base):
    """A host route that the distributor's own amphorae announce.

    Its next hop is no amphora. Several next hops of one VIP would be as many
    rows.
    """

    __tablename__ = "anycast_distributor_external_vip"
    __table_args__ = (
        UniqueConstraint(
            "distributor_id",
            "vip_ip",
            "nexthop_ip",
            name="uq_anycast_external_vip_distributor_vip_nexthop",
        ),
        MYSQL_OPTIONS,
    )
    NOUN = "External VIP"

    id: Mapped[NewUuid]
    distributor_id: Mapped[Uuid] = _distributor_key(
        "fk_anycast_external_vip_distributor"
    )
    vip_ip: Mapped[IPAddress] = mapped_column(index=True)
    nexthop_ip: Mapped[IPAddress]
    peer_id: Mapped[Uuid | None]
    since_revision: Mapped[int]


class RegisteredAmphorae(Base):
    """Amphorae of a load balancer that a distributor's own announce too.

    ``amphora_id`` NULL: all of them. The code checks under the distributor's
    lock that no two overlap: a unique key takes no NULL for equal to another.
    """

    __tablename__ = "anycast_distributor_amphora_registration"
    NOUN = "Amphora registration"

    id: Mapped[NewUuid]
    distributor_id: Mapped[Uuid] = _distributor_key(
        "fk_anycast_amphora_registration_distributor"
    )
    load_balancer_id: Mapped[IndexedUuid]
    amphora_id: Mapped[IndexedUuid | None]
    peer_id: Mapped[Uuid | None]
    drain_wanted_since: Mapped[datetime | None]
    drain_deadline: Mapped[datetime | None]


class Speaker(Base):
    """A BGP speaker of a distributor."""

    __tablename__ = "anycast_distributor_l3_bgp_speaker"
    __table_args__ = (
        UniqueConstraint(
            "distributor_id",
            "ip_version",
            name="uq_anycast_speaker_distributor_ip_version",
        ),
        MYSQL_OPTIONS,
    )
    NOUN = "BGP speaker"

    id: Mapped[NewUuid]
    distributor_id: Mapped[Uuid] = _distributor_key(
        "fk_anycast_speaker_distributor"
    )
    ip_version: Mapped[int]
    local_as: Mapped[Asn]
    driver: Mapped[SpeakerDriver]

    registrations: Mapped[list["PeerRegistration"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="PeerRegistration.position",
    )


class Peer(Base):
    """A neighbour of amphorae; its password is encrypted."""

    __tablename__ = "anycast_distributor_l3_bgp_peer"
    NOUN = "BGP peer"

    id: Mapped[NewUuid]
    name: Mapped[str] = mapped_column(default="")
    peer_ip: Mapped[IPAddress]
    remote_as: Mapped[Asn]
    auth_type: Mapped[AuthType | None]
    password: Mapped[str | None] = mapped_column(String(512))
    peer_port: Mapped[int] = mapped_column(default=179, server_default="179")
    ttl_hops: Mapped[int | None]
    hold_time: Mapped[int]
    keepalive_interval: Mapped[int | None]
    bfd_min_tx_ms: Mapped[int | None]
    bfd_min_rx_ms: Mapped[int | None]
    bfd_multiplier: Mapped[int | None]
    peering_network: Mapped[PeeringNetwork]
    availability_zone: Mapped[str | None]
    compute_host: Mapped[str | None]
    max_prefixes: Mapped[int | None]
    communities: Mapped[tuple[str, ...]]
    as_path_prepend: Mapped[int]
    med: Mapped[BigInt | None]
    local_pref: Mapped[BigInt | None]


class PeerRegistration(Base):
    """A peer of a speaker; ``position`` keeps the user's order.

    A peer may be registered with any number of speakers.
    """

    __tablename__ = "anycast_distributor_l3_bgp_peer_registration"

    speaker_id: Mapped[KeyUuid] = mapped_column(
        ForeignKey(
            "anycast_distributor_l3_bgp_speaker.id",
            name="fk_anycast_peer_registration_speaker",
        )
    )
    peer_id: Mapped[KeyUuid] = mapped_column(
        ForeignKey(
            "anycast_distributor_l3_bgp_peer.id",
            name="fk_anycast_peer_registration_peer",
        )
    )
    position: Mapped[int] = mapped_column(default=0)

    # Peers are shared: they outlive their registrations.
    peer: Mapped[Peer] = relationship(lazy="selectin")


class Zone(Base):
    """One front-end subnet of one zone; NULL where nothing is pinned."""

    __tablename__ = "anycast_distributor_zone"

    id: Mapped[NewUuid]
    distributor_id: Mapped[Uuid] = _distributor_key(
        "fk_anycast_zone_distributor", index=True
    )
    availability_zone: Mapped[str | None]
    frontend_network_id: Mapped[Uuid | None]
    frontend_subnet_id: Mapped[Uuid | None]
    position: Mapped[int] = mapped_column(default=0)


class Cluster(Base):
    """1:1 with a load balancer of Octavia."""

    __tablename__ = "anycast_cluster"
    NOUN = "Cluster"

    load_balancer_id: Mapped[KeyUuid]
    project_id: Mapped[Uuid]
    distributor_id: Mapped[Uuid] = _distributor_key(
        "fk_anycast_cluster_distributor", index=True
    )
    frontend_network_id: Mapped[Uuid | None]
    frontend_subnet_id: Mapped[Uuid | None]
    size_desired: Mapped[int] = mapped_column("desired_size")
    size_minimum: Mapped[int] = mapped_column("min_size")
    size_maximum: Mapped[int] = mapped_column("max_size")
    cooldown_seconds: Mapped[int] = mapped_column("cooldown")
    provisioning_status: Mapped[Status]
    operating_status: Mapped[Status]
    is_enabled: Mapped[bool] = mapped_column("enabled")
    cluster_type: Mapped[Uuid]
    config_revision: Mapped[Digest]
    failover_generation: Mapped[int]
    reason: Mapped[LongText]
    spare_count: Mapped[int] = _added_count()
    flow_rescue: Mapped[bool] = mapped_column(
        default=True, server_default=true()
    )
    # None: its user says its size.
    autoscale: Mapped[Autoscale | None] = mapped_column(Document(autoscale))
    # id -> sentence, of the objects that amphorae refused
    refusals: Mapped[dict[str, str]] = mapped_column(
        Document(refusals), nullable=True
    )
    scaled_at: Mapped[datetime | None]
    scaling_reason: Mapped[str] = _added_text()
    changed_at: Mapped[datetime | None]
    failures: Mapped[tuple[ActionFailure, ...]] = mapped_column(
        Document(failures), nullable=True
    )
    pending_since: Mapped[datetime | None]
    is_deletion_wanted: Mapped[bool] = mapped_column(
        "deletion_wanted", default=False, server_default=false()
    )
    # Of the last API request that is not carried out yet; empty: none.
    request_id: Mapped[str] = _added_text(REQUEST_ID_LENGTH)
    told: Mapped[Told] = mapped_column(Document(told), nullable=True)
    # See db/epochs.py.
    epoch: Mapped[BigInt] = _added_big_count()
    turn: Mapped[BigInt] = _added_big_count()


class Turn(Base):
    """A row to be written by whoever needs to be alone; see db/epochs.py."""

    __tablename__ = "anycast_turn"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    turn: Mapped[BigInt] = _added_big_count()


class ReplacementClaim(Base):
    """A load balancer that waits for the limit of replacements."""

    # The model's ReplacementClaim explains the fields.

    __tablename__ = "anycast_replacement_claim"

    load_balancer_id: Mapped[KeyUuid]
    wanted: Mapped[int]
    serving: Mapped[int]
    size: Mapped[int]
    since: Mapped[datetime]
    asked_at: Mapped[datetime]


class Amphora(Base):
    """An amphora of ours; Octavia's own amphora table does not know it."""

    # The model's AmphoraRecord explains the fields.

    __tablename__ = "anycast_amphora"
    NOUN = "Amphora"

    id: Mapped[NewUuid]
    # NULL for an amphora of a dedicated distributor.
    load_balancer_id: Mapped[IndexedUuid | None]
    # Of a dedicated amphora only.
    distributor_id: Mapped[IndexedUuid | None]
    service_type: Mapped[ServiceType]
    compute_id: Mapped[str | None]
    compute_host: Mapped[str | None]
    availability_zone: Mapped[str | None]
    lb_network_ip: Mapped[IPAddress | None]
    status: Mapped[AmphoraStatus] = mapped_column(index=True)
    status_since: Mapped[datetime]
    # When it went to ERROR; stays when it is deleted: the back-off counts it.
    failed_at: Mapped[datetime | None]
    # It failed as the compute service refused it,
    is_refused: Mapped[bool] = mapped_column(TrueOrNull, nullable=True)
    # and not for want of room.
    is_invalid: Mapped[bool] = mapped_column(TrueOrNull, nullable=True)
    generation: Mapped[int]
    cert_expiration: Mapped[datetime | None]
    frontend_ip: Mapped[IPAddress | None]
    frontend_subnet_id: Mapped[Uuid | None]
    frontend_port_id: Mapped[Uuid | None]
    frontend_interface: Mapped[Status | None]
    frontend_id: Mapped[int | None]
    frontend_priority: Mapped[int | None]
    frontend_mac_address: Mapped[str | None] = mapped_column(String(17))
    frontend_mtu: Mapped[int | None]
    member_network_ids: Mapped[tuple[str, ...]]
    peer_amphora_ids: Mapped[tuple[str, ...]] = mapped_column(nullable=True)
    applied_revision: Mapped[Digest]
    refused_revision: Mapped[str] = _added_text(64)
    refused_at: Mapped[datetime | None]
    refusal: Mapped[str] = _added_text()
    refusal_count: Mapped[int] = _added_count()
    partial_revision: Mapped[str] = _added_text(64)
    unread: Mapped[str] = _added_text()
    unread_listener_ids: Mapped[tuple[str, ...]] = mapped_column(nullable=True)
    lacking_listener_ids: Mapped[tuple[str, ...]] = mapped_column(
        nullable=True
    )
    refuses_anything: Mapped[bool] = _added_flag()
    applied_at: Mapped[datetime | None]
    leaving_since: Mapped[datetime | None]
    speakers_changed_at: Mapped[datetime | None]
    reason: Mapped[LongText]
    failover_wanted: Mapped[bool] = _added_flag()
    agent_update_wanted: Mapped[bool] = _added_flag()
    spare_since: Mapped[datetime | None]
    is_replacing: Mapped[bool] = _added_flag(index=True)
    drain_wanted_since: Mapped[datetime | None]
    drain_deadline: Mapped[datetime | None]
    draining_since: Mapped[datetime | None]
    drained_at: Mapped[datetime | None]
    finishing_since: Mapped[datetime | None]
    # The zone drain that asked for its drain; NULL: an operator, or nobody.
    zone_drain_id: Mapped[Uuid | None] = mapped_column(index=True)
    stand_in_wanted: Mapped[bool] = _added_flag()
    # What the revision of the fleet was when it was booted.
    fleet_revision: Mapped[int] = _added_count()
    image_id: Mapped[str | None]
    # The fleet change that has it replaced.
    fleet_change_id: Mapped[Uuid | None] = mapped_column(index=True)
    mute_since: Mapped[datetime | None]
    stale_since: Mapped[datetime | None]
    # What events told of it, by subject.
    told: Mapped[Told] = mapped_column(Document(told), nullable=True)

    addresses: Mapped[list["FrontendAddress"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="FrontendAddress.position",
    )

    @hybrid_property
    def is_deleted(self) -> bool:
        """Whether it is DELETED; of the class, the condition in SQL."""
        return self.status == AmphoraStatus.DELETED

    @hybrid_property
    def is_allocated(self) -> bool:
        """Whether it is ALLOCATED; of the class, the condition in SQL."""
        return self.status == AmphoraStatus.ALLOCATED


class FrontendAddress(Base):
    """An address of the front-end interface; the first is the primary."""

    __tablename__ = "anycast_amphora_frontend_address"

    amphora_id: Mapped[KeyUuid] = mapped_column(
        ForeignKey("anycast_amphora.id", name="fk_anycast_address_amphora")
    )
    position: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False
    )
    ip_address: Mapped[IPAddress]
    prefix_length: Mapped[int]
    gateway: Mapped[IPAddress | None]
    subnet_id: Mapped[Uuid | None]


class AmphoraHealth(Base):
    """When an amphora was last heard of, and when its heartbeat was counted.

    ``last_update`` may also be the time of an answer of its agent.
    """

    __tablename__ = "anycast_amphora_health"

    amphora_id: Mapped[KeyUuid]
    last_update: Mapped[datetime]
    counted_at: Mapped[datetime | None]
    busy: Mapped[bool] = mapped_column(default=False)


class AmphoraReport(Base):
    """The last answer of an amphora's agent, without its listeners.

    The counts are of its BGP sessions, for sums over many amphorae.
    """

    __tablename__ = "anycast_amphora_report"

    amphora_id: Mapped[KeyUuid]
    reported_at: Mapped[datetime]
    session_count: Mapped[int]
    established_count: Mapped[int]
    # None: of another version of the agent contract.
    report: Mapped[Report | None] = mapped_column(
        "document", ReportDocument, nullable=False
    )


class AmphoraListenerStatistics(Base):
    """What one amphora counted for one listener, summed over heartbeats."""

    __tablename__ = "anycast_amphora_listener_statistics"

    amphora_id: Mapped[KeyUuid]
    listener_id: Mapped[KeyUuid]
    bytes_in: Mapped[BigInt]
    bytes_out: Mapped[BigInt]
    active_connections: Mapped[int]
    total_connections: Mapped[BigInt]
    request_errors: Mapped[BigInt]
    failed_requests: Mapped[BigInt | None]


class AmphoraRegistration(Base):
    """An amphora that serves a load balancer behind a distributor."""

    __tablename__ = "anycast_amphora_registration"

    amphora_id: Mapped[KeyUuid]
    load_balancer_id: Mapped[KeyUuid]
    distributor_id: Mapped[IndexedUuid]


class SpeakerRegistration(Base):
    """A speaker that runs in an amphora."""

    __tablename__ = "anycast_distributor_l3_amphora_bgp_speaker_registration"

    speaker_id: Mapped[KeyUuid]
    amphora_id: Mapped[KeyUuid]


class VipRegistration(Base):
    """A VIP that the speaker of an amphora announces.

    ``load_balancer_id`` NULL: an external VIP. ``peer_id`` NULL: all peers.
    """

    __tablename__ = "anycast_distributor_l3_amphora_vip_registration"

    id: Mapped[NewUuid]
    amphora_id: Mapped[IndexedUuid]
    load_balancer_id: Mapped[Uuid | None]
    vip_ip: Mapped[IPAddress]
    nexthop_ip: Mapped[IPAddress]
    peer_id: Mapped[Uuid | None]


class Event(Base):
    """Something that happened; rows stay when what they name is deleted.

    ``kind`` is a plain text, so that an older release reads what a newer one
    wrote.
    """

    __tablename__ = "anycast_event"
    __table_args__ = (
        Index(
            "ix_anycast_event_load_balancer", "load_balancer_id", "created_at"
        ),
        Index("ix_anycast_event_distributor", "distributor_id", "created_at"),
        Index("ix_anycast_event_created_at", "created_at"),
        MYSQL_OPTIONS,
    )
    NOUN = "Event"

    id: Mapped[NewUuid]
    kind: Mapped[str] = mapped_column(String(36))
    load_balancer_id: Mapped[Uuid | None]
    distributor_id: Mapped[Uuid]
    project_id: Mapped[Uuid | None]
    amphora_id: Mapped[Uuid | None]
    availability_zone: Mapped[str | None]
    peer_id: Mapped[Uuid | None]
    peer_ip: Mapped[IPAddress | None]
    from_state: Mapped[str] = mapped_column(String(36))
    to_state: Mapped[str] = mapped_column(String(36))
    cause: Mapped[str] = mapped_column(StoredString(CAUSE_LENGTH))
    change_count: Mapped[int]


class ZoneDrain(Base):
    """A place of which all amphorae are drained for a time (ADR 0163).

    Rows of those that have ended stay until they are purged.
    """

    __tablename__ = "anycast_zone_drain"
    NOUN = "Zone drain"

    id: Mapped[NewUuid]
    availability_zone: Mapped[str | None]
    compute_host: Mapped[str | None]
    peer_id: Mapped[Uuid | None]
    reason: Mapped[str]
    expires_at: Mapped[datetime]
    timeout: Mapped[int | None]
    revision: Mapped[int]
    boot_elsewhere: Mapped[bool]
    is_forced: Mapped[bool] = mapped_column("forced")
    marked_at: Mapped[datetime | None]
    end_wanted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    end_reason: Mapped[str]
    told: Mapped[Status]  # the state that an event told of last
    turn: Mapped[BigInt] = mapped_column(default=0)  # see db/epochs.py


class FleetChangeRow(Base):
    """Many amphorae that are replaced, a few of them first (ADR 0164)."""

    __tablename__ = "anycast_fleet_change"
    NOUN = "Fleet change"

    id: Mapped[NewUuid]
    kind: Mapped[ChangeKind]
    compute_host: Mapped[str | None]
    canaries: Mapped[int]
    parallel: Mapped[int]
    soak: Mapped[int]
    state: Mapped[ChangeState] = mapped_column(index=True)
    reason: Mapped[LongText]
    canary_ids: Mapped[tuple[str, ...]]
    is_proven: Mapped[bool] = mapped_column("proven")
    baselines: Mapped[Any] = mapped_column(
        LargeDocument(listener_counts), nullable=True
    )
    offsets: Mapped[Any] = mapped_column(
        LargeDocument(listener_counts), nullable=True
    )
    revision: Mapped[int]
    watched_revision: Mapped[int]
    stopped_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    told: Mapped[Status]  # the state that an event told of last


class FleetRevision(Base):
    """How often something was asked of the whole fleet; one row.

    Each request raises it in its transaction, so that of two at the same time
    the second one sees what the first one asked for, or fails.
    """

    __tablename__ = "anycast_fleet_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
