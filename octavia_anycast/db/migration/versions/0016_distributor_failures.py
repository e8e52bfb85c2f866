# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Actions on a distributor's own amphorae that fail."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    distributor = "anycast_distributor"
    op.add_column(distributor, sa.Column("failures", sa.Text(), nullable=True))
    op.add_column(
        distributor,
        sa.Column(
            "deletion_wanted",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
        ),
    )
