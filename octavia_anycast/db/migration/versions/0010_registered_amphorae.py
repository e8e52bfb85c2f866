# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae that are registered with a dedicated distributor."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0010"
down_revision = "0009"
DISTRIBUTOR = "anycast_distributor"
TABLE = "anycast_distributor_amphora_registration"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.Column("amphora_id", sa.String(length=36), nullable=True),
        sa.Column("peer_id", sa.String(length=36), nullable=True),
        sa.Column("drain_wanted_since", UtcDateTime(), nullable=True),
        sa.Column("drain_deadline", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            [f"{DISTRIBUTOR}.id"],
            name="fk_anycast_amphora_registration_distributor",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    for column in ("load_balancer_id", "amphora_id"):
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])
