# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registrations of amphorae with a distributor, as requests and responses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octavia.api.common import types
from wsme import types as wtypes

from octavia_anycast.api import requests
from octavia_anycast.api.responses import Moment, Text, Uuid, moment
from octavia_anycast.db.models import new_id
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.model import codec
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    RegisteredPath,
)
from octavia_anycast.model.wire import PathState

ROOT = "amphora"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraRegistrationRequest:
    """Amphorae to register; null: all of the load balancer, all peers."""

    load_balancer_id: str
    amphora_id: str | None = None
    peer_id: str | None = None

    def __post_init__(self) -> None:
        requests.check_id("load_balancer_id", self.load_balancer_id)
        if self.amphora_id is not None:
            requests.check_id("amphora_id", self.amphora_id)
        if self.peer_id is not None:
            requests.check_id("peer_id", self.peer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRegisteredPath:
    """A path with how many of the distributor's own amphorae announce it."""

    path: RegisteredPath
    state: PathState
    announcing_count: int


class RegisteredPathResponse(types.BaseType):
    """A path of a registered amphora."""

    amphora_id = wtypes.wsattr(Uuid)
    vip_address = wtypes.wsattr(types.IPAddressType())
    next_hop = wtypes.wsattr(types.IPAddressType())
    state = wtypes.wsattr(Text)
    reason = wtypes.wsattr(Text)
    announcing_count = wtypes.wsattr(int)


class AmphoraRegistrationResponse(types.BaseType):
    """Amphorae that a distributor's own announce."""

    id = wtypes.wsattr(Uuid)
    distributor_id = wtypes.wsattr(Uuid)
    load_balancer_id = wtypes.wsattr(Uuid)
    amphora_id = wtypes.wsattr(Uuid)
    peer_id = wtypes.wsattr(Uuid)
    draining = wtypes.wsattr(bool)
    drain_deadline = wtypes.wsattr(Moment)
    paths = wtypes.wsattr([RegisteredPathResponse])
    created_at = wtypes.wsattr(Moment)
    updated_at = wtypes.wsattr(Moment)


class AmphoraRegistrationRootResponse(types.BaseType):
    """One registration."""

    amphora = wtypes.wsattr(AmphoraRegistrationResponse)


class AmphoraRegistrationsRootResponse(types.BaseType):
    """Registrations, and links to the pages before and after."""

    amphorae = wtypes.wsattr([AmphoraRegistrationResponse])
    amphorae_links = wtypes.wsattr([types.PageType])


def registration_from(body: Any) -> AmphoraRegistration:
    """Read the body of a POST; it gets an id.

    :raises InvalidRequest: with the path of the offending field.
    """
    given = requests.under(ROOT, body)
    request = codec.read(AmphoraRegistrationRequest, given)
    return AmphoraRegistration(
        id=new_id(),
        load_balancer_id=request.load_balancer_id,
        amphora_id=request.amphora_id,
        peer_id=request.peer_id,
    )


def response_of(
    record: RegistrationRecord, paths: Sequence[ShownRegisteredPath]
) -> AmphoraRegistrationResponse:
    """Make the response of a registration."""
    registration = record.registration
    return AmphoraRegistrationResponse(
        id=registration.id,
        distributor_id=record.distributor_id,
        load_balancer_id=registration.load_balancer_id,
        amphora_id=registration.amphora_id,
        peer_id=registration.peer_id,
        draining=registration.drain_wanted_since is not None,
        drain_deadline=moment(registration.drain_deadline),
        paths=[_of_path(shown) for shown in paths],
        created_at=moment(record.created_at),
        updated_at=moment(record.updated_at),
    )


def _of_path(shown: ShownRegisteredPath) -> RegisteredPathResponse:
    return RegisteredPathResponse(
        amphora_id=shown.path.amphora_id,
        vip_address=str(shown.path.vip_ip),
        next_hop=str(shown.path.nexthop_ip),
        state=shown.state.value,
        reason=shown.path.reason,
        announcing_count=shown.announcing_count,
    )
