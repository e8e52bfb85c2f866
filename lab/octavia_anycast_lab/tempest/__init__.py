# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Tempest against the lab: our plug-in, and the API tests of Octavia."""
