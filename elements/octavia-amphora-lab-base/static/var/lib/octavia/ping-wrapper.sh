#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
#
# HAProxy's external check for health monitors of type PING. HAProxy runs it
# with an empty PATH, so every program is named by its path. iputils' ping
# takes addresses of both families.

exec /usr/bin/ping -q -n -w 1 -c 1 "$HAPROXY_SERVER_ADDR" > /dev/null 2>&1
