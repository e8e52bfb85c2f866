# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster manager: spares, scaling, and the brake on replacements."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
CLUSTER, AMPHORA = "anycast_cluster", "anycast_amphora"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        CLUSTER,
        sa.Column(
            "spare_count", sa.Integer(), server_default="0", nullable=False
        ),
    )
    op.add_column(CLUSTER, sa.Column("autoscale", sa.Text(), nullable=True))
    for name in ("scaled_at", "changed_at"):
        op.add_column(CLUSTER, sa.Column(name, UtcDateTime(), nullable=True))
    op.add_column(
        AMPHORA, sa.Column("spare_since", UtcDateTime(), nullable=True)
    )
    op.add_column(
        AMPHORA,
        sa.Column(
            "is_replacing",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
        ),
    )
    op.create_index(f"ix_{AMPHORA}_is_replacing", AMPHORA, ["is_replacing"])
    # It said what admin_state_up was; now it says who looks after it.
    op.execute(
        sa.table(CLUSTER, sa.column("enabled", sa.Boolean()))
        .update()
        .values(enabled=True)
    )
