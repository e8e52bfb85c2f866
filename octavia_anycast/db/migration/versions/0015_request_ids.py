# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The API request that asked for what is done to a load balancer."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_cluster",
        sa.Column(
            "request_id",
            sa.String(length=64),
            nullable=False,
            server_default="",
        ),
    )
