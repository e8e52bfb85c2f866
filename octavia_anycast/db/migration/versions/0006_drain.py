# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Drain: amphorae that are out of service by wish, or on their way out."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0006"
down_revision = "0007"
COLUMNS = (
    "drain_wanted_since",
    "drain_deadline",
    "draining_since",
    "drained_at",
)


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    for name in COLUMNS:
        op.add_column(
            "anycast_amphora", sa.Column(name, UtcDateTime(), nullable=True)
        )
