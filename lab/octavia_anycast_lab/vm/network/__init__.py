# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The network of the lab of virtual machines: racks, ports, their filter.

racks       a hypervisor's namespace for each rack: bridges and cables
mechanism   inside Neutron: binds ports as taps, says what has changed
agent       beside each hypervisor: plugs taps, filters them by Neutron
rules       what a port may send and get, as Neutron says it; pure
nft         the same as a ruleset of nftables, and what it has dropped
"""
