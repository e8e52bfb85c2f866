# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Chaos: rounds are reproducible and complete; what may never be is seen."""

import ipaddress
import os

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.chaos import leftovers, schedule, watch
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Toll, toll_of
from octavia_anycast_lab.cloud import second_controller

NAMES = tuple(FAULTS)


def test_a_seed_gives_the_same_rounds() -> None:
    first = schedule.draw(7, NAMES, 50)
    assert first == schedule.draw(7, NAMES, 50)
    assert first == schedule.draw(7, tuple(reversed(NAMES)), 50)
    assert first[:20] == schedule.draw(7, NAMES, 20)
    assert first != schedule.draw(8, NAMES, 50)


def test_each_fault_is_alone_once_before_there_are_pairs() -> None:
    drawn = schedule.draw(7, NAMES, len(NAMES) + 30)
    alone, pairs = drawn[: len(NAMES)], drawn[len(NAMES) :]
    assert sorted(r.names for r in alone) == sorted((n,) for n in NAMES)
    assert all(len(set(r.names)) == 2 for r in pairs)


@pytest.mark.parametrize(("names", "rounds"), [(("a",), 1), (("a", "b"), 0)])
def test_nothing_to_draw(names: tuple[str, ...], rounds: int) -> None:
    with pytest.raises(ValueError, match="rounds"):
        schedule.draw(1, names, rounds)


def test_rounds_can_be_chosen_by_name() -> None:
    chosen = schedule.choose("agent-killed,spine-lost+api-down", NAMES)
    assert [r.names for r in chosen] == [
        ("agent-killed",),
        ("spine-lost", "api-down"),
    ]
    assert [r.number for r in chosen] == [0, 1]


@pytest.mark.parametrize("wanted", ["agent-kill", "", "api-down+"])
def test_a_name_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        schedule.choose(wanted, NAMES)


@pytest.mark.parametrize(
    ("names", "toll"),
    [
        (("agent-killed",), Toll.NOTHING),
        (("agent-killed", "speaker-killed"), Toll.ROUTES),
        (("agent-killed", "haproxy-killed"), Toll.REFUSED),
        (("haproxy-killed", "speaker-killed"), Toll.PACKETS),
        (("speaker-hangs", "speaker-killed"), Toll.PACKETS),
        (("amphora-killed", "api-down"), Toll.PACKETS),
    ],
)
def test_what_a_round_may_cost(names: tuple[str, ...], toll: Toll) -> None:
    assert toll_of(FAULTS[name] for name in names) is toll


def test_foreign_prefixes_of_amphorae_are_seen() -> None:
    ours = str(settings.AMPHORA_AS)
    answer = {
        "routes": {
            "198.51.100.1/32": [{"path": ours}],
            "198.51.100.2/32": [{"path": f"{ours} {ours}"}],
            "198.51.100.3/32": [{"path": f"65001 {ours}"}],
            "10.0.0.0/24": [{"path": ""}],
        }
    }
    allowed = frozenset((ipaddress.ip_network("198.51.100.1/32"),))
    assert watch.foreign(answer, allowed) == ["198.51.100.2/32"]


def test_an_amphora_that_is_booted_twice_is_seen() -> None:
    servers: watch.Servers = {}
    assert watch.doubles(servers, [("amp-1", "a"), ("amp-2", "b")]) == []
    assert watch.doubles(servers, [("amp-1", "a")]) == []
    assert watch.doubles(servers, [("amp-1", "c")]) == [
        "amp-1 was booted 2 times"
    ]


def test_what_is_left_on_the_fabric_is_counted() -> None:
    links = [
        {"ifname": "tap1", "master": "fe", "state": "forwarding"},
        {"ifname": "tap2", "master": "fe", "state": "disabled"},
        {"ifname": "tap3", "master": "other", "state": "forwarding"},
    ]
    assert leftovers.ports(links, "fe") == {
        "tap1": "forwarding",
        "tap2": "disabled",
    }
    rules = {"nftables": [{"metainfo": {}}, {"table": {"name": "lab_x"}}]}
    assert leftovers.tables(rules) == ["lab_x"]
    assert leftovers.down([{"flags": ["UP"]}, {"flags": ["NOARP"]}]) == 1


def test_what_is_not_as_before_is_named() -> None:
    before = {"ports": 2, "rules": 1}
    assert leftovers.changed(before, before) == {}
    assert leftovers.changed(before, {"ports": 3, "tables": 1}) == {
        "ports": (2, 3),
        "rules": (1, 0),
        "tables": (0, 1),
    }


def test_who_holds_a_lock_is_read_from_the_kernel() -> None:
    device = os.makedev(0xFE, 0)
    locks = (
        "1: POSIX  ADVISORY  WRITE 11 fe:00:7 0 EOF\n"
        "1: -> POSIX  ADVISORY  WRITE 12 fe:00:7 0 EOF\n"
        "2: FLOCK  ADVISORY  WRITE 13 fe:00:8 0 EOF\n"
    )
    assert second_controller.holders(locks, device, 7) == {11}
    assert second_controller.holders(locks, device, 9) == set()
