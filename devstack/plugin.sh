#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# DevStack calls this after Octavia's plugin, once in each phase.

function install_octavia_anycast {
    setup_develop "$OCTAVIA_ANYCAST_DIR"
}

function configure_octavia_anycast {
    local providers
    providers=$(iniget "$OCTAVIA_CONF" api_settings enabled_provider_drivers)
    iniset "$OCTAVIA_CONF" api_settings enabled_provider_drivers \
        "${providers:-amphora:The Octavia Amphora driver},anycast:Active-active by BGP"
    iniset "$OCTAVIA_CONF" anycast cluster_size \
        "$OCTAVIA_ANYCAST_CLUSTER_SIZE"
    iniset "$OCTAVIA_CONF" anycast heartbeat_bind_port \
        "$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
    iniset "$OCTAVIA_CONF" anycast coordination_url \
        "file://$DATA_DIR/octavia-anycast"
}

function start_octavia_anycast {
    local bin address
    bin=$(get_python_exec_prefix)
    # Octavia's plugin knows it only now: the port is made in this phase.
    address=$(iniget "$OCTAVIA_CONF" health_manager bind_ip)
    iniset "$OCTAVIA_CONF" anycast heartbeat_controllers \
        "$address:$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
    "$bin/octavia-anycast-manage" --config-file "$OCTAVIA_CONF" db upgrade
    run_process octavia-anycast-controller \
        "$bin/octavia-anycast-controller --config-file $OCTAVIA_CONF"
}

if is_service_enabled octavia-anycast-controller; then
    if [[ "$1" == "stack" && "$2" == "install" ]]; then
        install_octavia_anycast
    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        configure_octavia_anycast
    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        start_octavia_anycast
    elif [[ "$1" == "unstack" ]]; then
        stop_process octavia-anycast-controller
    elif [[ "$1" == "clean" ]]; then
        rm -rf "$DATA_DIR/octavia-anycast"
    fi
fi
