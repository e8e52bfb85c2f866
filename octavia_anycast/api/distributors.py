# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors``: create, list, show, delete."""

from collections.abc import Callable
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import constants, exceptions, validate
from oslo_log import log as logging
from pecan import request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import faults, listing, policies, requests, responses
from octavia_anycast.db import distributors, lifecycle
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound
from octavia_anycast.octavia_adapter.secrets import FernetCipher

LOG = logging.getLogger(__name__)
WITHOUT_PASSWORDS = WithoutPasswords()

READERS: dict[str, Callable[[Distributor], Any]] = {
    "id": lambda d: d.id,
    "name": lambda d: d.name,
    "description": lambda d: d.description,
    "distributor_type": lambda d: d.distributor_type.value,
    "provisioning_status": lambda d: d.provisioning_status,
    "operating_status": lambda d: d.operating_status,
    "enabled": lambda d: d.is_enabled,
    "is_default": lambda d: d.is_default,
}


class Document(wtypes.UserType):
    """A JSON body that WSME hands over as it is (see requests)."""

    basetype = dict
    name = "document"


class DistributorsController(base.BaseController):
    """The collection and its members."""

    RBAC_TYPE = policies.RBAC_DISTRIBUTOR

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    @wsme_pecan.wsexpose(
        responses.DistributorRootResponse,
        wtypes.text,
        [wtypes.text],
        ignore_extra_args=True,
    )
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(constants.RBAC_GET_ONE)
        with faults.translated(), self._database.transaction() as session:
            distributor = distributors.get(session, id, WITHOUT_PASSWORDS)
            if distributor is None:
                raise NotFound("Distributor", id)
        result = responses.of_distributor(distributor)
        if fields is not None:
            result = self._filter_fields([result], fields)[0]
        return responses.DistributorRootResponse(distributor=result)

    @wsme_pecan.wsexpose(
        responses.DistributorsRootResponse,
        [wtypes.text],
        ignore_extra_args=True,
    )
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(constants.RBAC_GET_ALL)
        with faults.translated(), self._database.transaction() as session:
            found = distributors.list_all(session, WITHOUT_PASSWORDS)
        helper = request.context[constants.PAGINATION_HELPER]
        page, links = listing.page_of(found, helper, READERS)
        results = [responses.of_distributor(item) for item in page]
        if fields is not None:
            results = self._filter_fields(results, fields)
        return responses.DistributorsRootResponse(
            distributors=results, distributors_links=links
        )

    @wsme_pecan.wsexpose(
        responses.DistributorRootResponse, body=Document(), status_code=201
    )
    def post(self, distributor_: Any) -> Any:
        """Create one with its speakers, peers and zones.

        Pecan fills arguments by name from the body's keys; hence the
        underscore, as everywhere in Octavia.
        """
        self._authorize(constants.RBAC_POST)
        with faults.translated():
            created = requests.distributor_from(distributor_)
            _check_networks(created)
            with self._database.transaction() as session:
                distributors.create(session, created, FernetCipher())
        LOG.info("Distributor %s created", created.id)
        return responses.DistributorRootResponse(
            distributor=responses.of_distributor(created)
        )

    @wsme_pecan.wsexpose(None, wtypes.text, status_code=204)
    def delete(self, id: str) -> None:
        """Delete one that no load balancer uses."""
        self._authorize(constants.RBAC_DELETE)
        with faults.translated(), self._database.transaction() as session:
            lifecycle.begin_delete(session, id, with_peers=False)
        LOG.info("Distributor %s deleted", id)

    def _authorize(self, action: str) -> None:
        context = request.context["octavia_context"]
        self._auth_validate_action(context, context.project_id, action)


def _check_networks(distributor: Distributor) -> None:
    """Refuse a front-end network or subnet that Neutron does not have."""
    for zone in distributor.zones:
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
