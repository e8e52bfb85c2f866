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
    iniset "$OCTAVIA_CONF" anycast heartbeat_controllers \
        "$OCTAVIA_MGMT_PORT_IP:$OCTAVIA_ANYCAST_HEARTBEAT_PORT"
    iniset "$OCTAVIA_CONF" anycast coordination_url \
        "file://$DATA_DIR/octavia-anycast"
    # Octavia's API, with /v2/lbaas/distributors beside the rest.
    local uwsgi="$OCTAVIA_CONF_DIR/octavia-uwsgi.ini"
    if [ -e "$uwsgi" ]; then
        iniset "$uwsgi" uwsgi module octavia_anycast.wsgi.api:application
        inidelete "$uwsgi" uwsgi wsgi-file
    fi
}

function start_octavia_anycast {
    local bin
    bin=$(get_python_exec_prefix)
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
