# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Why a distributor is in its status, and what its deletion takes along."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_distributor",
        sa.Column(
            "status_reason",
            sa.String(length=1024),
            nullable=False,
            server_default="",
        ),
    )
    op.add_column(
        "anycast_distributor",
        sa.Column(
            "delete_peers",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
