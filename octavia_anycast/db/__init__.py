# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our tables: models, migrations and one module of functions per noun.

Layer: above planning, below controller, provider and API. Functions take a
session first and never commit: the caller owns the transaction. Rows never
leave this package; the frozen types of :mod:`octavia_anycast.model` do.
"""
