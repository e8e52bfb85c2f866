# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables of clusters, amphorae and their registrations.

See :mod:`octavia_anycast.db.models` for the rules.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Integer,
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from octavia_anycast.db.columns import (
    UUID_LENGTH,
    Address,
    Failures,
    Strings,
    UtcDateTime,
)
from octavia_anycast.db.models import Base, new_id
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import ActionFailure

# "req-" and a UUID.
REQUEST_ID_LENGTH = 64


class Cluster(Base):
    """1:1 with a load balancer of Octavia."""

    __tablename__ = "anycast_cluster"

    load_balancer_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    project_id: Mapped[str] = mapped_column(String(UUID_LENGTH))
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey(
            "anycast_distributor.id", name="fk_anycast_cluster_distributor"
        ),
        index=True,
    )
    frontend_network_id: Mapped[str | None] = mapped_column(
        String(UUID_LENGTH)
    )
    frontend_subnet_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    desired_size: Mapped[int] = mapped_column(Integer)
    min_size: Mapped[int] = mapped_column(Integer)
    max_size: Mapped[int] = mapped_column(Integer)
    cooldown: Mapped[int] = mapped_column(Integer)
    provisioning_status: Mapped[str] = mapped_column(String(16))
    operating_status: Mapped[str] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(Boolean)
    cluster_type: Mapped[str] = mapped_column(String(36))
    config_revision: Mapped[str] = mapped_column(String(64))
    failover_generation: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    spare_count: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )
    # A JSON object; NULL: its size is what its user says.
    autoscale: Mapped[str | None] = mapped_column(Text)
    # A JSON object: id -> sentence, of the objects that amphorae refused.
    refusals: Mapped[str | None] = mapped_column(Text)
    scaled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    scaling_reason: Mapped[str] = mapped_column(
        String(255), default="", server_default=""
    )
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[tuple[ActionFailure, ...] | None] = mapped_column(
        Failures
    )
    pending_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deletion_wanted: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )
    # Of the last API request that is not carried out yet; empty: none.
    request_id: Mapped[str] = mapped_column(
        String(REQUEST_ID_LENGTH), default="", server_default=""
    )


class Amphora(Base):
    """An amphora of ours; Octavia's own amphora table does not know it."""

    __tablename__ = "anycast_amphora"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    # NULL for an amphora of a dedicated distributor.
    load_balancer_id: Mapped[str | None] = mapped_column(
        String(UUID_LENGTH), index=True
    )
    # Of a dedicated amphora only.
    distributor_id: Mapped[str | None] = mapped_column(
        String(UUID_LENGTH), index=True
    )
    service_type: Mapped[str] = mapped_column(String(16))
    compute_id: Mapped[str | None] = mapped_column(String(255))
    compute_host: Mapped[str | None] = mapped_column(String(255))
    availability_zone: Mapped[str | None] = mapped_column(String(255))
    lb_network_ip: Mapped[IPAddress | None] = mapped_column(Address)
    status: Mapped[str] = mapped_column(String(36), index=True)
    status_since: Mapped[datetime] = mapped_column(UtcDateTime)
    # When it went to ERROR; stays when it is deleted: the back-off counts it.
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The compute service said no; NULL: it did not fail, or not so.
    is_refused: Mapped[bool | None] = mapped_column(Boolean)
    # And not for want of room; NULL as above.
    is_invalid: Mapped[bool | None] = mapped_column(Boolean)
    generation: Mapped[int] = mapped_column(Integer)
    cert_expiration: Mapped[datetime | None] = mapped_column(UtcDateTime)
    frontend_ip: Mapped[IPAddress | None] = mapped_column(Address)
    frontend_subnet_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    frontend_port_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    frontend_interface: Mapped[str | None] = mapped_column(String(16))
    frontend_id: Mapped[int | None] = mapped_column(Integer)
    frontend_priority: Mapped[int | None] = mapped_column(Integer)
    frontend_mac_address: Mapped[str | None] = mapped_column(String(17))
    frontend_mtu: Mapped[int | None] = mapped_column(Integer)
    member_network_ids: Mapped[tuple[str, ...]] = mapped_column(Strings)
    peer_amphora_ids: Mapped[tuple[str, ...]] = mapped_column(
        Strings, nullable=True
    )
    applied_revision: Mapped[str] = mapped_column(String(64))
    # The configuration that it last refused, how often, and why.
    refused_revision: Mapped[str] = mapped_column(
        String(64), default="", server_default=""
    )
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = mapped_column(
        String(255), default="", server_default=""
    )
    refusal_count: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )
    # What it was given but for listeners whose secrets cannot be read.
    partial_revision: Mapped[str] = mapped_column(
        String(64), default="", server_default=""
    )
    unread: Mapped[str] = mapped_column(
        String(255), default="", server_default=""
    )
    unread_listener_ids: Mapped[tuple[str, ...]] = mapped_column(
        Strings, nullable=True
    )
    lacking_listener_ids: Mapped[tuple[str, ...]] = mapped_column(
        Strings, nullable=True
    )
    # Even a configuration without any object.
    refuses_anything: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leaving_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it got other speakers while it announced; NULL: it announces again.
    speakers_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    # Both are asked for through the API; the controller does them.
    failover_wanted: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )
    agent_update_wanted: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )
    # When it became a spare; NULL: it is none.
    spare_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Booted in the place of another one, and not configured yet.
    is_replacing: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false(), index=True
    )

    # Asked for through the API: out of service, but still there.
    drain_wanted_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drain_deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When its agent was told to drain, and to withdraw after that.
    draining_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drained_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Since when its agent does not answer; NULL: it does.
    mute_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Since when others hold the current configuration, and it does not.
    stale_since: Mapped[datetime | None] = mapped_column(UtcDateTime)

    addresses: Mapped[list["FrontendAddress"]] = relationship(
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="FrontendAddress.position",
    )


