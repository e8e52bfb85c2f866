# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fleet changes, and what amphorae were booted from."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import LargeDocument, UtcDateTime

revision = "0022"
down_revision = "0021"
TABLE, AMPHORA = "anycast_fleet_change", "anycast_amphora"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("compute_host", sa.String(length=255), nullable=True),
        sa.Column("canaries", sa.Integer(), nullable=False),
        sa.Column("parallel", sa.Integer(), nullable=False),
        sa.Column("soak", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("canary_ids", sa.Text(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("baselines", LargeDocument(), nullable=True),
        sa.Column("offsets", LargeDocument(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("watched_revision", sa.Integer(), nullable=False),
        *(
            sa.Column(name, UtcDateTime(), nullable=True)
            for name in ("stopped_at", "ended_at")
        ),
        sa.Column("told", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f(f"ix_{TABLE}_state"), TABLE, ["state"])
    op.add_column(
        AMPHORA, sa.Column("image_id", sa.String(length=255), nullable=True)
    )
    op.add_column(
        AMPHORA,
        sa.Column("fleet_change_id", sa.String(length=36), nullable=True),
    )
    op.create_index(
        f"ix_{AMPHORA}_fleet_change_id", AMPHORA, ["fleet_change_id"]
    )
