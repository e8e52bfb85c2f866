# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Epochs: who works on a cluster or distributor, counted; and turns."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0023"
down_revision = "0022"
COUNTERS = ("epoch", "turn")


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    for table in ("anycast_cluster", "anycast_distributor"):
        for name in COUNTERS:
            op.add_column(table, _counter(name))
    op.create_table(
        "anycast_turn",
        sa.Column("name", sa.String(length=64), nullable=False),
        _counter("turn"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_anycast_turn")),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )


def _counter(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
