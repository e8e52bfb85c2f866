# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Boots that are refused for what they ask for, not for want of room."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_amphora", sa.Column("is_invalid", sa.Boolean(), nullable=True)
    )
