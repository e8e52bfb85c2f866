# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Claims: which load balancers wait for the limit of replacements."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.create_table(
        "anycast_replacement_claim",
        sa.Column("load_balancer_id", sa.String(length=36), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("serving", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint(
            "load_balancer_id", name=op.f("pk_anycast_replacement_claim")
        ),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
