# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tempest plug-in: what octavia-anycast adds to the API of Octavia.

It knows the API and nothing else of octavia-anycast.
"""
