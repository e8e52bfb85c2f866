# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Neutron's API, which knows all of its tables before the first request.

SQLAlchemy completes them at the first query. Of two requests at the same time
the second one may meet half of them: it fails, or its list is empty.
"""

from neutron.wsgi.api import application
from sqlalchemy.orm import configure_mappers

configure_mappers()

__all__ = ("application",)
