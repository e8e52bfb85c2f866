# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/loadbalancers``: Octavia's, with distributor and front end.

Octavia's methods do the work. Three attributes are added: taken from the
body of a POST, kept in our row, shown again.
"""

import inspect
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

from octavia.api.v2.controllers import load_balancer as controllers
from octavia.api.v2.types import load_balancer as stock
from octavia.common import constants, exceptions
from oslo_config import cfg
from pecan import expose, request
from wsme import types as wtypes
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api.cluster import CHOSEN, ClusterController
from octavia_anycast.api.content import needing_root
from octavia_anycast.api.declaration import faults, resource
from octavia_anycast.api.declaration.fields import TEXT
from octavia_anycast.api.event import BalancerEventsController
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.engine import Database
from octavia_anycast.model.distributor import (
    ATTRIBUTES,
    CHOICE,
    DISTRIBUTOR_ID,
    Choice,
)
from octavia_anycast.model.errors import InvalidRequest, NotFound
from octavia_anycast.octavia_adapter import compat
from octavia_anycast.octavia_adapter.cloud import frontends
from octavia_anycast.octavia_adapter.haproxy_syntax import content
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)
from octavia_anycast.options import Settings

BALANCER = replace(
    CHOSEN,
    name="LoadBalancer",
    root="loadbalancer",
    plural="loadbalancers",
    base=stock.LoadBalancerResponse,
)
# The answer of a POST, with all that was created.
FULL = replace(
    BALANCER, name="LoadBalancerFull", base=stock.LoadBalancerFullResponse
)
POST = replace(BALANCER, name="LoadBalancerPost", base=stock.LoadBalancerPOST)
# A PUT may not change ours; any text is read, to be refused.
PUT = replace(
    BALANCER,
    name="LoadBalancerPut",
    base=stock.LoadBalancerPUT,
    fields={name: TEXT("Refused.") for name in ATTRIBUTES},
)


def given(body: Any) -> dict[str, Any]:
    """Those of our attributes that a body has."""
    values = {n: getattr(body, n, wtypes.Unset) for n in ATTRIBUTES}
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, wtypes.UnsetType)
    }


def take_choice(body: Any) -> Choice:
    """Take our attributes out of a POST: the rest is Octavia's to create."""
    choice = Choice.of(given(body))
    for name in ATTRIBUTES:
        setattr(body, name, wtypes.Unset)
    return choice


def with_choice(response: Any, choice: Choice | None) -> Any:
    """Set our attributes."""
    for name in ATTRIBUTES:
        setattr(response, name, choice and getattr(choice, name))
    return response


def of_stock(kind: Any, made: Any, choice: Choice | None) -> Any:
    """Make our response of Octavia's."""
    names = [attribute.name for attribute in type(made)._wsme_attributes]
    return with_choice(
        kind(**{name: getattr(made, name) for name in names}), choice
    )


class Creation(controllers.LoadBalancersController):
    """Octavia's controller for one POST."""

    def __init__(
        self, controller: "LoadBalancersController", body: Any
    ) -> None:
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        self.__dict__.update(vars(controller))
        self._database = controller._database
        self._body = body
        self._asked = take_choice(body)
        self._flavor = Choice()

    def _get_provider(self, session: Any, load_balancer: Any) -> Any:
        provider = super()._get_provider(session, load_balancer)
        asked = list(self._asked.said())
        if asked and provider != PROVIDER:
            raise exceptions.ValidationException(
                detail=f"{asked[0]}: load balancers of the provider "
                f"{provider} do not have it; those of {PROVIDER} do"
            )
        if provider == PROVIDER:
            # The driver is not shown the L7 policies of a tree.
            with faults.translated():
                content.check("load_balancer", self._body.to_dict())
        return provider

    def _apply_flavor_to_lb_dict(
        self, lock_session: Any, driver: Any, lb_dict: dict[str, Any]
    ) -> Any:
        metadata = super()._apply_flavor_to_lb_dict(
            lock_session, driver, lb_dict
        )
        self._flavor = Choice.of(metadata)
        return metadata

    def _validate_and_return_az_dict(
        self, lock_session: Any, driver: Any, lb_dict: dict[str, Any]
    ) -> dict[str, Any]:
        """Look at all that is said, and hand it to our driver.

        The metadata of the availability zone is what Octavia passes on as
        it is; that of the flavor it reads anew.
        """
        metadata: dict[str, Any] = super()._validate_and_return_az_dict(
            lock_session, driver, lb_dict
        )
        if driver.name != PROVIDER:
            return metadata
        with faults.translated():
            choice = self._checked(Choice.of(metadata))
        return metadata | {CHOICE: asdict(choice)}

    def _checked(self, zone: Choice) -> Choice:
        """Put the choice together.

        What the user names has to be the user's to use; what an operator
        put into a flavor or availability zone is there for everybody.

        :raises InvalidRequest: naming what does not fit.
        :raises Conflict: the distributor takes no load balancer now.
        """
        choice = self._asked.or_else(self._flavor).or_else(zone)
        self._check_distributor(choice.distributor_id)
        if not choice.has_frontend:
            return choice
        is_users = self._asked.has_frontend
        context = request.context["octavia_context"] if is_users else None
        return frontends.completed(choice, self._versions(), context)

    def _versions(self) -> frozenset[int]:
        """The IP versions of the VIPs, as Octavia has completed the body."""
        body = self._body
        vips = [(body.vip_address, body.vip_subnet_id)]
        vips += [(v.ip_address, v.subnet_id) for v in body.additional_vips]
        return frontends.versions_of(vips)

    def _check_distributor(self, distributor_id: str | None) -> None:
        with self._database.transaction() as session:
            used = distributor_id or distributors.default_id(session)
            if used is None:
                return  # the driver knows the sentence
            try:
                lifecycle.require_usable(session, used)
            except NotFound as e:
                raise InvalidRequest(
                    DISTRIBUTOR_ID, f"there is no distributor {used}"
                ) from e


