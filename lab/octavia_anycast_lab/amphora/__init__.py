# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae: the image, the hypervisor, Octavia's compute driver on it."""
