# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab: a leaf-spine fabric, a control plane and amphorae on one machine.

Everything lives in network namespaces which the lab makes; the main network
namespace of the machine is never changed.
"""
