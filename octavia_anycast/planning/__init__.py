# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Planning: what is to be done, from what is wanted and what is seen.

Layer: above the model only. Pure functions: no I/O, no clock (``now`` is a
parameter), no logging. Every decision of the controller is made here.
"""
