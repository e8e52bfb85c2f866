# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's types of load balancers with our attributes, for WSME."""

from typing import Any, TypeVar

from octavia.api.common import types
from octavia.api.v2.types import load_balancer as lb_types
from wsme import types as wtypes

from octavia_anycast.model.distributor import ATTRIBUTES, Choice

Response = TypeVar("Response", bound="LoadBalancerResponse")


class LoadBalancerPOST(lb_types.LoadBalancerPOST):
    """What a user may ask for."""

    distributor_id = wtypes.wsattr(wtypes.UuidType())
    frontend_network_id = wtypes.wsattr(wtypes.UuidType())
    frontend_subnet_id = wtypes.wsattr(wtypes.UuidType())

    def take_choice(self) -> Choice:
        """Take our attributes out: the rest is Octavia's to create."""
        asked = {
            name: value
            for name in ATTRIBUTES
            if not isinstance(value := getattr(self, name), wtypes.UnsetType)
        }
        for name in ATTRIBUTES:
            setattr(self, name, wtypes.Unset)
        return Choice.of(asked)


class LoadBalancerRootPOST(types.BaseType):
    """The body of a POST."""

    loadbalancer = wtypes.wsattr(LoadBalancerPOST)


class LoadBalancerPUT(lb_types.LoadBalancerPUT):
    """What a user may change; ours are known so as to be refused."""

    distributor_id = wtypes.wsattr(wtypes.text)
    frontend_network_id = wtypes.wsattr(wtypes.text)
    frontend_subnet_id = wtypes.wsattr(wtypes.text)


class LoadBalancerRootPUT(types.BaseType):
    """The body of a PUT."""

    loadbalancer = wtypes.wsattr(LoadBalancerPUT)


def choices_in(root: LoadBalancerRootPUT | None) -> list[str]:
    """Those of our attributes that are in the body, if there is any."""
    body = getattr(root, "loadbalancer", None)
    return [
        name
        for name in ATTRIBUTES
        if not isinstance(getattr(body, name, wtypes.Unset), wtypes.UnsetType)
    ]


class LoadBalancerResponse(lb_types.LoadBalancerResponse):
    """Octavia's, with ours; null for load balancers of other providers."""

    distributor_id = wtypes.wsattr(wtypes.UuidType())
    frontend_network_id = wtypes.wsattr(wtypes.UuidType())
    frontend_subnet_id = wtypes.wsattr(wtypes.UuidType())


class LoadBalancerFullResponse(
    lb_types.LoadBalancerFullResponse, LoadBalancerResponse
):
    """The answer of a POST, with all that was created."""


class LoadBalancerRootResponse(types.BaseType):
    """One load balancer."""

    loadbalancer = wtypes.wsattr(LoadBalancerResponse)


class LoadBalancerFullRootResponse(types.BaseType):
    """One load balancer with all below it."""

    loadbalancer = wtypes.wsattr(LoadBalancerFullResponse)


class LoadBalancersRootResponse(types.BaseType):
    """Load balancers, and links to the pages before and after."""

    loadbalancers = wtypes.wsattr([LoadBalancerResponse])
    loadbalancers_links = wtypes.wsattr([types.PageType])


def with_choice(response: Response, choice: Choice | None) -> Response:
    """Set our attributes."""
    for name in ATTRIBUTES:
        value = None if choice is None else getattr(choice, name)
        setattr(response, name, value)
    return response


def of_stock(
    kind: type[Response], made: Any, choice: Choice | None
) -> Response:
    """Make our response of Octavia's."""
    response = kind(
        **{
            attribute.name: getattr(made, attribute.name)
            for attribute in type(made)._wsme_attributes
        }
    )
    return with_choice(response, choice)
