# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The purge: records of what is long gone.

Amphorae that were DELETED stay for ``amphora_expiry_age``: the back-off
counts their failures, and the sweep knows by them that a server is ours.
What other tables say of an amphora goes with it; should something have
written there after that, it goes now. Clusters are the sweep's business, as
there is more to remove with one than its row.

Layer: controller.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.ports import World
from octavia_anycast.db import housekeeping
from octavia_anycast.db.amphora import amphorae

LOG = logging.getLogger(__name__)
AMPHORAE = "anycast_amphora"


@dataclass(slots=True)
class Purge:
    """Finds old records and removes them; table -> rows."""

    world: World

    def find(self) -> dict[str, int]:
        """Count them; nothing is touched.

        :raises Retryable: the database does not answer.
        """
        with self.world.database.transaction() as session:
            return {
                AMPHORAE: housekeeping.count_deleted(session, self._limit),
                **housekeeping.count_ownerless(session),
            }

    def run(self) -> dict[str, int]:
        """Remove them.

        :raises Retryable: the database does not answer.
        """
        with self.world.database.transaction() as session:
            removed = {
                AMPHORAE: amphorae.purge(session, self._limit),
                **housekeeping.remove_ownerless(session),
            }
        for table, count in removed.items():
            if count:
                LOG.info("%d rows of %s were purged.", count, table)
        return removed

    @property
    def _limit(self) -> datetime:
        age = self.world.settings.amphora_expiry_age
        return self.world.now() - timedelta(seconds=age)
