# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: why a cluster has its size, and when load was counted."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_cluster",
        sa.Column(
            "scaling_reason",
            sa.String(length=255),
            server_default="",
            nullable=False,
        ),
    )
    op.add_column(
        "anycast_amphora_health",
        sa.Column("counted_at", UtcDateTime(), nullable=True),
    )
