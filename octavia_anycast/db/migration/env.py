# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Run by alembic, on the connection that :mod:`db.schema` hands over."""

from alembic import context

from octavia_anycast.db import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.METADATA,
    version_table=schema.VERSION_TABLE,
    include_object=schema.is_ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
