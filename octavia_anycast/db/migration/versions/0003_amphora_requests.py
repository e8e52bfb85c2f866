# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the API asks of single amphorae, and what each of them counted."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
TABLE = "anycast_amphora_listener_statistics"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        TABLE,
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("listener_id", sa.String(length=36), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("active_connections", sa.Integer(), nullable=False),
        sa.Column("total_connections", sa.BigInteger(), nullable=False),
        sa.Column("request_errors", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "amphora_id", "listener_id", name=op.f(f"pk_{TABLE}")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    for name in ("failover_wanted", "agent_update_wanted"):
        op.add_column(
            "anycast_amphora",
            sa.Column(
                name, sa.Boolean(), server_default=sa.false(), nullable=False
            ),
        )
