# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue of a cluster, and drains that finish connections."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_cluster",
        sa.Column(
            "flow_rescue",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
        ),
    )
    op.add_column(
        "anycast_amphora",
        sa.Column("finishing_since", UtcDateTime(), nullable=True),
    )
