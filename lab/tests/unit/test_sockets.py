# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Connections out of what ss prints."""

from octavia_anycast_lab.amphora import sockets
from octavia_anycast_lab.amphora.sockets import Connection

PRINTED = """\
0      0       198.51.100.7:80           10.3.0.10:4001
0      0    [2001:db8::7]:81        [fd00:10:3::10]:4002
0      0 [::ffff:198.51.100.7]:80 [::ffff:10.3.0.10]:4003
"""


def test_connections_of_both_families() -> None:
    assert sockets.parse(PRINTED) == {
        Connection("198.51.100.7", 80, 4001),
        Connection("2001:db8::7", 81, 4002),
        Connection("198.51.100.7", 80, 4003),
    }
    assert not sockets.parse("")
