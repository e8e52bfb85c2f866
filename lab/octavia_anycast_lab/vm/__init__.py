# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab whose amphorae are virtual machines, booted by Nova."""
