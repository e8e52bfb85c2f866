# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/octavia/amphorae``: Octavia's amphorae and ours together.

What concerns one of Octavia's is Octavia's code, unchanged. What concerns
one of ours becomes a mark in its row, which the controller acts upon: no
message leaves here, and the load balancer stays as it is (ADR 0054).
"""

import inspect
from datetime import UTC, datetime
from typing import Any

from octavia.api.v2.controllers import amphora as stock
from octavia.api.v2.types import amphora as stock_types
from octavia.common import constants
from oslo_log import log as logging
from pecan import expose, request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast import log_lines
from octavia_anycast.api import faults, listing, resource
from octavia_anycast.api.amphora import pages
from octavia_anycast.api.amphora.below_amphora import BelowAmphora
from octavia_anycast.api.amphora.schema import (
    AMPHORA,
    of_count,
    of_ours,
    of_stock,
    with_vip,
)
from octavia_anycast.api.drain.controller import (
    DrainController,
    StockDrainController,
)
from octavia_anycast.api.drain.requests import DrainLimits
from octavia_anycast.api.drain.schema import DRAIN
from octavia_anycast.db.amphora import (
    amphora_listing,
    amphora_statistics,
    amphorae,
)
from octavia_anycast.db.amphora.amphora_listing import ListedAmphora
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.octavia_adapter.amphora import stock_amphorae

LOG = logging.getLogger(__name__)


class AmphoraeController(stock.AmphoraController):
    """The collection and its members."""

    def __init__(self, database: Database, limits: DrainLimits) -> None:
        super().__init__()
        self._database = database
        self.limits = limits  # of the controllers below, too

    @resource.shows(AMPHORA)
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        context = request.context["octavia_context"]
        listed = _find(self._database, id)
        with context.session.begin():
            if listed is None:
                row = self._get_db_amp(context.session, id, show_deleted=False)
            self._auth_validate_action(
                context, context.project_id, constants.RBAC_GET_ONE
            )
            if listed is None:
                shown = of_stock(row)
            else:
                shown = with_vip(
                    of_ours(listed),
                    stock_amphorae.vips_of(
                        context.session,
                        {listed.record.load_balancer_id or ""},
                    ),
                )
        if fields is not None:
            shown = self._filter_fields([shown], fields)[0]
        return AMPHORA.one(shown)

    @resource.lists(AMPHORA)
    def get_all(self, fields: Any = None) -> Any:
        """List them, oldest first if not asked otherwise."""
        context = request.context["octavia_context"]
        self._auth_validate_action(
            context, context.project_id, constants.RBAC_GET_ALL
        )
        wanted = listing.without_tags(listing.requested())
        with (
            faults.translated(),
            self._database.transaction() as session,
            context.session.begin(),
        ):
            shown = pages.page(context.session, session, wanted)
        links = listing.links(wanted, [one.id for one in shown])
        if fields is not None:
            shown = self._filter_fields(shown, fields)
        return AMPHORA.list(shown, links)

    @resource.deletes()
    def delete(self, id: str) -> None:
        """Delete what is left of one that failed."""
        listed = _find(self._database, id)
        if listed is None:
            inspect.unwrap(stock.AmphoraController.delete)(self, id)
            return
        context = request.context["octavia_context"]
        self._auth_validate_action(
            context, context.project_id, constants.RBAC_DELETE
        )
        with faults.translated(), self._database.transaction() as session:
            amphorae.request_deletion(session, id, datetime.now(UTC))
            clusters.record_request(
                session,
                listed.record.load_balancer_id or "",
                log_lines.request_id(),
            )
        LOG.info("Deletion of amphora %s is asked for.", id)

    @expose()
    def _lookup(self, amphora_id: str, *remainder: str) -> Any:
        if remainder and remainder[0] in _BELOW:
            listed = _find(self._database, amphora_id)
            if listed is not None:
                below = _BELOW[remainder[0]](self, self._database, listed)
                return below, remainder[1:]
            if remainder[0] == DRAIN.root:
                return StockDrainController(self, amphora_id), remainder[1:]
        return super()._lookup(amphora_id, *remainder)


class FailoverController(BelowAmphora):
    """``/failover``: another amphora takes its place."""

    @wsme_pecan.wsexpose(None, wtypes.text, status_code=202)
    def put(self) -> None:
        """Ask for it; the new one serves before the old one leaves.

        The load balancer is PENDING_UPDATE until the old one is gone.
        """
        record = self._listed.record
        with faults.translated(), self._database.transaction() as session:
            self._authorize(session, constants.RBAC_PUT_FAILOVER)
            clusters.require_managed(session, record.load_balancer_id or "")
        # The mark is committed first: without a lock it is carried out, a
        # lock without a mark would tell of a failover that was not.
        with (
            self._locked_load_balancer(record.load_balancer_id),
            faults.translated(),
            self._database.transaction() as session,
        ):
            amphorae.request_failover(session, record.id)
            self._record_request(session)
        LOG.info(
            "Failover of amphora %s of load balancer %s is asked for.",
            record.id,
            record.load_balancer_id,
        )


class ConfigController(BelowAmphora):
    """``/config``: its agent gets its configuration anew."""

    @wsme_pecan.wsexpose(None, wtypes.text, status_code=202)
    def put(self) -> None:
        """Ask for it."""
        record = self._listed.record
        with faults.translated(), self._database.transaction() as session:
            self._authorize(session, constants.RBAC_PUT_CONFIG)
            amphorae.request_agent_update(session, record.id)
            self._record_request(session)
        LOG.info(
            "An update of the agent of amphora %s is asked for.", record.id
        )


class StatsController(BelowAmphora):
    """``/stats``: what it counted, for each listener."""

    @wsme_pecan.wsexpose(
        stock_types.StatisticsRootResponse, wtypes.text, status_code=200
    )
    def get(self) -> Any:
        """Show it; nothing yet is an empty list."""
        context = request.context["octavia_context"]
        self._auth_validate_action(
            context, context.project_id, constants.RBAC_GET_STATS
        )
        with faults.translated(), self._database.transaction() as session:
            counts = amphora_statistics.list_for(
                session, self._listed.record.id
            )
        return stock_types.StatisticsRootResponse(
            amphora_stats=[of_count(self._listed, c) for c in counts]
        )


_BELOW: dict[str, type[BelowAmphora]] = {
    "failover": FailoverController,
    "config": ConfigController,
    "stats": StatsController,
    DRAIN.root: DrainController,
}


def _find(database: Database, amphora_id: str) -> ListedAmphora | None:
    """The amphora, if it is one of ours."""
    with faults.translated(), database.transaction() as session:
        return amphora_listing.get(session, amphora_id)
