# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor: what is wrong between amphorae and fabric, and what to type.

Each check is a function of :class:`.seen.Seen`, listed in :mod:`.checks`.
"""
