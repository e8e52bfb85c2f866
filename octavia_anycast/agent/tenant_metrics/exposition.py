# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Prometheus' text format 0.0.4: read strictly, labelled, written.

Of the format this is what HAProxy writes: gauges, counters and untyped ones,
without timestamps. All else is refused, since a scraper refuses a whole answer
for one line. The parser of prometheus_client lets pass what is none of the
format, and takes four times as long (ADR 0153).

Layer: agent. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_LABELS = re.compile(rf"(?:{_LABEL}(?:,|$))*")
_EACH_LABEL = re.compile(_LABEL)
_VALUE = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|Inf)|NaN"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? ({_VALUE})")
_COMMENT = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.*)")
_KINDS = frozenset(("gauge", "counter", "untyped"))


class Malformed(ValueError):
    """A text is not of the format; the message says why."""


@dataclass(slots=True)
class Family:
    """A metric: its samples are whole lines, without their ends."""

    name: str
    kind: str = ""
    help: str = ""
    lines: list[str] = field(default_factory=list)


def quoted(value: str) -> str:
    """A label's value as it is written."""
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n")):
        value = value.replace(plain, escaped)
    return f'"{value}"'


def read(text: str, added: dict[str, str] | None = None) -> list[Family]:
    """Read an answer, and add labels to each of its samples.

    :raises Malformed: it is not of the format, names a sample twice, or has
        a label that is to be added.
    """
    if "\0" in text:
        raise Malformed("it holds a zero byte")
    if text and not text.endswith("\n"):
        raise Malformed("its last line has no end")
    reader = _Reader(added or {})
    for line in text.split("\n"):
        if line:
            reader.take(line)
    return list(reader.families.values())


class _Reader:
    """Reads line after line."""

    def __init__(self, added: dict[str, str]) -> None:
        self.families: dict[str, Family] = {}
        self._reserved = frozenset(added)
        self._added = ",".join(f"{k}={quoted(v)}" for k, v in added.items())
        # Few sets of labels go with many names: each is looked at once.
        self._labels: dict[str, tuple[tuple[str, str], ...]] = {}
        self._samples: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    def take(self, line: str) -> None:
        if line[0] == "#":
            self._take_comment(line)
            return
        found = _SAMPLE.fullmatch(line)
        if found is None:
            raise Malformed(f"{line[:80]!r} is no sample")
        name, labels, value = found.groups()
        labels = (labels or "").removesuffix(",")
        sample = name, self._look_at(labels)
        if sample in self._samples:
            raise Malformed(f"{line[:80]!r} is there twice")
        self._samples.add(sample)
        both = ",".join(filter(None, (self._added, labels)))
        shown = f"{name}{{{both}}} {value}" if both else f"{name} {value}"
        self._family(name).lines.append(shown)

    def _take_comment(self, line: str) -> None:
        found = _COMMENT.fullmatch(line)
        if found is None:
            if line.startswith(("# HELP", "# TYPE")):
                raise Malformed(f"{line[:80]!r} names no metric")
            return
        what, name, said = found.groups()
        family = self._family(name)
        if what == "HELP":
            family.help = family.help or said
            return
        if said not in _KINDS or family.kind not in ("", said):
            raise Malformed(f"{line[:80]!r} is no type, or another one")
        if family.lines and not family.kind:
            raise Malformed(f"the type of {name} comes after its samples")
        family.kind = said

    def _family(self, name: str) -> Family:
        family = self.families.get(name)
        if family is None:
            family = self.families[name] = Family(name)
        return family

    def _look_at(self, labels: str) -> tuple[tuple[str, str], ...]:
        """Check labels; returns them in an order that says no more."""
        known = self._labels.get(labels)
        if known is not None:
            return known
        if not _LABELS.fullmatch(labels):
            raise Malformed(f"{labels[:80]!r} are no labels")
        pairs = tuple(sorted(_EACH_LABEL.findall(labels)))
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Malformed(f"{labels[:80]!r} has a label twice")
        if taken := self._reserved.intersection(names):
            raise Malformed(f"it has a label {min(taken)} already")
        self._labels[labels] = pairs
        return pairs


def merged(answers: Iterable[Iterable[Family]]) -> list[Family]:
    """Put families of one name together; the first says type and help.

    No two answers have a sample in common, because of their labels.
    """
    families: dict[str, Family] = {}
    for answer in answers:
        for family in answer:
            known = families.get(family.name)
            if known is None:
                known = Family(family.name, family.kind, family.help)
                families[family.name] = known
            known.lines += family.lines
    return list(families.values())


def written(families: Iterable[Family]) -> bytes:
    """Write families, one after the other; those without a sample not."""
    lines: list[str] = []
    for family in families:
        if not family.lines:
            continue
        if family.help:
            lines.append(f"# HELP {family.name} {family.help}")
        if family.kind:
            lines.append(f"# TYPE {family.name} {family.kind}")
        lines += family.lines
    return "".join(f"{line}\n" for line in lines).encode()
