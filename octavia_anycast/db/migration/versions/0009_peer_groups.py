# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Peer groups: with whom an amphora was told to share stick tables."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import Strings

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_amphora",
        sa.Column("peer_amphora_ids", Strings(), nullable=True),
    )
