# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tempest's tests ended with, compared with the list of skips. Pure.

The list is TOML: tables ``skip`` (a test skips itself) and ``left-out``
(it is not run), each with ``tests`` (a regular expression of ids),
``count`` and ``why``. A skip that the list has not, or a count that is
another, is wrong: the list is what readers are told.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# How a class that is skipped as a whole, or cannot be set up, is called.
_CLASS = re.compile(r"(?:setUpClass|tearDownClass) \((.*)\)")
SUCCESS, SKIP, FAIL = "success", "skip", "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One test, or a class as a whole; ``id`` is its dotted name."""

    id: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Tests that are skipped or left out, and why."""

    tests: re.Pattern[str]
    count: int
    why: str

    def is_of(self, part: str) -> bool:
        """Whether it is about tests whose ids begin so."""
        pattern = self.tests.pattern.replace("\\", "")
        return pattern.startswith(f"^{part}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The list."""

    skips: tuple[Entry, ...]
    left_out: tuple[Entry, ...]

    @classmethod
    def read(cls, text: str) -> "Expected":
        """Read the TOML.

        :raises KeyError: an entry lacks something.
        """
        content = tomllib.loads(text)
        return cls(
            skips=tuple(map(_entry, content.get("skip", ()))),
            left_out=tuple(map(_entry, content.get("left-out", ()))),
        )


def _entry(table: dict[str, str | int]) -> Entry:
    return Entry(
        tests=re.compile(str(table["tests"])),
        count=int(table["count"]),
        why=str(table["why"]),
    )


def read(lines: Iterable[str]) -> tuple[Result, ...]:
    """The results that ``read_subunit.py`` printed."""
    found = []
    for line in lines:
        content = json.loads(line)
        name = content["id"].partition("[")[0]
        as_class = _CLASS.fullmatch(name)
        found.append(
            Result(
                id=as_class[1] if as_class else name,
                status=content["status"],
                reason=content["reason"],
            )
        )
    return tuple(found)


def chosen(
    listed: Iterable[str], expected: Expected, part: str
) -> tuple[list[str], list[str]]:
    """Of the tests that there are: which to run, and what is wrong.

    :param part: what their ids begin with
    """
    wanted = sorted(name for name in listed if name.startswith(part))
    wrong = []
    for entry in expected.left_out:
        count = sum(bool(entry.tests.search(name)) for name in wanted)
        if entry.is_of(part) and count != entry.count:
            wrong.append(
                f"left out: {entry.tests.pattern} are {count} tests, not "
                f"{entry.count}"
            )
    return [n for n in wanted if not _is_left_out(n, expected)], wrong


def _is_left_out(name: str, expected: Expected) -> bool:
    return any(entry.tests.search(name) for entry in expected.left_out)


def failures(results: Iterable[Result], part: str) -> Iterator[str]:
    """The tests that failed, in sentences; or that there was none at all."""
    results = tuple(results)
    if not results:
        yield f"{part}: no test has run"
    for result in results:
        if result.status not in (SUCCESS, SKIP):
            yield f"{result.id} failed"


def other_skips(
    results: Iterable[Result], expected: Expected, part: str
) -> Iterator[str]:
    """In what the skips differ from the list, in sentences."""
    skipped = [result for result in results if result.status == SKIP]
    for entry in expected.skips:
        if not entry.is_of(part):
            continue
        count = sum(bool(entry.tests.search(r.id)) for r in skipped)
        if count != entry.count:
            yield f"{entry.tests.pattern} skipped {count}, not {entry.count}"
    for result in skipped:
        if not any(entry.tests.search(result.id) for entry in expected.skips):
            yield f"{result.id} is skipped and not listed: {result.reason}"
