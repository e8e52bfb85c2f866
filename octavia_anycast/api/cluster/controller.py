# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/loadbalancers/ID/cluster``: the amphorae of a load balancer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from octavia.api.v2.controllers import base
from octavia.common import constants, exceptions, policy
from oslo_log import log as logging
from pecan import request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast import log_lines
from octavia_anycast.api import faults, policies, resource
from octavia_anycast.api.cluster import changes
from octavia_anycast.api.cluster.schema import CLUSTER, response_of
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import NotFound

LOG = logging.getLogger(__name__)
# Statuses in which its size may be changed: nothing else is under way.
CHANGEABLE = (constants.ACTIVE, constants.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the deployment's settings say of clusters.

    :param stale_after: seconds after which an amphora's report says nothing
        any more
    :param size: the largest max_size
    """

    stale_after: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What of Octavia's load balancer matters here."""

    project_id: str
    status: str
    vips: frozenset[IPAddress]


class ClusterController(base.BaseController):
    """The cluster of one load balancer; made for a single request."""

    RBAC_TYPE = policies.RBAC_CLUSTER

    def __init__(
        self,
        parent: base.BaseController,
        database: Database,
        load_balancer_id: str,
        limits: Limits,
    ) -> None:
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        self.__dict__.update(vars(parent))
        self._database = database
        self._id = load_balancer_id
        self._limits = limits
        self._stale_after = timedelta(seconds=limits.stale_after)

    @wsme_pecan.wsexpose(CLUSTER.one_type, status_code=200)
    def get(self) -> Any:
        """Show it."""
        found = self._find(policies.GET)
        return self._answer(found)

    @resource.takes(CLUSTER, status=202)
    def put(self, cluster_: Any) -> Any:
        """Change what is given of it; the controller carries it out.

        It does not lock the load balancer. ``enabled`` alone may be changed
        during an update, too: a failover can be stopped.
        """
        found = self._find(policies.PUT)
        is_stop = (
            found.status == constants.PENDING_UPDATE
            and changes.is_switch(cluster_)
        )
        if found.status not in CHANGEABLE and not is_stop:
            raise exceptions.LBPendingStateError(
                state=found.status, id=self._id
            )
        self._change(cluster_, found)
        return self._answer(found)

    def _find(self, action: str) -> _Found:
        """Look Octavia's row up, if the action is allowed."""
        context = request.context["octavia_context"]
        with context.session.begin():
            row = self._get_db_lb(
                context.session, self._id, show_deleted=False
            )
            self._auth_validate_action(context, row.project_id, action)
            return _Found(
                project_id=row.project_id,
                status=row.provisioning_status,
                vips=frozenset(
                    ip_address(vip.ip_address)
                    for vip in (row.vip, *row.additional_vips)
                    if vip is not None and vip.ip_address
                ),
            )

    def _change(self, body: Any, found: _Found) -> None:
        with faults.translated(), self._database.transaction() as session:
            stored = clusters.lock(session, self._id)
            if stored is None:
                raise NotFound("Cluster", self._id)
            change = changes.changed(
                body, stored, size_limit=self._limits.size
            )
            if change.max_size > stored.size.maximum:
                self._auth_validate_action(
                    request.context["octavia_context"],
                    found.project_id,
                    policies.PUT_MAX_SIZE,
                )
            updates = changes.updates(change, stored, datetime.now(UTC))
            if updates:
                clusters.update(
                    session,
                    self._id,
                    **updates,
                    request_id=log_lines.request_id(),
                )
        LOG.info("Cluster of load balancer %s is to be %s", self._id, change)

    def _answer(self, found: _Found) -> Any:
        shown = self._shown(found.vips)
        context = request.context["octavia_context"]
        if not self._may_see_amphorae(context, found.project_id):
            shown.amphorae = wtypes.Unset
        return CLUSTER.one(shown)

    def _shown(self, vips: frozenset[IPAddress]) -> Any:
        with faults.translated(), self._database.transaction() as session:
            cluster = clusters.get(session, self._id)
            if cluster is None:
                raise NotFound("Cluster", self._id)
            found = amphorae.list_for(session, self._id)
            stored = reports.list_for_load_balancer(session, self._id)
        now = datetime.now(UTC)
        announcing = {
            one.amphora_id
            for one in stored
            if now - one.reported_at <= self._stale_after
            and _announces(one, vips)
        }
        return response_of(cluster, found, announcing)

    def _may_see_amphorae(self, context: Any, project_id: str) -> bool:
        return bool(
            policy.get_enforcer().authorize(
                f"{policies.RBAC_CLUSTER}{policies.GET_AMPHORAE}",
                {"project_id": project_id},
                context,
                do_raise=False,
            )
        )


def _announces(stored: StoredReport, vips: frozenset[IPAddress]) -> bool:
    return bool(vips) and all(stored.report.is_announcing(vip) for vip in vips)
