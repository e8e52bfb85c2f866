# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/amphorae``: amphorae that are registered.

A distributor's own amphorae announce them, beside what they announce
themselves. Nothing is sent from here: the controller acts upon the rows
(ADR 0086).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from octavia.common import constants, exceptions
from oslo_log import log as logging
from pecan import expose, request
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import listing, policies, resource
from octavia_anycast.api.drain.schema import options_from
from octavia_anycast.api.external_vip import prefix_limits
from octavia_anycast.api.registration import registered_paths
from octavia_anycast.api.registration.registered_paths import (
    PathsOfDistributor,
    RegistrationLimits,
)
from octavia_anycast.api.registration.schema import (
    REGISTRATION,
    registration_from,
    response_of,
)
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.registration import AmphoraRegistration

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
        context = request.context["octavia_context"]
        with self._transaction() as session:
            wanted = registration_from(amphora_)
            if not distributors.exists(session, self._distributor_id):
                raise NotFound("Distributor", self._distributor_id)
            self._check_load_balancer(session, wanted.load_balancer_id)
            _check_amphora(session, wanted)
            made = amphora_registrations.register(
                session, self._distributor_id, wanted
            )
            registered_paths.check_driver(session, self._distributor_id)
            prefix_limits.check_peers(
                session, context.session, self._distributor_id, wanted.peer_id
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

    def _check_load_balancer(self, session: Any, id: str) -> None:
        """See that it is there to stay, and ours."""
        context = request.context["octavia_context"]
        with context.session.begin():
            row = self._get_db_lb(context.session, id, show_deleted=False)
            status = row.provisioning_status
        if clusters.get(session, id) is None:
            raise Conflict(
                f"load_balancer_id: load balancer {id} belongs to another "
                "provider than anycast: its amphorae cannot be registered."
            )
        if status == constants.PENDING_DELETE:
            raise exceptions.LBPendingStateError(state=status, id=id)

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
        """Ask for it; twice is once. A timeout counts from the first."""
        self._authorize(policies.PUT_AMPHORA_DRAIN)
        now = datetime.now(UTC)
        with self._transaction() as session:
            options = options_from(drain_)
            lifecycle.locked(session, self._distributor_id)
            stored = amphora_registrations.get(
                session, self._distributor_id, self._id
            ).registration
            since, deadline = stored.drain_wanted_since, stored.drain_deadline
            if since is None:
                registered_paths.check_drain(
                    session, self._distributor_id, stored, self._limits, now
                )
                since = now
            if options.timeout is not None or deadline is None:
                seconds = (
                    self._limits.drain_timeout
                    if options.timeout is None
                    else options.timeout
                )
                deadline = since + timedelta(seconds=seconds)
            record = amphora_registrations.set_drain(
                session,
                self._distributor_id,
                self._id,
                since=since,
                deadline=deadline,
            )
            shown = self._shown(session, record)
        LOG.info(
            "Amphora registration %s of distributor %s is to drain until %s",
            self._id,
            self._distributor_id,
            deadline,
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


def _check_amphora(session: Any, wanted: AmphoraRegistration) -> None:
    if wanted.amphora_id is None:
        return
    record = amphorae.get(session, wanted.amphora_id)
    if record is None or record.status is AmphoraStatus.DELETED:
        raise NotFound("Amphora", wanted.amphora_id)
    if record.load_balancer_id != wanted.load_balancer_id:
        raise InvalidRequest(
            "amphora_id",
            f"amphora {record.id} is not one of load balancer "
            f"{wanted.load_balancer_id}",
        )
