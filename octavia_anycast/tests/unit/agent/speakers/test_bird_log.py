# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the BIRD driver logs of a change of paths."""

import logging
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import Path, Wish
from octavia_anycast.agent.speakers.bird import bird
from octavia_anycast.model.bgp import Peer, Speaker

PEER = Peer(id="p1", peer_ip=ip_address("172.31.0.11"), remote_as=65001)
SPEAKER = Speaker(id="s1", ip_version=4, local_as=65100, peers=(PEER,))


def path(number, **changes):
    made = Path(
        vip_ip=ip_address("198.18.0.0") + number,
        nexthop_ip=ip_address("10.1.0.20"),
        peer_id="p1",
    )
    return replace(made, **changes)


@pytest.fixture
def lines(caplog):
    """Give what is logged of a change: paths before, paths after -> lines."""

    def told(before, after):
        wish = Wish(speakers=(SPEAKER,), paths=frozenset(after))
        caplog.clear()
        with caplog.at_level(logging.INFO, logger=bird.LOG.name):
            bird._log_changes(wish, frozenset(before))
        return caplog.messages

    return told


def test_each_path_that_comes_or_goes(lines):
    kept = path(3)
    assert lines([path(1), kept], [path(2), kept]) == [
        "Announce 198.18.0.2/32 via 10.1.0.20, peer 172.31.0.11",
        "Withdraw 198.18.0.1/32 via 10.1.0.20, peer 172.31.0.11",
    ]


def test_a_path_that_drains_neither_comes_nor_goes(lines):
    drained = path(1, is_draining=True)
    assert lines([path(1)], [drained]) == []
    assert lines([drained, path(2)], [path(1)]) == [
        "Withdraw 198.18.0.2/32 via 10.1.0.20, peer 172.31.0.11"
    ]


def test_many_are_counted(lines):
    many = [path(number) for number in range(1, 102)]
    assert lines([], many) == ["Announce 101 paths"]
    assert lines(many, []) == ["Withdraw 101 paths"]


def test_paths_of_a_peer_that_is_gone_are_not_told(lines):
    assert lines([path(1, peer_id="p2")], []) == []
