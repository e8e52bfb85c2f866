# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Notices clusters that their users changed: nothing else shows it.

A change of size does not lock the load balancer, so Octavia's row does not
become PENDING_UPDATE; ours says when it was changed.

Layer: controller.
"""

from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.db.cluster import clusters

MEMORY = timedelta(minutes=2)  # more than clocks of two machines differ


class ClusterWatch:
    """Remembers which changes it told of."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}

    def news(self, session: Any, now: datetime) -> list[str]:
        """The load balancers whose clusters were changed; one query."""
        changed = clusters.changed_since(session, now - MEMORY)
        news = [i for i, at in changed.items() if self._told.get(i) != at]
        self._told = changed
        return news
