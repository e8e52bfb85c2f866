# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab's distributor: its racks' leaves as BGP peers, through the API."""

import collections.abc
import functools
import http
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.host import process

NAME = "lab-fabric"
PATH = "/v2/lbaas/distributors"
PEERS_PATH = "/v2/lbaas/bgp-peers"
IMMUTABLE = "immutable"
DELETED_WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2


class InUseError(Exception):
    """A load balancer uses the distributor: it cannot be deleted."""


def body(api: rest.Api, name: str = NAME) -> rest.Body:
    """What to POST: one speaker, a peer and a zone for each rack."""
    subnets = api.get(rest.NETWORK, "/v2.0/subnets")["subnets"]
    networks = api.get(rest.NETWORK, "/v2.0/networks")["networks"]
    ids = {network["name"]: network["id"] for network in networks}
    zones = []
    for leaf in settings.RACK_LEAVES:
        network_id = ids[seed.front_end_network(str(leaf.rack))]
        zones.append(
            {
                "availability_zone": leaf.rack,
                "frontend_network_id": network_id,
                "frontend_subnet_ids": [
                    subnet["id"]
                    for subnet in subnets
                    if subnet["network_id"] == network_id
                ],
            }
        )
    speaker = {
        "ip_version": 4,
        "local_as": settings.AMPHORA_AS,
        "peers": [_peer(leaf) for leaf in settings.RACK_LEAVES],
    }
    return {
        "distributor": {
            "name": name,
            "distributor_type": "L3_BGP",
            "is_default": True,
            "speakers": [speaker],
            "zones": zones,
        }
    }


def speak_bird(
    wanted: rest.Body, bfd: collections.abc.Mapping[str, int] | None = None
) -> None:
    """Make a body's speakers BIRD, with BFD to all peers if given."""
    for speaker in wanted["distributor"]["speakers"]:
        speaker["driver"] = "bird"
        if bfd is not None:
            speaker["peers"] = [
                {**peer, "bfd": dict(bfd)} for peer in speaker["peers"]
            ]


def over_front_ends(wanted: rest.Body) -> None:
    """Make a body's amphorae peer over their front ends, in both families.

    The leaves' addresses there take the place of those of the management
    network; a speaker of IPv6 is added.
    """
    (speaker,) = wanted["distributor"]["speakers"]
    sixth = {**speaker, "ip_version": 6, "peers": []}
    for leaf, peer in zip(settings.RACK_LEAVES, speaker["peers"], strict=True):
        peer |= {
            "peer_ip": str(leaf.gateway_v4.ip),
            "peering_network": "frontend",
        }
        sixth["peers"].append(
            {
                **peer,
                "name": f"{leaf.name}-v6",
                "peer_ip": str(leaf.gateway_v6.ip),
            }
        )
    wanted["distributor"]["speakers"].append(sixth)


def find(api: rest.Api, name: str = NAME) -> dict[str, typing.Any] | None:
    """The distributor of that name, if there is one."""
    answer = api.get(rest.LOAD_BALANCER, PATH)
    for distributor in answer["distributors"]:
        if distributor["name"] == name:
            return dict(distributor)
    return None


def create(api: rest.Api, name: str = NAME) -> dict[str, typing.Any]:
    """Make it.

    :raises rest.ApiError: the API refused.
    """
    answer = api.request("POST", rest.LOAD_BALANCER, PATH, body(api, name))
    return dict(answer["distributor"])


def ensure(api: rest.Api) -> dict[str, typing.Any]:
    """Find it or make it."""
    return find(api) or create(api)


def ensure_beside(api: rest.Api, wanted: rest.Body) -> str:
    """Find or make one that is not the default; returns its id.

    :param wanted: what to POST, as :func:`body` makes it
    """
    distributor = wanted["distributor"]
    found = find(api, distributor["name"])
    if found is None:
        distributor["is_default"] = False
        answer = api.request("POST", rest.LOAD_BALANCER, PATH, wanted)
        found = answer["distributor"]
    return str(found["id"])


def ensure_default(api: rest.Api) -> None:
    """Make the lab's distributor, unless one is the default already."""
    found = api.get(rest.LOAD_BALANCER, PATH)["distributors"]
    if not any(d["is_default"] or d["name"] == NAME for d in found):
        create(api)


def peers(
    api: rest.Api, distributor: dict[str, typing.Any]
) -> list[dict[str, typing.Any]]:
    """The peers of its speakers, without their passwords."""
    ids = {p["id"] for s in distributor["speakers"] for p in s["peers"]}
    found = api.get(rest.LOAD_BALANCER, PEERS_PATH)["bgp_peers"]
    return [dict(peer) for peer in found if peer["id"] in ids]


def delete(api: rest.Api, distributor_id: str) -> None:
    """Delete it with its peers, and wait until a controller has done it.

    :raises InUseError: a load balancer uses it.
    :raises TimeoutError: no controller does it.
    """
    path = f"{PATH}/{distributor_id}"
    for is_done, what in (
        (_is_accepted, f"deletion of {path} accepted"),
        (_is_gone, f"{path} deleted (does a controller run?)"),
    ):
        process.wait_until(
            functools.partial(is_done, api, path),
            DELETED_WITHIN_SECONDS,
            what,
            LOOK_EVERY_SECONDS,
        )


def _is_accepted(api: rest.Api, path: str) -> bool:
    """Whether the deletion is accepted; not while another change is made."""
    try:
        api.request("DELETE", rest.LOAD_BALANCER, f"{path}?cascade=true")
    except rest.ApiError as error:
        if error.status != http.HTTPStatus.CONFLICT:
            raise
        if IMMUTABLE not in str(error):
            raise InUseError(str(error)) from error
        return False
    return True


def _is_gone(api: rest.Api, path: str) -> bool:
    try:
        api.get(rest.LOAD_BALANCER, path)
    except rest.ApiError as error:
        if error.status != http.HTTPStatus.NOT_FOUND:
            raise
        return True
    return False


def _peer(leaf: settings.Leaf) -> dict[str, typing.Any]:
    return {
        "name": leaf.name,
        "peer_ip": str(leaf.mgmt.ip),
        "remote_as": leaf.asn,
        "auth_type": "md5",
        "password": settings.BGP_PASSWORD,
        "ttl_hops": settings.BGP_TTL_HOPS,
        "hold_time": settings.HOLD_TIME_SECONDS,
        "keepalive_interval": settings.KEEPALIVE_SECONDS,
        "availability_zone": leaf.rack,
    }
