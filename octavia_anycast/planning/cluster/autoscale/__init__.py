# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""When a cluster is to be larger or smaller, by its load."""
