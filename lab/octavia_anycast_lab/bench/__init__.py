# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``make bench``: figures and ratios. They never decide a test."""
