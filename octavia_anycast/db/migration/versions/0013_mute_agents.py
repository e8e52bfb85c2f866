# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Since when an amphora's agent is mute, and its configuration is old."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0013"
down_revision = "0012"
COLUMNS = ("mute_since", "stale_since")


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    for name in COLUMNS:
        op.add_column(
            "anycast_amphora", sa.Column(name, UtcDateTime(), nullable=True)
        )
