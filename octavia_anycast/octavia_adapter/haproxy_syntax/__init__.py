# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""User's text in HAProxy's configuration: written so that it means itself
(``templates``), and refused where HAProxy would refuse it (``content``).
"""
