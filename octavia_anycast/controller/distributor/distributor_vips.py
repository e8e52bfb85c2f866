# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tasks on the external VIPs of a distributor (blueprint: Register VIP).

They write the rows that the API writes; the distributor's own amphorae
follow by their next reconcile.

Layer: controller.
"""

from typing import Any

from oslo_log import log as logging
from taskflow.types.failure import Failure

from octavia_anycast.controller.distributor.distributor_tasks import (
    DistributorTask,
)
from octavia_anycast.db.distributor import external_vips
from octavia_anycast.db.registration import registering
from octavia_anycast.model.errors import AnycastError, NotFound
from octavia_anycast.model.registration import ExternalVip

LOG = logging.getLogger(__name__)


class RegisterVip(DistributorTask):
    """Have a distributor announce an external VIP."""

    def execute(self, distributor_id: str, external_vip: ExternalVip) -> str:
        """Register it; returns its id.

        :raises AnycastError: what the API refuses is refused here, too.
        """
        with self._world.database.transaction() as session:
            made = registering.register_vip(
                session,
                self._world.vip_holders,
                distributor_id,
                external_vip,
            )
        return made.vip.id

    def revert(self, result: Any, distributor_id: str, **_: Any) -> None:
        """Unregister it, if it was registered here."""
        if isinstance(result, Failure):
            return
        try:
            with self._world.database.transaction() as session:
                external_vips.unregister(session, distributor_id, result)
        except AnycastError as e:
            LOG.warning("External VIP %s is left behind: %s", result, e)


class UnregisterVip(DistributorTask):
    """Have a distributor announce an external VIP no longer."""

    def execute(self, distributor_id: str, external_vip: ExternalVip) -> None:
        """Unregister it; one that is gone is unregistered already."""
        try:
            with self._world.database.transaction() as session:
                external_vips.unregister(
                    session, distributor_id, external_vip.id
                )
        except NotFound as e:
            LOG.debug("%s", e)
