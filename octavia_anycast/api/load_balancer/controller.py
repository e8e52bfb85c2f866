# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/loadbalancers``: Octavia's, with distributor and front end.

Octavia's methods do the work. Three attributes are added: taken from the
body of a POST, kept in our row, shown again.
"""

import inspect
from collections.abc import Collection
from typing import Any

from octavia.api.v2.controllers import load_balancer as stock
from octavia.common import constants, exceptions
from oslo_config import cfg
from pecan import expose, request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import faults
from octavia_anycast.api.cluster.controller import ClusterController, Limits
from octavia_anycast.api.exposed import needing_root
from octavia_anycast.api.load_balancer import types
from octavia_anycast.api.load_balancer.creation import Creation
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.model.distributor import ATTRIBUTES, Choice
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)

CLUSTER = "cluster"


class Narrowed:
    """Octavia's PaginationHelper, for some load balancers only."""

    def __init__(
        self, helper: Any, load_balancer_ids: Collection[str]
    ) -> None:
        self._helper = helper
        self._ids = load_balancer_ids

    def apply(self, query: Any, model: Any) -> Any:
        """As Octavia's repositories call it."""
        return self._helper.apply(query.filter(model.id.in_(self._ids)), model)


class LoadBalancersController(stock.LoadBalancersController):
    """The collection and its members."""

    def __init__(
        self, database: Database, *, limits: Limits, is_shared: bool
    ) -> None:
        """Make it, once for the application.

        :param limits: what the settings say of clusters
        :param is_shared: whether our tables are in Octavia's database
        """
        super().__init__()
        self._database = database
        self._is_shared = is_shared
        self._limits = limits

    @wsme_pecan.wsexpose(
        types.LoadBalancerRootResponse,
        wtypes.text,
        [wtypes.text],
        ignore_extra_args=True,
    )
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        context = request.context["octavia_context"]
        with context.session.begin():
            row = self._get_db_lb(context.session, id, show_deleted=False)
            self._auth_validate_action(
                context, row.project_id, constants.RBAC_GET_ONE
            )
            shown = types.LoadBalancerResponse.from_db_obj(row)
            self._add_choices([shown], context.session)
        if fields is not None:
            shown = self._filter_fields([shown], fields)[0]
        return types.LoadBalancerRootResponse(loadbalancer=shown)

    @wsme_pecan.wsexpose(
        types.LoadBalancersRootResponse,
        wtypes.text,
        [wtypes.text],
        ignore_extra_args=True,
    )
    def get_all(self, project_id: Any = None, fields: Any = None) -> Any:
        """List them."""
        context = request.context["octavia_context"]
        query_filter = self._auth_get_all(context, project_id)
        helper = self._narrowed(request.context[constants.PAGINATION_HELPER])
        with context.session.begin():
            rows, links = self.repositories.load_balancer.get_all_API_list(
                context.session,
                show_deleted=False,
                pagination_helper=helper,
                **query_filter,
            )
            shown = [types.LoadBalancerResponse.from_db_obj(r) for r in rows]
            self._add_choices(shown, context.session)
        if fields is not None:
            shown = self._filter_fields(shown, fields)
        return types.LoadBalancersRootResponse(
            loadbalancers=shown, loadbalancers_links=links
        )

    @wsme_pecan.wsexpose(
        types.LoadBalancerFullRootResponse,
        body=types.LoadBalancerRootPOST,
        status_code=201,
    )
    def post(self, load_balancer: Any) -> Any:
        """Create one; the argument's name is Octavia's."""
        with (
            faults.explained(),
            needing_root(types.LoadBalancerRootPOST, load_balancer),
        ):
            creation = Creation(
                self, self._database, load_balancer.loadbalancer
            )
            made = inspect.unwrap(stock.LoadBalancersController.post)(
                creation, load_balancer
            ).loadbalancer
        return types.LoadBalancerFullRootResponse(
            loadbalancer=types.of_stock(
                types.LoadBalancerFullResponse,
                made,
                self._choices_of([made]).get(made.id),
            )
        )

    @wsme_pecan.wsexpose(
        types.LoadBalancerRootResponse,
        wtypes.text,
        status_code=200,
        body=types.LoadBalancerRootPUT,
    )
    def put(self, id: str, load_balancer: Any) -> Any:
        """Change one; the arguments' names are Octavia's."""
        given = types.choices_in(load_balancer)
        if given:
            raise exceptions.ValidationException(
                detail=f"{given[0]}: it cannot be changed after the load "
                "balancer was created"
            )
        with (
            faults.explained(),
            needing_root(types.LoadBalancerRootPUT, load_balancer),
        ):
            made = inspect.unwrap(stock.LoadBalancersController.put)(
                self, id, load_balancer
            ).loadbalancer
        return types.LoadBalancerRootResponse(
            loadbalancer=types.of_stock(
                types.LoadBalancerResponse,
                made,
                self._choices_of([made]).get(id),
            )
        )

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        if remainder and remainder[0] == CLUSTER:
            cluster = ClusterController(self, self._database, id, self._limits)
            return cluster, remainder[1:]
        return super()._lookup(id, *remainder)

    def _narrowed(self, helper: Any) -> Any:
        """Take our filters from Octavia's helper and apply them here."""
        if not cfg.CONF.api_settings.allow_filtering:
            return helper
        wanted = {
            name: value if isinstance(value, list) else [value]
            for name in ATTRIBUTES
            if (value := helper.params.pop(name, None)) is not None
        }
        if not wanted:
            return helper
        with faults.translated(), self._database.transaction() as session:
            return Narrowed(helper, clusters.ids_with(session, wanted))

    def _add_choices(self, shown: list[Any], session: Any) -> None:
        """Set our attributes, asking in Octavia's transaction if we can.

        Another transaction would be a tenth of what a show costs.
        """
        found = self._choices_of(shown, session if self._is_shared else None)
        for response in shown:
            types.with_choice(response, found.get(response.id))

    def _choices_of(
        self, shown: list[Any], session: Any = None
    ) -> dict[str, Choice]:
        ours = [one.id for one in shown if one.provider == PROVIDER]
        if not ours:
            return {}
        if session is not None:
            return clusters.choices_of(session, ours)
        with faults.translated(), self._database.transaction() as session:
            return clusters.choices_of(session, ours)
