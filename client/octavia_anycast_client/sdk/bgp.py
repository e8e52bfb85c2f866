# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP: peer profiles, and the speakers that they are registered with."""

from typing import Any

from openstack import exceptions, resource, utils

from octavia_anycast_client.sdk.resource import Resource

MASK = "***"


class BgpPeer(Resource):
    """A BGP peer profile: one neighbour of every amphora it selects."""

    kind = "BGP peer"
    resource_key = "bgp_peer"
    resources_key = "bgp_peers"
    base_path = "/lbaas/bgp-peers"

    _query_mapping = resource.QueryParameters(
        "id",
        "name",
        "peer_ip",
        "remote_as",
        "peer_port",
        "auth_type",
        "ttl_hops",
        "hold_time",
        "keepalive_interval",
        "peering_network",
        "availability_zone",
        "compute_host",
        "max_prefixes",
        "as_path_prepend",
        "med",
        "local_pref",
        "created_at",
        "updated_at",
        "sort",
    )

    #: Its name.
    name = resource.Body("name")
    #: Its address.
    peer_ip = resource.Body("peer_ip")
    #: Its AS. *Type: int*
    remote_as = resource.Body("remote_as", type=int)
    #: The TCP port that it listens on. *Type: int*
    peer_port = resource.Body("peer_port", type=int)
    #: ``md5`` or None.
    auth_type = resource.Body("auth_type")
    #: Write-only, and forgotten as soon as it was sent.
    password = resource.Body("password")
    #: Hops that a packet may travel, by GTSM (RFC 5082). *Type: int*
    ttl_hops = resource.Body("ttl_hops", type=int)
    #: Seconds; 0 or at least 3. *Type: int*
    hold_time = resource.Body("hold_time", type=int)
    #: Seconds; at most a third of the hold time. *Type: int*
    keepalive_interval = resource.Body("keepalive_interval", type=int)
    #: ``min_tx_ms``, ``min_rx_ms`` and ``multiplier``, or None. *Type: dict*
    bfd = resource.Body("bfd")
    #: ``management`` or ``frontend``.
    peering_network = resource.Body("peering_network")
    #: The amphorae that it is for; None for all.
    availability_zone = resource.Body("availability_zone")
    #: The amphorae that it is for; None for all.
    compute_host = resource.Body("compute_host")
    #: Prefixes that may be announced to it. *Type: int*
    max_prefixes = resource.Body("max_prefixes", type=int)
    #: Communities of what is announced to it. *Type: list of str*
    communities = resource.Body("communities", type=list)
    #: How often the own AS is prepended. *Type: int*
    as_path_prepend = resource.Body("as_path_prepend", type=int)
    #: MULTI_EXIT_DISC. *Type: int*
    med = resource.Body("med", type=int)
    #: LOCAL_PREF. *Type: int*
    local_pref = resource.Body("local_pref", type=int)
    #: The speakers that it is registered with. *Type: list of dicts*
    speakers = resource.Body("speakers", type=list)
    #: When it was created.
    created_at = resource.Body("created_at")
    #: When it was last changed.
    updated_at = resource.Body("updated_at")

    def __repr__(self) -> str:
        """As any resource, but without the password."""
        shown = self.to_dict(computed=False)
        if shown.get("password") is not None:
            shown["password"] = MASK
        return f"{type(self).__name__}({shown!r})"

    def _translate_response(self, *args: Any, **kwargs: Any) -> None:
        self._body.attributes.pop("password", None)
        dict.update(self, password=None)
        super()._translate_response(*args, **kwargs)


class BgpSpeaker(Resource):
    """The BGP speaker of a distributor for one IP version."""

    kind = "BGP speaker"
    resource_key = "bgp_speaker"
    resources_key = "bgp_speakers"
    base_path = "/lbaas/bgp-speakers"

    _query_mapping = resource.QueryParameters(
        "id",
        "distributor_id",
        "ip_version",
        "local_as",
        "driver",
        "created_at",
        "updated_at",
        "sort",
    )

    #: Its distributor.
    distributor_id = resource.Body("distributor_id")
    #: That of its sessions: 4 or 6. *Type: int*
    ip_version = resource.Body("ip_version", type=int)
    #: The amphorae's AS. *Type: int*
    local_as = resource.Body("local_as", type=int)
    #: ``exabgp`` or ``bird``.
    driver = resource.Body("driver")
    #: The ids of its peers. *Type: list of dicts*
    peers = resource.Body("peers", type=list)
    #: When it was created.
    created_at = resource.Body("created_at")
    #: When it was last changed.
    updated_at = resource.Body("updated_at")

    def register(self, session: Any, peer_id: str) -> "BgpSpeaker":
        """Register a peer; the speaker as it is then."""
        response = session.put(self._registration(peer_id))
        self._translate_response(response)
        return self

    def unregister(self, session: Any, peer_id: str) -> None:
        """Unregister a peer."""
        response = session.delete(self._registration(peer_id))
        exceptions.raise_from_response(response)

    def _registration(self, peer_id: str) -> str:
        return str(
            utils.urljoin(self.base_path, self.id, "bgp-peers", peer_id)
        )
