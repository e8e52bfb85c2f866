#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# DevStack calls this after Octavia's plugin, once in each phase.

# speakerd of an amphora: the port after that of Octavia's agent.
OCTAVIA_ANYCAST_SPEAKERD_PORT=9444

function install_octavia_anycast {
    # Not by setup_develop, which looks for the name of a project in setup.cfg.
    setup_package -bindep=build "$OCTAVIA_ANYCAST_DIR" -e etcd
}

function configure_octavia_anycast {
    local providers
    providers=$(iniget "$OCTAVIA_CONF" api_settings enabled_provider_drivers)
    providers=${providers:-amphora:The Octavia Amphora driver}
    # It is there if the host is stacked again.
    if [[ ",${providers//, /,}" != *,anycast:* ]]; then
        iniset "$OCTAVIA_CONF" api_settings enabled_provider_drivers \
            "$providers,anycast:Active-active by BGP"
    fi
    iniset "$OCTAVIA_CONF" anycast cluster_size \
        "$OCTAVIA_ANYCAST_CLUSTER_SIZE"
    iniset "$OCTAVIA_CONF" anycast heartbeat_bind_port \
        "$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
    iniset "$OCTAVIA_CONF" anycast coordination_url \
        "$OCTAVIA_ANYCAST_COORDINATION_URL"
    if [[ ! "$OCTAVIA_NODE" =~ ^(standalone|api)$ &&
        "$OCTAVIA_ANYCAST_COORDINATION_URL" == file:* ]]; then
        die $LINENO "octavia-anycast: on several nodes OCTAVIA_ANYCAST_COORDINATION_URL has to name what they share, such as etcd3+http://SERVICE_HOST:2379, and no file"
    fi
    if is_service_enabled o-api; then
        configure_octavia_anycast_api
    fi
}

# Octavia's plugin has written this file in the same phase, with Octavia's own
# application. uWSGI does not find an attribute that a module makes when it is
# asked for, as ours makes `application`; it calls what makes it.
function configure_octavia_anycast_api {
    if [[ ! -e "$OCTAVIA_UWSGI_CONF" ]]; then
        die $LINENO "octavia-anycast: $OCTAVIA_UWSGI_CONF (OCTAVIA_UWSGI_CONF) is not there: Octavia's API has to run under uWSGI"
    fi
    iniset "$OCTAVIA_UWSGI_CONF" uwsgi module "octavia_anycast.wsgi.api:build()"
    inidelete "$OCTAVIA_UWSGI_CONF" uwsgi wsgi-file
}

# Usage: accept_octavia_anycast PROTOCOL PORT
# Let packets from amphorae reach this host. Octavia's plugin has a chain that
# ends in drop, or, where there is no nft, rules of iptables. A drop is final in
# nftables, so the exception goes to the beginning of that very chain.
function accept_octavia_anycast {
    local iptables=iptables
    if sudo nft list chain inet octavia o-hm0-incoming >/dev/null 2>&1; then
        sudo nft insert rule inet octavia o-hm0-incoming \
            iifname o-hm0 "$1" dport "$2" counter accept
    else
        if [[ "$SERVICE_IP_VERSION" == 6 ]]; then
            iptables=ip6tables
        fi
        sudo $iptables -I INPUT -i o-hm0 -p "$1" --dport "$2" -j ACCEPT
    fi
}

# Usage: allow_octavia_anycast GROUP PROTOCOL PORT
# Add a rule to a security group of Octavia's plugin, which lets in nothing but
# what Octavia needs.
function allow_octavia_anycast {
    local family=()
    if [[ "$SERVICE_IP_VERSION" == 6 ]]; then
        family=(--ethertype IPv6 --remote-ip ::/0)
    fi
    openstack security group rule create --ingress --protocol "$2" \
        --dst-port "$3" "${family[@]}" "$1"
}

function open_octavia_anycast_ports {
    # Octavia's plugin makes the groups on one host.
    if [[ "$OCTAVIA_NODE" == main || "$OCTAVIA_NODE" == standalone ]]; then
        allow_octavia_anycast lb-mgmt-sec-grp \
            tcp "$OCTAVIA_ANYCAST_SPEAKERD_PORT"
        allow_octavia_anycast lb-health-mgr-sec-grp \
            udp "$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
        if [[ "$OCTAVIA_ANYCAST_PEER_ON_HOST" == True ]]; then
            allow_octavia_anycast lb-mgmt-sec-grp udp 3784
            allow_octavia_anycast lb-health-mgr-sec-grp tcp 179
            allow_octavia_anycast lb-health-mgr-sec-grp udp 3784
        fi
    fi
    accept_octavia_anycast udp "$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
    if [[ "$OCTAVIA_ANYCAST_PEER_ON_HOST" == True ]]; then
        accept_octavia_anycast tcp 179
        accept_octavia_anycast udp 3784
    fi
}

function upgrade_octavia_anycast_tables {
    local bin
    bin=$(get_python_exec_prefix)
    "$bin/octavia-anycast-manage" --config-file "$OCTAVIA_CONF" db upgrade
}

function start_octavia_anycast {
    local bin address controllers
    bin=$(get_python_exec_prefix)
    # Octavia's plugin knows it only now: the port is made in this phase.
    address=$(iniget "$OCTAVIA_CONF" health_manager bind_ip)
    controllers=$OCTAVIA_ANYCAST_HEARTBEAT_CONTROLLERS
    if [[ "$controllers" == auto ]]; then
        controllers=$address:$OCTAVIA_ANYCAST_HEARTBEAT_PORT
        if [[ "$address" == *:* ]]; then
            controllers="[$address]:$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
        fi
    fi
    iniset "$OCTAVIA_CONF" anycast heartbeat_bind_ip "$address"
    iniset "$OCTAVIA_CONF" anycast heartbeat_controllers "$controllers"
    run_process octavia-anycast-controller \
        "$bin/octavia-anycast-controller --config-file $OCTAVIA_CONF"
}

if [[ "$1" == "stack" && "$2" == "install" ]]; then
    if [[ -z "${OCTAVIA_CONF:-}" ]]; then
        die $LINENO "octavia-anycast: enable_plugin octavia has to come before enable_plugin octavia-anycast in local.conf"
    fi
    echo_summary "Installing octavia-anycast"
    install_octavia_anycast
elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
    echo_summary "Configuring octavia-anycast"
    configure_octavia_anycast
elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
    if [[ "$OCTAVIA_NODE" =~ ^(main|standalone|api)$ ]]; then
        upgrade_octavia_anycast_tables
    fi
    # A host with the API alone is not in lb-mgmt-net.
    if [[ "$OCTAVIA_NODE" != api ]] &&
        is_service_enabled octavia-anycast-controller; then
        echo_summary "Starting octavia-anycast"
        open_octavia_anycast_ports
        start_octavia_anycast
    fi
elif [[ "$1" == "unstack" ]]; then
    stop_process octavia-anycast-controller
elif [[ "$1" == "clean" ]]; then
    rm -rf "$DATA_DIR/octavia-anycast"
fi
