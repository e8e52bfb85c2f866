# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What each attribute of our resources means, for the OpenAPI document."""

DESCRIPTIONS = {
    # what many have
    "id": "Its identifier.",
    "name": "A name; it need not be unique.",
    "description": "A text for people.",
    "created_at": "When it was created (UTC).",
    "updated_at": "When it was last changed (UTC); null if never.",
    "provisioning_status": (
        "PENDING_* while the controller carries a change out; then ACTIVE, "
        "or ERROR with a status_reason."
    ),
    # distributors
    "operating_status": (
        "ONLINE: every BGP session of its amphorae is established, or it has "
        "none; DEGRADED: some are; ERROR: none is; OFFLINE: it is disabled "
        "or new."
    ),
    "status_reason": "Why it is in its status; empty if all is well.",
    "distributor_type": "The kind of distributor.",
    "enabled": (
        "Whether new load balancers may use it; those that do go on if not."
    ),
    "is_default": (
        "Whether load balancers that name no distributor use it; at most one "
        "is the default."
    ),
    "speakers": "The BGP speakers: one per IP version at most.",
    "zones": (
        "Where amphorae may be, each availability zone once. Without zones "
        "there is one, anonymous, and the VIP's network is the front end."
    ),
    "load_balancer_count": "How many load balancers use it.",
    "amphora_count": "How many amphorae serve these.",
    "vip_count": "How many different VIPs these announce.",
    "availability_zone": (
        "Of a zone: the Nova availability zone. Of a peer: the one whose "
        "amphorae peer with it; null for all."
    ),
    "frontend_network_id": (
        "The network of the amphorae's front ends; null for the VIP's own."
    ),
    "frontend_subnet_ids": (
        "Its subnets to choose from; empty: Neutron chooses one per family."
    ),
    # speakers
    "distributor_id": "The distributor that it belongs to.",
    "ip_version": (
        "The IP version of its sessions' transport. A session carries VIPs "
        "of both families."
    ),
    "local_as": "The AS number of the amphorae.",
    "driver": "The program in the amphora that speaks BGP.",
    "peers": "The peers that are registered with it.",
    # peers
    "peer_ip": "The peer's address.",
    "remote_as": "The peer's AS number.",
    "auth_type": "md5 (RFC 2385) with a password, or null.",
    "password": (
        "Write-only: no answer has it. Printable ASCII without space, quote "
        "and backslash."
    ),
    "ttl_hops": (
        "GTSM (RFC 5082): how many hops away the peer is; null switches it "
        "off."
    ),
    "hold_time": "Seconds: 0, or at least 3.",
    "keepalive_interval": (
        "Seconds, at most a third of the hold time; null for the driver's own."
    ),
    "bfd": "BFD timers (RFC 5880), or null; ExaBGP has none.",
    "min_tx_ms": "Desired minimum transmit interval, milliseconds.",
    "min_rx_ms": "Required minimum receive interval, milliseconds.",
    "multiplier": "How many packets may be missed.",
    "peering_network": "The network of the amphora that the session uses.",
    "compute_host": (
        "The compute host whose amphorae peer with it; null for all."
    ),
    "max_prefixes": "How many prefixes the peer accepts; null: not known.",
    "communities": "ASN:VALUE (RFC 1997) or ASN:VALUE:VALUE (RFC 8092).",
    "as_path_prepend": "How many times more the own AS is in the path.",
    "med": "MULTI_EXIT_DISC of the paths; null for none.",
    "local_pref": "LOCAL_PREF towards the own AS; null for none.",
    # paths
    "amphora_id": "The amphora that announces.",
    "load_balancer_id": "The load balancer that it serves.",
    "vip_address": "The VIP.",
    "prefix": "The host route.",
    "next_hop": "The amphora's front-end address.",
    "speaker_id": "The speaker; null if the peer is not registered any more.",
    "peer_id": "The peer that is told.",
    "peer_name": "Its name; null if it is not registered any more.",
    "session_state": "The state of the session (RFC 4271); null: unknown.",
    "session_since": "Since when (UTC); null if unknown.",
    "state": (
        "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); pending: "
        "wanted, but the session is down; withdrawn."
    ),
    "reason": "Why, if it is not advertised.",
    "reported_at": "When the amphora's agent said so (UTC).",
    "report_age": "How long ago that is, seconds.",
    # links and faults
    "href": "The address of a page.",
    "rel": "next or previous.",
}
