# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Failed requests of a listener on an amphora, as fleet changes compare."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

TABLE = "anycast_amphora_listener_statistics"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        TABLE, sa.Column("failed_requests", sa.BigInteger(), nullable=True)
    )
