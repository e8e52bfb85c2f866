# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events, and what they told of amphorae and clusters."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0020"
down_revision = "0019"
TABLE = "anycast_event"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=36), nullable=False),
        sa.Column("load_balancer_id", sa.String(length=36), nullable=True),
        sa.Column("distributor_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("amphora_id", sa.String(length=36), nullable=True),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("peer_id", sa.String(length=36), nullable=True),
        sa.Column("peer_ip", sa.String(length=45), nullable=True),
        sa.Column("from_state", sa.String(length=36), nullable=False),
        sa.Column("to_state", sa.String(length=36), nullable=False),
        sa.Column("cause", sa.String(length=1024), nullable=False),
        sa.Column("change_count", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    for name, columns in (
        ("load_balancer", ["load_balancer_id", "created_at"]),
        ("distributor", ["distributor_id", "created_at"]),
        ("created_at", ["created_at"]),
    ):
        op.create_index(f"ix_{TABLE}_{name}", TABLE, columns)
    for table in ("anycast_amphora", "anycast_cluster"):
        op.add_column(table, sa.Column("told", sa.Text(), nullable=True))
