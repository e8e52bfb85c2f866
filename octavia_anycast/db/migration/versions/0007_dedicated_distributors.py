# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Dedicated distributors: amphorae of their own, and external VIPs."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import Address, UtcDateTime

revision = "0007"
down_revision = "0005"
DISTRIBUTOR, AMPHORA = "anycast_distributor", "anycast_amphora"
VIP = "anycast_distributor_external_vip"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    for name in ("dedicated_count", "vips_revision"):
        op.add_column(
            DISTRIBUTOR,
            sa.Column(name, sa.Integer(), server_default="0", nullable=False),
        )
    op.add_column(
        AMPHORA,
        sa.Column("distributor_id", sa.String(length=36), nullable=True),
    )
    op.create_index(
        f"ix_{AMPHORA}_distributor_id", AMPHORA, ["distributor_id"]
    )
    op.create_table(
        VIP,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("vip_ip", Address(), nullable=False),
        sa.Column("nexthop_ip", Address(), nullable=False),
        sa.Column("peer_id", sa.String(length=36), nullable=True),
        sa.Column("since_revision", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            [f"{DISTRIBUTOR}.id"],
            name="fk_anycast_external_vip_distributor",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{VIP}")),
        sa.UniqueConstraint(
            "distributor_id",
            "vip_ip",
            "nexthop_ip",
            name="uq_anycast_external_vip_distributor_vip_nexthop",
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f(f"ix_{VIP}_vip_ip"), VIP, ["vip_ip"])
