# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""OSC plug-in of octavia-anycast (its commands come with issue 3)."""
