# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors``; below one ``paths``, ``vips``, ``amphorae``.

What is asked for is stored with a status PENDING_*; the controller does it.
"""

from dataclasses import replace
from typing import Any

from octavia.common import constants, exceptions, validate
from oslo_log import log as logging
from oslo_utils import strutils
from pecan import expose
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import (
    faults,
    listing,
    policies,
    requests,
    resource,
)
from octavia_anycast.api.distributor.schema import DISTRIBUTOR
from octavia_anycast.api.external_vip.controller import VipsController
from octavia_anycast.api.path.controller import PathsController
from octavia_anycast.api.registration.controller import (
    AmphoraRegistrationsController,
)
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    lifecycle,
    peers,
)
from octavia_anycast.db.distributor.distributors import DistributorRecord
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.errors import Conflict, InvalidRequest
from octavia_anycast.model.registration import RegistrationLimits
from octavia_anycast.model.stored import unchecked
from octavia_anycast.octavia_adapter.secrets import FernetCipher

LOG = logging.getLogger(__name__)
PATHS = "paths"
VIPS = "vips"
AMPHORAE = "amphorae"


class DistributorsController(resource.Collection):
    """The collection and its members."""

    RBAC_TYPE = policies.RBAC_DISTRIBUTOR

    def __init__(self, database: Database, limits: RegistrationLimits) -> None:
        super().__init__(database)
        self._limits = limits

    @resource.shows(DISTRIBUTOR)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(constants.RBAC_GET_ONE, id)
        with self._transaction() as session:
            shown = DISTRIBUTOR.shown(distributors.show(session, id))
        return self._one(DISTRIBUTOR, shown, fields)

    @resource.lists(DISTRIBUTOR)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(constants.RBAC_GET_ALL)
        wanted = listing.requested()
        with self._transaction() as session:
            found = distributors.page(session, wanted)
        shown = [DISTRIBUTOR.shown(record) for record in found]
        return self._list(DISTRIBUTOR, shown, wanted, fields)

    @resource.takes(DISTRIBUTOR, status=201)
    def post(self, distributor_: Any) -> Any:
        """Create one with its speakers, peers and zones.

        Pecan fills arguments by name from the body's keys; hence the
        underscore, as everywhere in Octavia.
        """
        self._authorize(constants.RBAC_POST)
        known = self._peers(requests.referenced_peers(distributor_))
        with faults.translated():
            wanted = replace(
                requests.distributor_from(distributor_, known),
                provisioning_status=lifecycle.PENDING_CREATE,
                operating_status=constants.OFFLINE,
            )
        _check_networks(wanted.zones)
        with self._transaction() as session:
            created = distributors.create(session, wanted, FernetCipher())
        LOG.info("Distributor %s is to be created", wanted.id)
        return DISTRIBUTOR.one(DISTRIBUTOR.shown(created))

    @resource.takes(DISTRIBUTOR, wtypes.text, status=200)
    def put(self, id: str, distributor_: Any) -> Any:
        """Change whatever of it can be changed."""
        self._authorize(constants.RBAC_PUT, id)
        with self._transaction() as session:
            before = distributors.show(session, id).distributor
            change = _changed(distributor_, before)
        if change.zones != before.zones:
            _check_networks(change.zones)
        with self._transaction() as session:
            changed = _update(session, id, distributor_)
        LOG.info(
            "Distributor %s changed: %s",
            id,
            changed.distributor.provisioning_status,
        )
        return DISTRIBUTOR.one(DISTRIBUTOR.shown(changed))

    @wsme_pecan.wsexpose(None, wtypes.text, wtypes.text, status_code=204)
    def delete(self, id: str, cascade: Any = "false") -> None:
        """Delete one that no load balancer uses."""
        self._authorize(constants.RBAC_DELETE, id)
        with self._transaction() as session:
            lifecycle.begin_delete(session, id, with_peers=_is_true(cascade))
        LOG.info("Distributor %s is to be deleted", id)

    def _peers(self, peer_ids: set[str]) -> dict[str, Peer]:
        """Those of them that there are, peer_id -> peer."""
        if not peer_ids:
            return {}
        with self._transaction() as session:
            return peers.find(session, peer_ids)

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        if remainder and remainder[0] == PATHS:
            return PathsController(self._database, id), remainder[1:]
        if remainder and remainder[0] == VIPS:
            return VipsController(self._database, id), remainder[1:]
        if remainder and remainder[0] == AMPHORAE:
            below = AmphoraRegistrationsController(
                self._database, id, self._limits
            )
            return below, remainder[1:]
        return None


def _is_true(cascade: str) -> bool:
    try:
        is_true: bool = strutils.bool_from_string(cascade, strict=True)
    except ValueError as e:
        raise InvalidRequest(
            "cascade", f"{cascade!r} is neither true nor false"
        ) from e
    return is_true


def _changed(body: Any, before: Distributor) -> requests.DistributorChange:
    given = requests.under(requests.DISTRIBUTOR, body)
    stored = unchecked(
        requests.DistributorChange,
        name=before.name,
        description=before.description,
        enabled=before.is_enabled,
        is_default=before.is_default,
        zones=before.zones,
        dedicated_count=before.dedicated_count,
    )
    change = requests.merged(
        requests.DistributorChange, given, codec.to_document(stored)
    )
    if change.name != before.name:
        requests.check_is_named(change.name)
    return change


def _update(session: Any, id: str, body: Any) -> DistributorRecord:
    """Carry out a PUT, on what is stored by now."""
    lifecycle.lock(session, [id])
    before = distributors.show(session, id).distributor
    change = _changed(body, before)
    with resource.keeping_whole(session, [id]):
        distributors.update(
            session,
            id,
            name=change.name,
            description=change.description,
            is_enabled=change.enabled,
            zones=change.zones,
            dedicated_count=change.dedicated_count,
        )
    if not change.dedicated_count:
        _check_announces_nothing(session, id)
    if change.is_default != before.is_default:
        distributors.set_default(session, id, change.is_default)
    if (change.enabled, change.zones) != (before.is_enabled, before.zones):
        lifecycle.begin_update(session, [id])
    return distributors.show(session, id)


def _check_announces_nothing(session: Any, id: str) -> None:
    """See that nothing is left without an amphora to announce it."""
    for held, what in (
        (external_vips.count(session, id), "external VIP(s)"),
        (
            amphora_registrations.count(session, id),
            "registration(s) of amphorae",
        ),
    ):
        if held:
            raise Conflict(
                f"dedicated_count: {held} {what} need an amphora that "
                "announces them; unregister them first."
            )


def _check_networks(zones: tuple[Zone, ...]) -> None:
    """Refuse a front-end network or subnet that Neutron does not have."""
    for zone in zones:
        if zone.frontend_network_id is None:
            continue
        for subnet_id in zone.frontend_subnet_ids or (None,):
            try:
                validate.network_exists_optionally_contains_subnet(
                    zone.frontend_network_id, subnet_id
                )
            except exceptions.InvalidSubresource as e:
                raise exceptions.ValidationException(
                    detail=f"zones: {e.msg}"
                ) from e
