# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae of load balancers, registered with a dedicated distributor."""

from typing import Any, Self

from openstack import exceptions, resource

from octavia_anycast_client.sdk.resource import Resource, is_id


class AmphoraRegistration(Resource):
    """Amphorae that a distributor's own announce, too."""

    kind = "amphora registration"
    resource_key = "amphora"
    resources_key = "amphorae"
    base_path = "/lbaas/distributors/%(owner_id)s/amphorae"
    allow_commit = False

    _query_mapping = resource.QueryParameters(
        "id",
        "load_balancer_id",
        "amphora_id",
        "peer_id",
        "drain_deadline",
        "created_at",
        "updated_at",
        "sort",
        is_draining="draining",
    )

    #: The distributor, for the request.
    owner_id = resource.URI("owner_id")
    #: The distributor.
    distributor_id = resource.Body("distributor_id")
    #: The load balancer whose amphorae are registered.
    load_balancer_id = resource.Body("load_balancer_id")
    #: The one that is; None: all, now and later.
    amphora_id = resource.Body("amphora_id")
    #: The peer that they are announced to; None: all.
    peer_id = resource.Body("peer_id")
    #: Whether its paths drain, or have been drained. *Type: bool*
    is_draining = resource.Body("draining", type=bool)
    #: When its paths are withdrawn; None: never.
    drain_deadline = resource.Body("drain_deadline")
    #: A path for each amphora and VIP. *Type: list of dicts*
    paths = resource.Body("paths", type=list)
    #: When it was registered.
    created_at = resource.Body("created_at")
    #: When it was last changed.
    updated_at = resource.Body("updated_at")

    @classmethod
    def of(cls, session: Any, owner_id: str, text: str) -> Self:
        """The one of this id, or the one of this amphora alone.

        :raises openstack.exceptions.NotFoundException: without any.
        :raises openstack.exceptions.DuplicateResource: with several for
            that amphora, each for another peer.
        """
        found: list[Self] = []
        if is_id(text):
            for name in ("id", "amphora_id"):
                query = {"owner_id": owner_id, name: text}
                found = found or list(cls.list(session, **query))
        if not found:
            raise exceptions.NotFoundException(
                f"No {cls.kind} found for {text}"
            )
        if len(found) > 1:
            raise exceptions.DuplicateResource(
                f"{len(found)} registrations are for amphora {text}; give "
                "the ID of one"
            )
        return found[0]

    def drain(self, session: Any, timeout: int | None) -> Self:
        """Ask for a drain; None: as long as the deployment says."""
        body = {} if timeout is None else {"drain": {"timeout": timeout}}
        response = session.put(self._drain_url(), json=body)
        self._translate_response(response)
        return self

    def undrain(self, session: Any) -> None:
        """Have its paths announced again."""
        response = session.delete(self._drain_url())
        exceptions.raise_from_response(response)

    def _drain_url(self) -> str:
        base = self.base_path % {"owner_id": self.owner_id}
        return f"{base}/{self.id}/drain"
