# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What we add to Octavia's API, and the root that serves both.

Layer: beside provider and controller. Pecan and WSME never leave it.
"""
