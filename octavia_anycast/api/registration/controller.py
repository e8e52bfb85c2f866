# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/amphorae``: amphorae that are registered.

A distributor's own amphorae announce them, beside what they announce
themselves. Nothing is sent from here: the controller acts upon the rows
(ADR 0086).
"""

from datetime import UTC, datetime
from typing import Any

from oslo_log import log as logging
from pecan import expose
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import listing, policies, resource
from octavia_anycast.api.drain.schema import options_from
from octavia_anycast.api.registration.schema import (
    REGISTRATION,
    registration_from,
    response_of,
)
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import (
    amphora_registrations,
    registering,
)
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.db.registration.registered_paths import (
    PathsOfDistributor,
)
from octavia_anycast.model.registration import RegistrationLimits

LOG = logging.getLogger(__name__)
DRAIN = "drain"


class _OfDistributor(resource.Collection):
    """What is below one distributor; made for a single request."""

    RBAC_TYPE = policies.RBAC_DISTRIBUTOR

    def __init__(
        self,
        database: Database,
        distributor_id: str,
        limits: RegistrationLimits,
    ) -> None:
        super().__init__(database)
        self._distributor_id = distributor_id
        self._limits = limits

    def _paths(self, session: Any) -> PathsOfDistributor:
        return PathsOfDistributor(
            session, self._distributor_id, self._limits, datetime.now(UTC)
        )

    def _shown(self, session: Any, record: RegistrationRecord) -> Any:
        paths = self._paths(session).of(record.registration)
        return response_of(record, paths)


class AmphoraRegistrationsController(_OfDistributor):
    """The registrations of amphorae with one distributor."""

    @resource.shows(REGISTRATION)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(policies.GET_AMPHORA, id)
        with self._transaction() as session:
            found = amphora_registrations.get(
                session, self._distributor_id, id
            )
            shown = self._shown(session, found)
        return self._one(REGISTRATION, shown, fields)

    @resource.lists(REGISTRATION)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(policies.GET_AMPHORAE)
        wanted = listing.requested()
        with self._transaction() as session:
            paths = self._paths(session)
            found = amphora_registrations.page(
                session, self._distributor_id, wanted
            )
            shown = [
                response_of(record, paths.of(record.registration))
                for record in found
            ]
        return self._list(REGISTRATION, shown, wanted, fields)

    @resource.takes(REGISTRATION, status=201)
    def post(self, amphora_: Any) -> Any:
        """Register one amphora of a load balancer, or all that it has."""
        self._authorize(policies.POST_AMPHORA)
        with self._transaction() as session:
            wanted = registration_from(amphora_)
            made = registering.register_amphora(
                session, self._vip_holders(), self._distributor_id, wanted
            )
            shown = self._shown(session, made)
        LOG.info(
            "Amphora %s of load balancer %s is registered with distributor %s",
            wanted.amphora_id or "(each)",
            wanted.load_balancer_id,
            self._distributor_id,
        )
        return REGISTRATION.one(shown)

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Unregister one."""
        self._authorize(policies.DELETE_AMPHORA, id)
        with self._transaction() as session:
            amphora_registrations.unregister(session, self._distributor_id, id)
        LOG.info(
            "Amphora registration %s of distributor %s is gone",
            id,
            self._distributor_id,
        )

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        if remainder and remainder[0] == DRAIN:
            below = RegistrationDrainController(
                self._database, self._distributor_id, self._limits, id
            )
            return below, remainder[1:]
        return None


class RegistrationDrainController(_OfDistributor):
    """The drain of one registration; made for a single request."""

    def __init__(
        self,
        database: Database,
        distributor_id: str,
        limits: RegistrationLimits,
        registration_id: str,
    ) -> None:
        super().__init__(database, distributor_id, limits)
        self._id = registration_id

    @resource.takes(REGISTRATION, status=202)
    def put(self, drain_: Any = None) -> Any:
        """Ask for it; idempotent. A timeout counts from the first."""
        self._authorize(policies.PUT_AMPHORA_DRAIN)
        with self._transaction() as session:
            options = options_from(drain_)
            record = registering.drain_amphora(
                session,
                self._distributor_id,
                self._id,
                self._limits,
                datetime.now(UTC),
                options.timeout,
            )
            shown = self._shown(session, record)
        LOG.info(
            "Amphora registration %s of distributor %s is to drain until %s",
            self._id,
            self._distributor_id,
            record.registration.drain_deadline,
        )
        return REGISTRATION.one(shown)

    @wsme_pecan.wsexpose(None, status_code=204)
    def delete(self) -> None:
        """Take it back: its paths are announced again."""
        self._authorize(policies.DELETE_AMPHORA_DRAIN)
        with self._transaction() as session:
            amphora_registrations.set_drain(
                session,
                self._distributor_id,
                self._id,
                since=None,
                deadline=None,
            )
        LOG.info(
            "Amphora registration %s of distributor %s is not to drain",
            self._id,
            self._distributor_id,
        )
