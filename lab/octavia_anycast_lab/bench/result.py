# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a benchmark yields, the file it goes to, the table that is shown.

``ours`` and ``peer`` are medians over ``runs``; ``ratio`` is the median of
the ratios within each run. ``expected`` was written down before the first
measurement. ``load`` is the machine's load (1 minute) before and after.
"""

import collections.abc
import dataclasses
import json
import math
import os
import pathlib
import statistics

RESULTS = pathlib.Path("bench/results/latest.json")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the project wants: ``quantity`` is "ours" or "ratio"."""

    quantity: str
    limit: float
    is_upper: bool = True

    def __str__(self) -> str:
        sign = "<=" if self.is_upper else ">="
        return f"{self.quantity} {sign} {self.limit:g}"

    def is_met(self, ours: float, ratio: float | None) -> bool | None:
        """None if the quantity was not measured."""
        value = ours if self.quantity == "ours" else ratio
        if value is None:
            return None
        return value <= self.limit if self.is_upper else value >= self.limit


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's raw values; ``detail`` is kept beside them."""

    ours: float
    peer: float | None = None
    detail: collections.abc.Mapping[str, object] | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, measured within this run."""
        return None if not self.peer else self.ours / self.peer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table."""

    name: str
    unit: str
    ours: float
    peer: float | None
    ratio: float | None
    target: str | None
    met: bool | None
    expected: str
    runs: tuple[Run, ...]
    load: collections.abc.Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is measured, and what its author expects."""

    name: str
    unit: str
    expected: str
    target: Target | None = None

    def answer(
        self, runs: collections.abc.Sequence[Run], load_before: float
    ) -> Result:
        """Medians of the runs.

        :raises ValueError: there was none.
        """
        if not runs:
            raise ValueError(f"{self.name}: no run")
        ours = statistics.median(run.ours for run in runs)
        peers = [run.peer for run in runs if run.peer is not None]
        ratios = [run.ratio for run in runs if run.ratio is not None]
        ratio = statistics.median(ratios) if ratios else None
        return Result(
            name=self.name,
            unit=self.unit,
            ours=ours,
            peer=statistics.median(peers) if peers else None,
            ratio=ratio,
            target=None if self.target is None else str(self.target),
            met=self.target.is_met(ours, ratio) if self.target else None,
            expected=self.expected,
            runs=tuple(runs),
            load={"before": load_before, "after": load()},
        )


def quantile(values: collections.abc.Collection[float], rank: float) -> float:
    """The smallest value that so large a share of them does not exceed.

    :raises ValueError: there is none.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[math.ceil(rank * len(values)) - 1]


def load() -> float:
    """The machine's load average over one minute."""
    return round(os.getloadavg()[0], 2)


def store(
    path: pathlib.Path, results: collections.abc.Iterable[Result]
) -> None:
    """Put results into the file; those of other benchmarks stay."""
    kept: dict[str, dict[str, object]] = {}
    if path.exists():
        for item in json.loads(path.read_text("utf-8")):
            kept[item["name"]] = item
    for result in results:
        kept[result.name] = _plain(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(list(kept.values()), indent=1) + "\n")
    draft.replace(path)


def table(results: collections.abc.Iterable[Result]) -> str:
    """All results for a person."""
    header = ("name", "unit", "ours", "peer", "ratio", "target", "met", "load")
    rows = [header, *(_row(result) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _plain(result: Result) -> dict[str, object]:
    content = dataclasses.asdict(result)
    content["runs"] = [
        {key: value for key, value in run.items() if value is not None}
        for run in content["runs"]
    ]
    return content


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        result.unit,
        _number(result.ours),
        _number(result.peer),
        _number(result.ratio),
        result.target or "-",
        {None: "-", True: "yes", False: "NO"}[result.met],
        f"{result.load['before']:.1f}-{result.load['after']:.1f}",
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
