# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our rules as the lab has them, and every query of rules and board. Pure.

A lab shows in seconds what takes minutes elsewhere, so ``for`` of each alert
is shorter: a minute is a second. Nothing else of a rule is changed.
"""

import collections.abc
import copy
import json
import re
import typing

import yaml

SECONDS_OF_A_MINUTE = 1.0
Rules = dict[str, typing.Any]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+)([smhd])")
# A count over a range: rate(...[5m]), increase(...[10m]).
_COUNTED = re.compile(r"(?:rate|increase)\s*\([^][]*\[(\w+)\]")
_SERIES = re.compile(r"octavia_anycast[a-z_:0-9]+(?:\{[^}]*\})?")


def read(text: str) -> Rules:
    """The rules of a file."""
    return dict(yaml.safe_load(text))


def write(rules: Rules) -> str:
    """The file of rules."""
    return str(yaml.safe_dump(rules, sort_keys=False))


def shortened(rules: Rules) -> Rules:
    """The same rules; where they wait for a minute, these wait a second.

    :raises ValueError: a duration cannot be read.
    """
    made = copy.deepcopy(rules)
    for rule in every(made):
        if "for" in rule:
            minutes = seconds(rule["for"]) / _UNITS["m"]
            rule["for"] = f"{round(minutes * SECONDS_OF_A_MINUTE * 1000)}ms"
    return made


def seconds(duration: str) -> float:
    """Seconds of a duration as Prometheus writes it, such as 1h30m.

    :raises ValueError: it is none.
    """
    parts = _DURATION.findall(duration)
    if not parts or "".join(map("".join, parts)) != duration:
        raise ValueError(f"{duration!r} is no duration of Prometheus")
    return sum(int(count) * _UNITS[unit] for count, unit in parts)


def memory_seconds(expression: str) -> float:
    """The longest range that an expression looks back over; 0: none.

    What is looked up by ``last_over_time`` is not counted.
    """
    return max(map(seconds, _COUNTED.findall(expression)), default=0.0)


def every(rules: Rules) -> collections.abc.Iterator[dict[str, typing.Any]]:
    """Every rule of every group."""
    for group in rules["groups"]:
        yield from group["rules"]


def alerts(rules: Rules) -> dict[str, dict[str, typing.Any]]:
    """Name -> rule of each alert."""
    return {rule["alert"]: rule for rule in every(rules) if "alert" in rule}


def recorded(rules: Rules) -> tuple[str, ...]:
    """The names under which results are recorded."""
    return tuple(rule["record"] for rule in every(rules) if "record" in rule)


def series_of(rules: Rules) -> tuple[str, ...]:
    """Every selector of series that a rule reads, each once, in order.

    An alert's own expression has no result while nothing is wrong; what it
    reads has to be there all the same.
    """
    found = (
        selector
        for rule in every(rules)
        for selector in _SERIES.findall(rule["expr"])
    )
    return tuple(dict.fromkeys(found))


def board_queries(board: str) -> tuple[str, ...]:
    """Every query of a board, each once, in order."""
    return tuple(
        dict.fromkeys(
            target["expr"]
            for panel in json.loads(board)["panels"]
            for target in panel["targets"]
        )
    )
