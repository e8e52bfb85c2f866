# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Held connections: whose they are, and which ones may not break."""

from types import SimpleNamespace
from typing import Any

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora.sockets import Connection
from octavia_anycast_lab.chaos import held
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Lost, Toll, lost_owners
from octavia_anycast_lab.traffic.traffic_record import Outcome, Record

V4, V6 = "198.51.100.7", "2001:db8::7"
OWNERS = {
    Connection(V4, 80, 4001): "amp-a",
    Connection(V4, 80, 4002): "amp-b",
    Connection(V6, 80, 4001): "amp-b",
}
VICTIM: Any = SimpleNamespace(label="amp-a", zone="rack1")
AMPHORAE: Any = (
    VICTIM,
    SimpleNamespace(label="amp-b", zone="rack2"),
    SimpleNamespace(label="amp-c", zone="rack1"),
)


def asked(
    flow: int,
    port: int | None,
    outcome: Outcome = Outcome.OK,
    start: float = 100.0,
) -> Record:
    return Record(
        start=start, duration_ms=5.0, outcome=outcome, flow=flow, port=port
    )


def test_what_is_answered_is_held_by_its_owner() -> None:
    records = {
        V4: [asked(0, 4001), asked(1, 4002), asked(0, 4001)],
        V6: [asked(0, 4001)],
    }
    found = held.judge(records, OWNERS, 99.0)
    assert dict(found.held) == {"amp-a": 1, "amp-b": 2}
    assert (found.broken, found.remade) == ((), 0)


@pytest.mark.parametrize(
    "outcome", [Outcome.RESET, Outcome.TIMEOUT, Outcome.INCOMPLETE]
)
def test_a_break_names_connection_owner_and_way(outcome: Outcome) -> None:
    records = {
        V4: [asked(0, 4001, outcome, 102.5), asked(1, 4002, outcome, 103.0)]
    }
    found = held.judge(records, OWNERS, 100.0)
    (one,) = found.broken_of_others({"amp-a"})
    assert str(one) == (
        f"from client port 4002 to {V4}, port 80, owned by amp-b: {outcome} "
        "of a request 3.0 s after the first fault began"
    )
    assert len(found.broken_of_others(())) == 2
    assert not found.broken_of_others({"amp-a", "amp-b"})


def test_one_that_ended_tidily_is_made_anew_and_held_again() -> None:
    owners = {**OWNERS, Connection(V4, 80, 4009): "amp-b"}
    records = {
        V4: [asked(0, 4001), asked(0, 4009), asked(0, 4009, Outcome.RESET)]
    }
    found = held.judge(records, owners, 99.0)
    assert found.remade == 1
    assert [one.owner for one in found.broken] == ["amp-b"]


class Machines:
    """Amphorae whose kernels have the connections of OWNERS."""

    def instances(self) -> tuple[Any, ...]:
        return AMPHORAE

    @staticmethod
    def established(_: Any, instance: Any) -> set[Connection]:
        return {c for c, owner in OWNERS.items() if owner == instance.label}


def test_who_owns_them_and_which_broke_is_known_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held.hypervisor, "Hypervisor", lambda _: Machines())
    monkeypatch.setattr(held.sockets, "established", Machines.established)
    records = {V4: [asked(0, 4001), asked(1, 4002)], V6: [asked(0, 4001)]}
    generators: Any = {
        vip: SimpleNamespace(records=lambda vip=vip: tuple(records[vip]))
        for vip in records
    }
    holding = held.Held(settings.Lab(name="held"), generators)
    holding.look()
    assert holding.counts() == {"amp-a": 1, "amp-b": 2}
    assert holding.broken() == ()
    records[V4].append(asked(0, 4001, Outcome.RESET))
    (one,) = holding.broken()
    assert one.owner == "amp-a"
    records[V4].append(asked(0, 4003))  # made anew, by whom nobody knows yet
    holding.look()
    assert holding.counts() == {"amp-b": 2}
    assert len(holding.broken()) == 1


def test_what_was_never_open_does_not_break() -> None:
    records = {V4: [asked(0, 4001), asked(0, None, Outcome.REFUSED)]}
    assert not held.judge(records, OWNERS, 99.0).broken


def test_a_break_without_a_known_owner_may_be_a_lost_ones() -> None:
    records = {V4: [asked(0, 4001), asked(0, 4444, Outcome.RESET)]}
    found = held.judge(records, OWNERS, 99.0)
    assert not found.broken_of_others({"amp-a"})
    (one,) = found.broken_of_others(())
    assert "owned by an amphora unknown" in str(one)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (("speaker-hangs",), ()),
        (("agent-killed", "spine-lost"), ()),
        (("amphora-killed",), ("amp-a",)),
        (("spine-lost", "front-end-silent"), ("amp-a",)),
        (("leaf-reboots",), ("amp-a", "amp-c")),
        (("haproxy-killed", "leaf-reboots"), ("amp-a", "amp-c")),
    ],
)
def test_whose_connections_a_round_may_break(
    names: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    chosen = [FAULTS[name] for name in names]
    assert lost_owners(chosen, VICTIM, AMPHORAE) == set(lost)


def test_every_fault_that_costs_nothing_keeps_all() -> None:
    for fault in FAULTS.values():
        assert fault.lost is None or fault.toll is not Toll.NOTHING


def test_a_link_that_carries_no_packet_is_what_loses() -> None:
    names = {name for name, f in FAULTS.items() if f.lost is Lost.LINK}
    assert names == {
        *("front-end-down", "front-end-silent"),
        *("both-links-down", "both-links-silent"),
        *("front-end-mute", "front-end-deaf"),
    }
