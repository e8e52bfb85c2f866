# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains: all amphorae of one place, out of service for a time."""

from typing import Any, Self

from openstack import exceptions, resource

from octavia_anycast_client.sdk.resource import Resource, is_id

ENDING, ENDED = "ENDING", "ENDED"


class ZoneDrain(Resource):
    """A place whose amphorae are drained, or were."""

    kind = "zone drain"
    resource_key = "zone_drain"
    resources_key = "zone_drains"
    base_path = "/lbaas/zone-drains"
    allow_commit = False

    _query_mapping = resource.QueryParameters(
        "id",
        "availability_zone",
        "compute_host",
        "peer_id",
        "expires_at",
        "ended_at",
        "created_at",
        "sort",
    )

    #: The availability zone; of the three places one is not None.
    availability_zone = resource.Body("availability_zone")
    #: The compute host.
    compute_host = resource.Body("compute_host")
    #: The BGP peer: all amphorae that have it.
    peer_id = resource.Body("peer_id")
    #: Why, in the operator's words.
    reason = resource.Body("reason")
    #: Seconds until it ends, for the request. *Type: int*
    duration = resource.Body("duration", type=int)
    #: When it ends by itself (UTC).
    expires_at = resource.Body("expires_at")
    #: Seconds for which each amphora may drain. *Type: int*
    timeout = resource.Body("timeout", type=int)
    #: Whether another amphora boots elsewhere first. *Type: bool*
    is_booting_elsewhere = resource.Body("boot_elsewhere", type=bool)
    #: Whether amphorae that cannot be missed just stay. *Type: bool*
    is_forced = resource.Body("force", type=bool)
    #: ``DRAINING``, ``DRAINED``, ``ENDING`` or ``ENDED``.
    state = resource.Body("state")
    #: How many amphorae it drains. *Type: int*
    amphora_count = resource.Body("amphora_count", type=int)
    #: How many of them wait. *Type: int*
    waiting_count = resource.Body("waiting_count", type=int)
    #: How many of them are on the way. *Type: int*
    draining_count = resource.Body("draining_count", type=int)
    #: How many of them are withdrawn. *Type: int*
    drained_count = resource.Body("drained_count", type=int)
    #: How many at the place announce or will, whoever drains them. *Type:
    #: int*
    announcing_count = resource.Body("announcing_count", type=int)
    #: How many of them are to announce again. *Type: int*
    returning_count = resource.Body("returning_count", type=int)
    #: When it was asked for (UTC).
    created_at = resource.Body("created_at")
    #: When it ended (UTC); None: it has not.
    ended_at = resource.Body("ended_at")
    #: Why it ended.
    end_reason = resource.Body("end_reason")

    @classmethod
    def of(cls, session: Any, text: str) -> Self:
        """The one of this id, or the last one of this place.

        One that has not ended comes before those that have.

        :raises openstack.exceptions.NotFoundException: without any.
        :raises openstack.exceptions.DuplicateResource: a zone and a host have
            this name, and both are drained.
        """
        if is_id(text):
            found = cls._fetched(session, text)
            if found is not None:
                return found
        named = [
            one
            for one in cls.list(session)
            if text in (one.availability_zone, one.compute_host, one.peer_id)
        ]
        active = [one for one in named if one.state != ENDED]
        if len(active) > 1:
            raise exceptions.DuplicateResource(
                f"{len(active)} zone drains are of a place {text}; give the "
                "ID of one"
            )
        if not named:
            raise exceptions.NotFoundException(
                f"No {cls.kind} found for {text}"
            )
        chosen: Self = (active or named)[0]
        return chosen