class FrontendAddress(Base):
    """An address of the front-end interface; the first is the primary."""

    __tablename__ = "anycast_amphora_frontend_address"

    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH),
        ForeignKey("anycast_amphora.id", name="fk_anycast_address_amphora"),
        primary_key=True,
    )
    position: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False
    )
    ip_address: Mapped[IPAddress] = mapped_column(Address)
    prefix_length: Mapped[int] = mapped_column(Integer)
    gateway: Mapped[IPAddress | None] = mapped_column(Address)
    subnet_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))


class AmphoraHealth(Base):
    """The last heartbeat of an amphora, and of it what was counted.

    ``last_update`` may also be an answer of its agent.
    """

    __tablename__ = "anycast_amphora_health"

    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    last_update: Mapped[datetime] = mapped_column(UtcDateTime)
    counted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    busy: Mapped[bool] = mapped_column(Boolean, default=False)


class AmphoraReport(Base):
    """The last answer of an amphora's agent, without its listeners.

    The counts are of its BGP sessions, for sums over many amphorae.
    """

    __tablename__ = "anycast_amphora_report"

    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    session_count: Mapped[int] = mapped_column(Integer)
    established_count: Mapped[int] = mapped_column(Integer)
    document: Mapped[str] = mapped_column(Text)


class AmphoraListenerStatistics(Base):
    """What one amphora counted for one listener, summed over heartbeats."""

    __tablename__ = "anycast_amphora_listener_statistics"

    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    listener_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    active_connections: Mapped[int] = mapped_column(Integer)
    total_connections: Mapped[int] = mapped_column(BigInteger)
    request_errors: Mapped[int] = mapped_column(BigInteger)


class AmphoraRegistration(Base):
    """An amphora that serves a load balancer behind a distributor."""

    __tablename__ = "anycast_amphora_registration"

    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    load_balancer_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    distributor_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), index=True
    )


class SpeakerRegistration(Base):
    """A speaker that runs in an amphora."""

    __tablename__ = "anycast_distributor_l3_amphora_bgp_speaker_registration"

    speaker_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )
    amphora_id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True
    )


class VipRegistration(Base):
    """A VIP that the speaker of an amphora announces.

    ``load_balancer_id`` NULL: an external VIP. ``peer_id`` NULL: all peers.
    """

    __tablename__ = "anycast_distributor_l3_amphora_vip_registration"

    id: Mapped[str] = mapped_column(
        String(UUID_LENGTH), primary_key=True, default=new_id
    )
    amphora_id: Mapped[str] = mapped_column(String(UUID_LENGTH), index=True)
    load_balancer_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
    vip_ip: Mapped[IPAddress] = mapped_column(Address)
    nexthop_ip: Mapped[IPAddress] = mapped_column(Address)
    peer_id: Mapped[str | None] = mapped_column(String(UUID_LENGTH))
