# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Clients of octavia-anycast.

:mod:`octavia_anycast_client.sdk` extends openstacksdk and can be used by
itself; :mod:`octavia_anycast_client.osc` has the commands of ``openstack``.
Neither knows the rest of octavia-anycast, only its API.
"""
