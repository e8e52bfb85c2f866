# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's tests run where they find no interface, and nowhere else."""

import pytest

from octavia_anycast.tests.upstream import isolation


@pytest.mark.parametrize(
    "names",
    [["lo"], [], ["tunl0", "lo"], ["lo", "sit0", "ip6tnl0"]],
)
def test_a_namespace_of_its_own_is_accepted(names):
    assert isolation.complaint(names) is None


@pytest.mark.parametrize(
    "name", ["eth0", "enp1s0", "docker0", "tun0", "lo1", "tunl1", "veth0"]
)
def test_any_other_interface_is_named(name):
    assert name in isolation.complaint(["lo", name])
