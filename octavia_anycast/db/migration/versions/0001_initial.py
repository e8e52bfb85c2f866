# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import Address, Strings, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        "anycast_amphora",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=True),
        sa.Column("service_type", sa.String(length=16), nullable=False),
        sa.Column("compute_id", sa.String(length=255), nullable=True),
        sa.Column("compute_host", sa.String(length=255), nullable=True),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("lb_network_ip", Address(length=45), nullable=True),
        sa.Column("status", sa.String(length=36), nullable=False),
        sa.Column("status_since", UtcDateTime(), nullable=False),
        sa.Column("failed_at", UtcDateTime(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("cert_expiration", UtcDateTime(), nullable=True),
        sa.Column("frontend_ip", Address(length=45), nullable=True),
        sa.Column("frontend_subnet_id", sa.String(length=36), nullable=True),
        sa.Column("frontend_port_id", sa.String(length=36), nullable=True),
        sa.Column("frontend_interface", sa.String(length=16), nullable=True),
        sa.Column("frontend_id", sa.Integer(), nullable=True),
        sa.Column("frontend_priority", sa.Integer(), nullable=True),
        sa.Column("frontend_mac_address", sa.String(length=17), nullable=True),
        sa.Column("frontend_mtu", sa.Integer(), nullable=True),
        sa.Column("member_network_ids", Strings(), nullable=False),
        sa.Column("applied_revision", sa.String(length=64), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("leaving_since", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anycast_amphora")),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(
        op.f("ix_anycast_amphora_load_balancer_id"),
        "anycast_amphora",
        ["load_balancer_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_anycast_amphora_status"),
        "anycast_amphora",
        ["status"],
        unique=False,
    )
    op.create_table(
        "anycast_amphora_health",
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("last_update", UtcDateTime(), nullable=False),
        sa.Column("busy", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "amphora_id", name=op.f("pk_anycast_amphora_health")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_amphora_registration",
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "amphora_id",
            "load_balancer_id",
            name=op.f("pk_anycast_amphora_registration"),
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(
        op.f("ix_anycast_amphora_registration_distributor_id"),
        "anycast_amphora_registration",
        ["distributor_id"],
        unique=False,
    )
    op.create_table(
        "anycast_distributor",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("distributor_type", sa.String(length=36), nullable=False),
        sa.Column("provisioning_status", sa.String(length=16), nullable=False),
        sa.Column("operating_status", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anycast_distributor")),
        sa.UniqueConstraint(
            "is_default", name=op.f("uq_anycast_distributor_is_default")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_distributor_l3_amphora_bgp_speaker_registration",
        sa.Column("speaker_id", sa.String(length=36), nullable=False),
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "speaker_id",
            "amphora_id",
            name=op.f(
                "pk_anycast_distributor_l3_amphora_bgp_speaker_registration"
            ),
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_distributor_l3_amphora_vip_registration",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=True),
        sa.Column("vip_ip", Address(length=45), nullable=False),
        sa.Column("nexthop_ip", Address(length=45), nullable=False),
        sa.Column("peer_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "id",
            name=op.f("pk_anycast_distributor_l3_amphora_vip_registration"),
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(
        op.f("ix_anycast_distributor_l3_amphora_vip_registration_amphora_id"),
        "anycast_distributor_l3_amphora_vip_registration",
        ["amphora_id"],
        unique=False,
    )
    op.create_table(
        "anycast_distributor_l3_bgp_peer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("peer_ip", Address(length=45), nullable=False),
        sa.Column("remote_as", sa.BigInteger(), nullable=False),
        sa.Column("auth_type", sa.String(length=16), nullable=True),
        sa.Column("password", sa.String(length=512), nullable=True),
        sa.Column("ttl_hops", sa.Integer(), nullable=True),
        sa.Column("hold_time", sa.Integer(), nullable=False),
        sa.Column("keepalive_interval", sa.Integer(), nullable=True),
        sa.Column("bfd_min_tx_ms", sa.Integer(), nullable=True),
        sa.Column("bfd_min_rx_ms", sa.Integer(), nullable=True),
        sa.Column("bfd_multiplier", sa.Integer(), nullable=True),
        sa.Column("peering_network", sa.String(length=16), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("compute_host", sa.String(length=255), nullable=True),
        sa.Column("max_prefixes", sa.Integer(), nullable=True),
        sa.Column("communities", Strings(), nullable=False),
        sa.Column("as_path_prepend", sa.Integer(), nullable=False),
        sa.Column("med", sa.BigInteger(), nullable=True),
        sa.Column("local_pref", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "id", name=op.f("pk_anycast_distributor_l3_bgp_peer")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_amphora_frontend_address",
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column(
            "position", sa.Integer(), autoincrement=False, nullable=False
        ),
        sa.Column("ip_address", Address(length=45), nullable=False),
        sa.Column("prefix_length", sa.Integer(), nullable=False),
        sa.Column("gateway", Address(length=45), nullable=True),
        sa.Column("subnet_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["amphora_id"],
            ["anycast_amphora.id"],
            name="fk_anycast_address_amphora",
        ),
        sa.PrimaryKeyConstraint(
            "amphora_id",
            "position",
            name=op.f("pk_anycast_amphora_frontend_address"),
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_cluster",
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("frontend_network_id", sa.String(length=36), nullable=True),
        sa.Column("frontend_subnet_id", sa.String(length=36), nullable=True),
        sa.Column("desired_size", sa.Integer(), nullable=False),
        sa.Column("min_size", sa.Integer(), nullable=False),
        sa.Column("max_size", sa.Integer(), nullable=False),
        sa.Column("cooldown", sa.Integer(), nullable=False),
        sa.Column("provisioning_status", sa.String(length=16), nullable=False),
        sa.Column("operating_status", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("cluster_type", sa.String(length=36), nullable=False),
        sa.Column("config_revision", sa.String(length=64), nullable=False),
        sa.Column("failover_generation", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            ["anycast_distributor.id"],
            name="fk_anycast_cluster_distributor",
        ),
        sa.PrimaryKeyConstraint(
            "load_balancer_id", name=op.f("pk_anycast_cluster")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(
        op.f("ix_anycast_cluster_distributor_id"),
        "anycast_cluster",
        ["distributor_id"],
        unique=False,
    )
    op.create_table(
        "anycast_distributor_l3_bgp_speaker",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("ip_version", sa.Integer(), nullable=False),
        sa.Column("local_as", sa.BigInteger(), nullable=False),
        sa.Column("driver", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            ["anycast_distributor.id"],
            name="fk_anycast_speaker_distributor",
        ),
        sa.PrimaryKeyConstraint(
            "id", name=op.f("pk_anycast_distributor_l3_bgp_speaker")
        ),
        sa.UniqueConstraint(
            "distributor_id",
            "ip_version",
            name="uq_anycast_speaker_distributor_ip_version",
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "anycast_distributor_zone",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("frontend_network_id", sa.String(length=36), nullable=True),
        sa.Column("frontend_subnet_id", sa.String(length=36), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            ["anycast_distributor.id"],
            name="fk_anycast_zone_distributor",
        ),
        sa.PrimaryKeyConstraint(
            "id", name=op.f("pk_anycast_distributor_zone")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(
        op.f("ix_anycast_distributor_zone_distributor_id"),
        "anycast_distributor_zone",
        ["distributor_id"],
        unique=False,
    )
    op.create_table(
        "anycast_distributor_l3_bgp_peer_registration",
        sa.Column("speaker_id", sa.String(length=36), nullable=False),
        sa.Column("peer_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["peer_id"],
            ["anycast_distributor_l3_bgp_peer.id"],
            name="fk_anycast_peer_registration_peer",
        ),
        sa.ForeignKeyConstraint(
            ["speaker_id"],
            ["anycast_distributor_l3_bgp_speaker.id"],
            name="fk_anycast_peer_registration_speaker",
        ),
        sa.PrimaryKeyConstraint(
            "speaker_id",
            "peer_id",
            name=op.f("pk_anycast_distributor_l3_bgp_peer_registration"),
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
