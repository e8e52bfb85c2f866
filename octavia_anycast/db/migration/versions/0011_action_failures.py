# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Actions that fail, and since when a load balancer waits."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    cluster = "anycast_cluster"
    op.add_column(cluster, sa.Column("failures", sa.Text(), nullable=True))
    op.add_column(
        cluster, sa.Column("pending_since", UtcDateTime(), nullable=True)
    )
    op.add_column(
        cluster,
        sa.Column(
            "deletion_wanted",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
        ),
    )
    op.add_column(
        "anycast_amphora", sa.Column("is_refused", sa.Boolean(), nullable=True)
    )
