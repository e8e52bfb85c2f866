# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The domain: frozen types and nothing else.

Layer: the lowest. Standard library only, no I/O, no clock, no logging.
"""
