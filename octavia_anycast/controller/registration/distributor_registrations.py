# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tasks on registrations of amphorae with a distributor's own.

Blueprint: Register, Unregister, Drain and List Amphora. They write the rows
that the API writes; the distributor's own amphorae follow by their next
reconcile.

Layer: controller.
"""

from typing import Any

from oslo_log import log as logging
from taskflow.types.failure import Failure

from octavia_anycast.controller.distributor.distributor_tasks import (
    DistributorTask,
)
from octavia_anycast.db.distributor import external_vips
from octavia_anycast.db.registration import (
    amphora_registrations,
    registering,
)
from octavia_anycast.model.errors import AnycastError, NotFound
from octavia_anycast.model.registration import AmphoraRegistration, ExternalVip

LOG = logging.getLogger(__name__)


class RegisterAmphora(DistributorTask):
    """Have a distributor's own amphorae announce others, too."""

    def execute(
        self, distributor_id: str, registration: AmphoraRegistration
    ) -> str:
        """Register it; returns its id.

        :raises AnycastError: what the API refuses is refused here, too.
        """
        with self._world.database.transaction() as session:
            made = registering.register_amphora(
                session,
                self._world.vip_holders,
                distributor_id,
                registration,
            )
        return made.registration.id

    def revert(self, result: Any, distributor_id: str, **_: Any) -> None:
        """Unregister it, if it was registered here."""
        if isinstance(result, Failure):
            return
        try:
            with self._world.database.transaction() as session:
                amphora_registrations.unregister(
                    session, distributor_id, result
                )
        except AnycastError as e:
            LOG.warning("Registration %s is left behind: %s", result, e)


class UnregisterAmphora(DistributorTask):
    """Have them announced by themselves only."""

    def execute(
        self, distributor_id: str, registration: AmphoraRegistration
    ) -> None:
        """Unregister it; one that is gone is unregistered already."""
        try:
            with self._world.database.transaction() as session:
                amphora_registrations.unregister(
                    session, distributor_id, registration.id
                )
        except NotFound as e:
            LOG.debug("%s", e)


class DrainAmphora(DistributorTask):
    """Drain the paths of a registration, and withdraw them in the end."""

    def execute(
        self, distributor_id: str, registration: AmphoraRegistration
    ) -> None:
        """Ask for it; idempotent.

        :raises NotFound: if there is no such registration.
        :raises Conflict: nobody else announces one of its VIPs.
        """
        with self._world.database.transaction() as session:
            registering.drain_amphora(
                session,
                distributor_id,
                registration.id,
                self._world.settings.registration_limits,
                self._world.now(),
            )

    def revert(
        self,
        result: Any,
        distributor_id: str,
        registration: AmphoraRegistration,
        **_: Any,
    ) -> None:
        """Have its paths announced again, unless it was not begun."""
        if isinstance(result, Failure):
            return
        try:
            with self._world.database.transaction() as session:
                amphora_registrations.set_drain(
                    session,
                    distributor_id,
                    registration.id,
                    since=registration.drain_wanted_since,
                    deadline=registration.drain_deadline,
                )
        except AnycastError as e:
            LOG.warning("Registration %s still drains: %s", registration.id, e)


class ListRegistrations(DistributorTask):
    """Say what is registered with a distributor."""

    default_provides = "registrations"

    def execute(self, distributor_id: str) -> tuple[AmphoraRegistration, ...]:
        """All of them, oldest first."""
        with self._world.database.transaction() as session:
            return amphora_registrations.of_distributor(
                session, distributor_id
            )


class ListVips(DistributorTask):
    """Say which external VIPs a distributor has."""

    default_provides = "external_vips"

    def execute(self, distributor_id: str) -> tuple[ExternalVip, ...]:
        """All of them, by address."""
        with self._world.database.transaction() as session:
            return external_vips.of_distributor(session, distributor_id)
