# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Prometheus in the lab: our rules on what the lab's controllers serve."""
