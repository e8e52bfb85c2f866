# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``make bench NAME=rescue``: what flow rescue saves, and what it costs."""
