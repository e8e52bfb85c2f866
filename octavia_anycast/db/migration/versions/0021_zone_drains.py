# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains, and the amphorae that they drain."""

import sqlalchemy as sa
from alembic import op

from octavia_anycast.db.columns import UtcDateTime

revision = "0021"
down_revision = "0020"
TABLE, REVISION = "anycast_zone_drain", "anycast_fleet_revision"
AMPHORA = "anycast_amphora"
OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Forward only: restore a backup to go back."""
    _add_tables()
    _mark_amphorae()


def _add_tables() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("compute_host", sa.String(length=255), nullable=True),
        sa.Column("peer_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("timeout", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("boot_elsewhere", sa.Boolean(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("marked_at", UtcDateTime(), nullable=True),
        sa.Column("end_wanted_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("end_reason", sa.String(length=255), nullable=False),
        sa.Column("told", sa.String(length=16), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        **OPTIONS,
    )
    op.create_index(op.f(f"ix_{TABLE}_ended_at"), TABLE, ["ended_at"])
    op.create_table(
        REVISION,
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{REVISION}")),
        **OPTIONS,
    )


def _mark_amphorae() -> None:
    op.add_column(
        AMPHORA,
        sa.Column("zone_drain_id", sa.String(length=36), nullable=True),
    )
    op.create_index(f"ix_{AMPHORA}_zone_drain_id", AMPHORA, ["zone_drain_id"])
    op.add_column(
        AMPHORA,
        sa.Column(
            "fleet_revision", sa.Integer(), nullable=False, server_default="0"
        ),
    )
    op.add_column(
        AMPHORA,
        sa.Column(
            "stand_in_wanted",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )


def _times() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
    )
