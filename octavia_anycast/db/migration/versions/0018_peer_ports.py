# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The TCP port that a BGP peer listens on."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    op.add_column(
        "anycast_distributor_l3_bgp_peer",
        sa.Column(
            "peer_port", sa.Integer(), nullable=False, server_default="179"
        ),
    )
