# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose call it is beside real amphorae; what a zone drain broke."""

import types
import typing

import pytest
from octavia_anycast_lab.bench.simulated import (
    zone_drain,
)
from octavia_anycast_lab.bench.simulated.beside_controller import Beside
from octavia_anycast_lab.traffic import traffic_record


class Owned:
    """Knows two of the ids that are simulated."""

    ids = ("balancer", "amphora")

    def is_about(self, argument: object) -> bool:
        found = [argument] + [
            getattr(argument, name, None) for name in ("id", "amphora_id")
        ]
        return any(one in self.ids for one in found)


class Service:
    """Says who was called."""

    patience = 5

    def __init__(self, name: str) -> None:
        self.name = name

    def look(self, *arguments: object, **named: object) -> str:
        return self.name


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("server", types.SimpleNamespace(id="balancer")), "fake"),
        (("amphora", "address"), "fake"),
        ((types.SimpleNamespace(amphora_id="amphora"),), "fake"),
        (("server", None), "real"),
        ((types.SimpleNamespace(id="another"),), "real"),
        ((), "real"),
    ],
)
def test_a_call_goes_to_the_one_that_has_it(
    arguments: tuple[object, ...], expected: str
) -> None:
    known: typing.Any = Owned()
    beside = Beside(Service("real"), Service("fake"), known)
    assert beside.look(*arguments) == expected
    assert beside.patience == 5


def test_a_named_argument_says_it_too() -> None:
    known: typing.Any = Owned()
    beside = Beside(Service("real"), Service("fake"), known)
    assert beside.look(record="amphora") == "fake"


def test_what_had_ended_before_is_not_counted() -> None:
    def record(
        start: float, outcome: traffic_record.Outcome
    ) -> traffic_record.Record:
        return traffic_record.Record(
            start=start, duration_ms=2000.0, outcome=outcome
        )

    bad = traffic_record.Outcome.RESET
    found = [
        record(7.0, bad),
        record(9.0, bad),
        record(12.0, bad),
        record(12.0, traffic_record.Outcome.OK),
    ]
    assert [one.start for one in zone_drain.bad(found, 10.0)] == [9.0, 12.0]