class LoadBalancersController(
    resource.Controller, controllers.LoadBalancersController
):
    """The collection and its members."""

    def __init__(
        self, database: Database, settings: Settings, *, is_shared: bool
    ) -> None:
        """Make it, once for the application.

        :param is_shared: whether our tables are in Octavia's database
        """
        super().__init__()
        self._database, self._settings = database, settings
        self._is_shared = is_shared

    @wsme_pecan.wsexpose(
        BALANCER.one_type, wtypes.text, [wtypes.text], ignore_extra_args=True
    )
    def get_one(self, id: str, fields: Any = None) -> Any:
        """Show one."""
        with self._octavia_transaction() as session:
            row = self._get_db_lb(session, id, show_deleted=False)
            self._auth_validate_action(
                self._context, row.project_id, constants.RBAC_GET_ONE
            )
            shown = [compat.answer(BALANCER.type, row)]
            self._add_choices(shown, session)
        return BALANCER.one(self._selected(shown, fields)[0])

    @wsme_pecan.wsexpose(
        BALANCER.list_type, wtypes.text, [wtypes.text], ignore_extra_args=True
    )
    def get_all(self, project_id: Any = None, fields: Any = None) -> Any:
        """List them."""
        query_filter = self._auth_get_all(self._context, project_id)
        helper = self._narrowed(request.context[constants.PAGINATION_HELPER])
        with self._octavia_transaction() as session:
            rows, links = self.repositories.load_balancer.get_all_API_list(
                session,
                show_deleted=False,
                pagination_helper=helper,
                **query_filter,
            )
            shown = [compat.answer(BALANCER.type, row) for row in rows]
            self._add_choices(shown, session)
        return BALANCER.list(self._selected(shown, fields), links)

    @wsme_pecan.wsexpose(FULL.one_type, body=POST.one_type, status_code=201)
    def post(self, load_balancer: Any) -> Any:
        """Create one; the argument's name is Octavia's."""
        with faults.explained(), needing_root(POST.one_type, load_balancer):
            creation = Creation(self, load_balancer.loadbalancer)
            made = inspect.unwrap(controllers.LoadBalancersController.post)(
                creation, load_balancer
            ).loadbalancer
        choice = self._choices_of([made]).get(made.id)
        return FULL.one(of_stock(FULL.type, made, choice))

    @wsme_pecan.wsexpose(
        BALANCER.one_type, wtypes.text, status_code=200, body=PUT.one_type
    )
    def put(self, id: str, load_balancer: Any) -> Any:
        """Change one; the arguments' names are Octavia's."""
        for name in given(getattr(load_balancer, "loadbalancer", None)):
            raise exceptions.ValidationException(
                detail=f"{name}: it cannot be changed after the load "
                "balancer was created"
            )
        with faults.explained(), needing_root(PUT.one_type, load_balancer):
            made = inspect.unwrap(controllers.LoadBalancersController.put)(
                self, id, load_balancer
            ).loadbalancer
        choice = self._choices_of([made]).get(id)
        return BALANCER.one(of_stock(BALANCER.type, made, choice))

    @expose()
    def _lookup(self, id: str, *remainder: str) -> Any:
        if remainder and remainder[0] == "cluster":
            return ClusterController.below(self, id), remainder[1:]
        if remainder and remainder[0] == "events":
            return BalancerEventsController.below(self, id), remainder[1:]
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
        with self._transaction() as session:
            ids = clusters.ids_with(session, wanted)

        def apply(query: Any, model: Any) -> Any:
            return helper.apply(query.filter(model.id.in_(ids)), model)

        return SimpleNamespace(apply=apply)

    def _add_choices(self, shown: list[Any], session: Any) -> None:
        """Set our attributes, asking in Octavia's transaction if we can.

        Another transaction would be a tenth of what a show costs.
        """
        found = self._choices_of(shown, session if self._is_shared else None)
        for response in shown:
            with_choice(response, found.get(response.id))

    def _choices_of(
        self, shown: list[Any], session: Any = None
    ) -> dict[str, Choice]:
        ours = [one.id for one in shown if one.provider == PROVIDER]
        if not ours:
            return {}
        if session is not None:
            return clusters.choices_of(session, ours)
        with self._transaction() as session:
            return clusters.choices_of(session, ours)
