# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses: ours beside those of Octavia's own amphora provider.

``make statuses`` plays the stories with both and compares; ``octavia.json`` is
what it recorded of Octavia's with ``RECORD=1``.
"""
