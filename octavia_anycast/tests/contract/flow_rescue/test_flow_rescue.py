# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Connections go on when the fabric hashes them to another member."""

import pytest

from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    echoes,
)

FAMILIES = pytest.mark.parametrize("version", [4, 6])


@FAMILIES
def test_without_it_a_connection_is_reset(bench, version):
    """The control: this is what it is for."""
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert not echoes(connection)


@FAMILIES
def test_a_connection_goes_on_at_another_member(bench, version):
    bench.switch_on()
    bench.route(1)
    connection = bench.connect(version)
    assert echoes(connection)
    bench.route(2)
    assert echoes(connection)
    assert echoes(connection)
    one, two, three = bench.members
    assert two.own().floods == 1
    assert two.of(one).probes == two.of(three).probes == 1
    assert two.of(one).learned == 1
    assert two.of(one).carried > 0
    assert one.of(two).delivered > 0
    bench.route(3)
    assert echoes(connection)
    bench.route(1)
    assert echoes(connection)
