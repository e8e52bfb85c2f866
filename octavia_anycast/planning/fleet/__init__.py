# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Decisions about many clusters at once.

Layer: planning. Pure.
"""
