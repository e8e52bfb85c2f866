# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A file of the guide as it is on each node."""

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.ha import nodes, printed

NODES = nodes.of(settings.Lab(name="x"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("address = 192.0.2.11\n", "address = 172.31.0.32\n"),
        ("name = node1", "name = node2"),
        (
            "all = 192.0.2.11,192.0.2.12,192.0.2.13",
            "all = 172.31.0.31,172.31.0.32,172.31.0.33",
        ),
        (
            "node1=192.0.2.11,node2=192.0.2.12",
            "node1=172.31.0.31,node2=172.31.0.32",
        ),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_line_on_the_second_node(line, expected):
    assert printed.on(NODES[1], line) == expected


def test_the_first_node_has_all_as_printed_but_addresses():
    text = "node1 192.0.2.11\n192.0.2.12 192.0.2.13\n"
    expected = "node1 172.31.0.31\n172.31.0.32 172.31.0.33\n"
    assert printed.on(NODES[0], text) == expected
