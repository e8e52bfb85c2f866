# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/vips``: external VIPs.

Registered and unregistered at once; the controller has the distributor's own
amphorae follow. The distributor is not locked meanwhile: there may be
thousands of such calls.
"""

from typing import Any

from oslo_log import log as logging

from octavia_anycast.api import (
    listing,
    policies,
    requests,
    resource,
)
from octavia_anycast.api.external_vip.schema import VIP
from octavia_anycast.db import dedicated
from octavia_anycast.db.distributor import distributors, external_vips
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.engine import Database
from octavia_anycast.db.registration import registering
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.wire import Report
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
        with self._transaction() as session:
            vip = requests.external_vip(vip_)
            made = registering.register_vip(
                session, self._vip_holders(), self._distributor_id, vip
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


def _response(record: VipRecord, reports: list[Report]) -> Any:
    announcing = sum(1 for report in reports if announces(report, record.vip))
    return VIP.shown(record, announcing_count=announcing)
