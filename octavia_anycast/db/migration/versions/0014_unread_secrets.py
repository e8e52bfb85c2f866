# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Unread secrets: what an amphora was given without them."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import Strings

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    for name, width in (("partial_revision", 64), ("unread", 255)):
        op.add_column(
            "anycast_amphora",
            sa.Column(
                name,
                sa.String(length=width),
                nullable=False,
                server_default="",
            ),
        )
    for name in ("unread_listener_ids", "lacking_listener_ids"):
        op.add_column(
            "anycast_amphora", sa.Column(name, Strings(), nullable=True)
        )
