# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The creation of one load balancer: Octavia's own, with a choice.

Octavia's controller creates a load balancer by calling methods of its own,
one after the other. This one, made for a single request, overrides those
that learn the provider, the flavor and the availability zone (ADR 0053).
"""

from dataclasses import asdict
from typing import Any

from octavia.api.v2.controllers import load_balancer as stock
from octavia.common import exceptions
from pecan import request

from octavia_anycast.api import faults
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.engine import Database
from octavia_anycast.model.distributor import CHOICE, DISTRIBUTOR_ID, Choice
from octavia_anycast.model.errors import InvalidRequest, NotFound
from octavia_anycast.octavia_adapter.cloud import frontends
from octavia_anycast.octavia_adapter.haproxy_syntax import content
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)


class Creation(stock.LoadBalancersController):
    """Octavia's controller for one POST."""

    def __init__(
        self,
        controller: stock.LoadBalancersController,
        database: Database,
        body: Any,
    ) -> None:
        # Not Octavia's constructor, which loads plug-ins: they are shared.
        self.__dict__.update(vars(controller))
        self._database = database
        self._body = body
        self._asked: Choice = body.take_choice()
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
