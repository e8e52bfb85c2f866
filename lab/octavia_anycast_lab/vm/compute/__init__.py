# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The hypervisors: libvirt, QEMU and nova-compute, one of each for a rack."""
