# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the agents report; when an amphora was given other speakers."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        "anycast_amphora_report",
        sa.Column("amphora_id", sa.String(length=36), nullable=False),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.Column("session_count", sa.Integer(), nullable=False),
        sa.Column("established_count", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "amphora_id", name=op.f("pk_anycast_amphora_report")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.add_column(
        "anycast_amphora",
        sa.Column("speakers_changed_at", UtcDateTime(), nullable=True),
    )
