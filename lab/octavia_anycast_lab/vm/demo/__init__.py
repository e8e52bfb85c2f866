# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``make demo-vm``: a load balancer on virtual machines."""
