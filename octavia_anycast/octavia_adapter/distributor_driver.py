# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's interface of distributor drivers, handed on.

Layer: octavia_adapter: nobody else imports Octavia.
"""

from octavia.distributor.drivers.driver_base import DistributorDriver

__all__ = ["DistributorDriver"]
