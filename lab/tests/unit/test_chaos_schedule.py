# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Chaos: rounds are reproducible and complete; what may never be is seen."""

import ipaddress

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.chaos import schedule, watch
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Toll, toll_of

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


@pytest.mark.parametrize(
    ("names", "toll"),
    [
        (("agent-killed",), Toll.NOTHING),
        (("agent-killed", "speaker-killed"), Toll.ROUTES),
        (("haproxy-killed", "speaker-killed"), Toll.PACKETS),
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
