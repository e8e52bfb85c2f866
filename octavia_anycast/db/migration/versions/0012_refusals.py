# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Refusals: the configurations and objects that amphorae refused."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_cluster", sa.Column("refusals", sa.Text(), nullable=True)
    )
    for name, width in (("refused_revision", 64), ("refusal", 255)):
        op.add_column(
            "anycast_amphora",
            sa.Column(
                name,
                sa.String(length=width),
                nullable=False,
                server_default="",
            ),
        )
    op.add_column(
        "anycast_amphora",
        sa.Column("refused_at", UtcDateTime(), nullable=True),
    )
    op.add_column(
        "anycast_amphora",
        sa.Column(
            "refusal_count", sa.Integer(), nullable=False, server_default="0"
        ),
    )
    op.add_column(
        "anycast_amphora",
        sa.Column(
            "refuses_anything",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
