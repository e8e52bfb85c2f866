# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/vips``: external VIPs.

Registered and unregistered at once; the controller has the distributor's own
amphorae follow. The distributor is not locked meanwhile: there may be
thousands of such calls.
"""

from typing import Any

from oslo_log import log as logging
from pecan import request

from octavia_anycast.api import (
    listing,
    policies,
    requests,
    resource,
)
from octavia_anycast.api.external_vip import prefix_limits
from octavia_anycast.api.external_vip.schema import VIP
from octavia_anycast.db import dedicated
from octavia_anycast.db.distributor import distributors, external_vips
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.model.wire import Report
from octavia_anycast.octavia_adapter.load_balancer import vip_addresses
from octavia_anycast.planning.dedicated import announces

LOG = logging.getLogger(__name__)


class VipsController(resource.Collection):
    """The external VIPs of one distributor."""

    RBAC_TYPE = policies.RBAC_DISTRIBUTOR

    def __init__(self, database: Database, distributor_id: str) -> None:
        super().__init__(database)
        self._distributor_id = distributor_id

    @resource.shows(VIP)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        self._authorize(policies.GET_VIP, id)
        with self._transaction() as session:
            found = external_vips.get(session, self._distributor_id, id)
            said = dedicated.reports_of(session, self._distributor_id)
        shown = _response(found, said)
        return self._one(VIP, shown, fields)

    @resource.lists(VIP)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        self._authorize(policies.GET_VIPS)
        wanted = listing.requested()
        with self._transaction() as session:
            if not distributors.exists(session, self._distributor_id):
                raise NotFound("Distributor", self._distributor_id)
            found = external_vips.page(session, self._distributor_id, wanted)
            said = dedicated.reports_of(session, self._distributor_id)
        shown = [_response(record, said) for record in found]
        return self._list(VIP, shown, wanted, fields)

    @resource.takes(VIP, status=201)
    def post(self, vip_: Any) -> Any:
        """Register one."""
        self._authorize(policies.POST_VIP)
        context = request.context["octavia_context"]
        with self._transaction() as session:
            vip = requests.external_vip(vip_)
            with context.session.begin():
                _check_free(context.session, vip)
            made = external_vips.register(session, self._distributor_id, vip)
            prefix_limits.check_peers(
                session, context.session, self._distributor_id, vip.peer_id
            )
        LOG.info(
            "External VIP %s, %s, of distributor %s is registered, next hop "
            "%s",
            made.vip.id,
            vip.vip_ip,
            self._distributor_id,
            vip.nexthop_ip,
        )
        return VIP.one(_response(made, []))

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Unregister one."""
        self._authorize(policies.DELETE_VIP, id)
        with self._transaction() as session:
            external_vips.unregister(session, self._distributor_id, id)
        LOG.info(
            "External VIP %s of distributor %s is unregistered",
            id,
            self._distributor_id,
        )


def _check_free(octavia_session: Any, vip: ExternalVip) -> None:
    """See that no load balancer has it: two would announce one address."""
    holder = vip_addresses.load_balancer_of(octavia_session, vip.vip_ip)
    if holder is not None:
        raise Conflict(
            f"vip_address: {vip.vip_ip} is a VIP of load balancer {holder}."
        )


def _response(record: VipRecord, reports: list[Report]) -> Any:
    announcing = sum(1 for report in reports if announces(report, record.vip))
    return VIP.shown(record, announcing_count=announcing)
