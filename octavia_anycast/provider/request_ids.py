# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which API request changes a load balancer, recorded in its cluster's row.

The controller's log lines about the load balancer bear it. It serves people
who read logs: what goes wrong here never fails the request of a tenant.
"""

from collections.abc import Callable

from oslo_db.exception import DBError
from oslo_log import log as logging

from octavia_anycast import log_lines
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.octavia_adapter.load_balancer import parents

LOG = logging.getLogger(__name__)


class RequestRecorder:
    """Records the request that this thread answers; one UPDATE each."""

    def __init__(self, database: Callable[[], Database]) -> None:
        """Make it.

        :param database: makes or returns the database, at the first use
        """
        self._database = database

    def of(self, load_balancer_id: str) -> None:
        """Record that it changes a load balancer."""
        self._attempt(lambda: self._record(load_balancer_id))

    def below(self, kind: str, parent_id: str) -> None:
        """Record that it changes something below a parent; one query more.

        :param kind: of the parent, "listeners", "pools" or "l7policies"
        """
        self._attempt(lambda: self._record_below(kind, parent_id))

    def _record_below(self, kind: str, parent_id: str) -> None:
        found = parents.load_balancer_id_of(kind, parent_id)
        if found is not None:
            self._record(found)

    def _record(self, load_balancer_id: str) -> None:
        with self._database().transaction() as session:
            clusters.record_request(
                session, load_balancer_id, log_lines.request_id()
            )

    @staticmethod
    def _attempt(record: Callable[[], None]) -> None:
        try:
            record()
        except (AnycastError, DBError) as e:
            LOG.warning(
                "The id of this request is not recorded: the controller's "
                "log lines will not bear it. %s",
                str(e).partition("\n")[0],
            )
