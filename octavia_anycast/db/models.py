# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables (design, section 4), each name prefixed ``anycast_``.

The names behind the prefix and the columns are the blueprint's; the prefix
lets Octavia's own database hold them (ADR 0001). No foreign key leads into
a table of Octavia: its housekeeping deletes rows on its own.

The tables of distributors; those of clusters and amphorae are in
:mod:`octavia_anycast.db.cluster_models`.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from octavia_anycast.db.columns import (
    UUID_LENGTH,
    Address,
    Failures,
    Strings,
    UtcDateTime,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import ActionFailure

PREFIX = "anycast_"
REASON_LENGTH = 1024
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


class Base(DeclarativeBase):
    """What each table has."""

    metadata = MetaData(naming_convention=NAMING)
    # Names may hold any Unicode, whatever the database's own default is.
    __table_args__: Any = MYSQL_OPTIONS

    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utcnow, sort_order=90
    )
    updated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, onupdate=utcnow, sort_order=91
    )


class Distributor(Base):
    """How clusters meet the fabric."""

    __tablename__ = "anycast_distributor"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    name: Mapped[str] = mapped_column(String(255), default="")
    description: Mapped[str] = mapped_column(String(255), default="")
    distributor_type: Mapped[str] = mapped_column(String(36))
    provisioning_status: Mapped[str] = mapped_column(String(16))
    operating_status: Mapped[str] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(Boolean)
    # True or NULL: the unique key then allows one default and any number of
    # others, and two API processes cannot both win.
    is_default: Mapped[bool | None] = mapped_column(Boolean, unique=True)
    # Why it is in ERROR or not quite ONLINE; empty if all is well.
    status_reason: Mapped[str] = mapped_column(
        String(REASON_LENGTH), default="", server_default=""
    )
    # How many amphorae it has that only speak BGP.
    dedicated_count: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )
    # Counts the changes of its external VIPs.
    vips_revision: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )
    # What does not work just now with amphorae of its own.
    failures: Mapped[tuple[ActionFailure, ...] | None] = mapped_column(
        Failures
    )
    # Its deletion failed, so it is in ERROR; the work on it goes on.
    deletion_wanted: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )
    # What a deletion takes along: also the peers that nobody else uses.
    delete_peers: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )

    speakers: Mapped[list["Speaker"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="Speaker.ip_version",
    )
    zones: Mapped[list["Zone"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="Zone.position"
    )


class ExternalVip(Base):
    """A host route to what is no amphora; its distributor's own announce it.

    Several next hops of one VIP would be as many rows.
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

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor.id",
            name="fk_anycast_external_vip_distributor",
        ),
    )
    vip_ip: Mapped[IPAddress] = mapped_column(Address, index=True)
    nexthop_ip: Mapped[IPAddress] = mapped_column(Address)
    peer_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    since_revision: Mapped[int] = mapped_column(Integer)


class RegisteredAmphorae(Base):
    """Amphorae of a load balancer that a distributor's own announce too.

    ``amphora_id`` NULL: all of them. Which overlaps which is checked under
    the distributor's lock: to a unique key no NULL is like another.
    """

    __tablename__ = "anycast_distributor_amphora_registration"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor.id",
            name="fk_anycast_amphora_registration_distributor",
        ),
    )
    load_balancer_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), index=True
    )
    amphora_id: Mapped[str | None] = mapped_column(
        String(UUID_LENGTH), index=True
    )
    peer_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    drain_wanted_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drain_deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)


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

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor.id", name="fk_anycast_speaker_distributor"
        ),
    )
    ip_version: Mapped[int] = mapped_column(Integer)
    local_as: Mapped[int] = mapped_column(BigInteger)
    driver: Mapped[str] = mapped_column(String(36))

    registrations: Mapped[list["PeerRegistration"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="PeerRegistration.position",
    )


class Peer(Base):
    """A neighbour of amphorae; its password is encrypted."""

    __tablename__ = "anycast_distributor_l3_bgp_peer"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    name: Mapped[str] = mapped_column(String(255), default="")
    peer_ip: Mapped[IPAddress] = mapped_column(Address)
    remote_as: Mapped[int] = mapped_column(BigInteger)
    auth_type: Mapped[str | None] = mapped_column(String(16))
    password: Mapped[str | None] = mapped_column(String(512))
    ttl_hops: Mapped[int | None] = mapped_column(Integer)
    hold_time: Mapped[int] = mapped_column(Integer)
    keepalive_interval: Mapped[int | None] = mapped_column(Integer)
    bfd_min_tx_ms: Mapped[int | None] = mapped_column(Integer)
    bfd_min_rx_ms: Mapped[int | None] = mapped_column(Integer)
    bfd_multiplier: Mapped[int | None] = mapped_column(Integer)
    peering_network: Mapped[str] = mapped_column(String(16))
    availability_zone: Mapped[str | None] = mapped_column(String(255))
    compute_host: Mapped[str | None] = mapped_column(String(255))
    max_prefixes: Mapped[int | None] = mapped_column(Integer)
    communities: Mapped[tuple[str, ...]] = mapped_column(Strings)
    as_path_prepend: Mapped[int] = mapped_column(Integer)
    med: Mapped[int | None] = mapped_column(BigInteger)
    local_pref: Mapped[int | None] = mapped_column(BigInteger)


class PeerRegistration(Base):
    """A peer of a speaker; ``position`` keeps the user's order.

    A peer may be registered with any number of speakers.
    """

    __tablename__ = "anycast_distributor_l3_bgp_peer_registration"

    speaker_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor_l3_bgp_speaker.id",
            name="fk_anycast_peer_registration_speaker",
        ),
        primary_key=True,
    )
    peer_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor_l3_bgp_peer.id",
            name="fk_anycast_peer_registration_peer",
        ),
        primary_key=True,
    )
    position: Mapped[int] = mapped_column(Integer, default=0)

    # Peers are shared: they outlive their registrations.
    peer: Mapped[Peer] = relationship(lazy="selectin")


class Zone(Base):
    """One front-end subnet of one zone; NULLs where nothing is pinned."""

    __tablename__ = "anycast_distributor_zone"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor.id", name="fk_anycast_zone_distributor"
        ),
        index=True,
    )
    availability_zone: Mapped[str | None] = mapped_column(String(255))
    frontend_network_id: Mapped[str | None] = mapped_column(
        String(UUID_LENGTH)
    )
    frontend_subnet_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    position: Mapped[int] = mapped_column(Integer, default=0)
