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
    "dedicated_count": (
        "How many amphorae of its own it has, which serve no load balancer: "
        "they announce its external VIPs and the amphorae registered with it."
    ),
    "load_balancer_count": "How many load balancers use it.",
    "amphora_count": "How many amphorae serve these, or are its own.",
    "vip_count": (
        "How many different VIPs these announce, with its external ones."
    ),
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
    "driver": (
        "The program in the amphora that speaks BGP; the same for all "
        "speakers of a distributor. Not given: that of the others, or bird "
        "where a peer has BFD, else exabgp."
    ),
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
    "bfd": "BFD timers (RFC 5880), or null; the driver bird only.",
    "min_tx_ms": "Desired minimum transmit interval, milliseconds.",
    "min_rx_ms": "Required minimum receive interval, milliseconds.",
    "multiplier": "How many packets may be missed.",
    "peering_network": (
        "The network of the amphora that the session uses; frontend: speaker "
        "and BFD run beside HAProxy and see the front end itself."
    ),
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
    "next_hop": (
        "The amphora's front-end address; of an external VIP its endpoint."
    ),
    "speaker_id": "The speaker; null if the peer is not registered any more.",
    "peer_id": (
        "The peer that is told; of an external VIP null: all peers are."
    ),
    "peer_name": "Its name; null if it is not registered any more.",
    "session_state": "The state of the session (RFC 4271); null: unknown.",
    "session_since": "Since when (UTC); null if unknown.",
    "state": (
        "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); pending: "
        "wanted, but the session is down; withdrawn."
    ),
    "reason": "Why, if it is not advertised.",
    # clusters
    "frontend_subnet_id": (
        "The subnet of the amphorae's front ends; null: one of the network "
        "for each family."
    ),
    "desired_size": "How many amphorae are wanted.",
    "min_size": "How many have to serve for it not to be in ERROR.",
    "max_size": "How many it can have at most.",
    "cooldown": "Seconds between two changes of the size.",
    "spare_count": (
        "How many amphorae stand by beside these: configured and not "
        "announced, until one is lost."
    ),
    "autoscale": (
        "The load that one amphora is to carry, by which the size is "
        "chosen; null: the size is what was asked for."
    ),
    "metric": "What is measured of each amphora.",
    "target": (
        "Per amphora: connections, sessions a second, percent of the "
        "processors, or bytes a second."
    ),
    "tolerance": "The share of the target by which it may be missed, up to "
    "0.9.",
    "scale_in_delay": "Seconds of less load before an amphora goes.",
    "scaled_at": "When its wanted size last changed (UTC); null: never.",
    "scaling_reason": "Why autoscaling changed its wanted size; empty: its "
    "user did, or nobody.",
    "spare": "Whether it stands by.",
    "cluster_type": "ACTIVE_ACTIVE: all amphorae serve at the same time.",
    "config_revision": "The configuration that the amphorae are to hold.",
    "announcing_count": (
        "How many amphorae announce it: an external VIP, or every VIP of a "
        "cluster."
    ),
    "amphorae": "Each of them; not for everybody.",
    "applied_revision": "The configuration that it was given last.",
    "announcing": "Whether it announces every VIP.",
    # amphorae
    "status": "BOOTING, ALLOCATED, PENDING_DELETE or ERROR.",
    "loadbalancer_id": "The load balancer that it serves.",
    "compute_id": "The server that it is.",
    "lb_network_ip": "Its address in the management network.",
    "ha_ip": "The VIP of its load balancer.",
    "ha_port_id": "The port of that VIP.",
    "cert_expiration": "When its certificate expires (UTC).",
    "cert_busy": "Whether its certificate is being replaced.",
    "role": "STANDALONE: it is not one of a pair.",
    "cached_zone": "The availability zone that it was booted in.",
    "image_id": "The image that it was booted from, if that is known.",
    "compute_flavor": "The flavor of its server, if that is known.",
    "frontend_ip": "Its front-end address: the next hop of the VIP.",
    "frontend_port_id": "The port of that address.",
    "frontend_interface": "The interface that has it.",
    "frontend_id": "Not used by amphorae that all serve.",
    "frontend_priority": "Not used by amphorae that all serve.",
    "vrrp_ip": "The same as frontend_ip, by Octavia's name.",
    "vrrp_port_id": "The same as frontend_port_id.",
    "vrrp_interface": "The same as frontend_interface.",
    "vrrp_id": "The same as frontend_id.",
    "vrrp_priority": "The same as frontend_priority.",
    "service_type": "loadbalancer, distributor or combined.",
    "listener_id": "The listener that is counted for.",
    "active_connections": "Connections that are open now.",
    "bytes_in": "Bytes received from clients.",
    "bytes_out": "Bytes sent to clients.",
    "request_errors": "Requests that could not be served.",
    "total_connections": "Connections there have been.",
    "reported_at": "When the amphora's agent said so (UTC).",
    "report_age": "How long ago that is, seconds.",
    # links and faults
    "href": "The address of a page.",
    "rel": "next or previous.",
    # drains
    "drain": "How it is to drain.",
    "timeout": (
        "Seconds after which it withdraws, whatever is left; counted from "
        "the first time the drain was asked for. Null: as the option "
        "drain_timeout says."
    ),
    "since": "When it was asked for (UTC); null if it was not.",
    "deadline": "When it withdraws, whatever is left (UTC).",
    "connections": (
        "Established TCP connections that are left; null if that is not known."
    ),
    "vips": "The same for each VIP.",
    # registrations of amphorae
    "draining": "Whether it was asked to drain.",
    "drain_deadline": "When its paths are withdrawn (UTC); null: never.",
    "paths": "What follows from it: a path for each amphora and VIP.",
}
