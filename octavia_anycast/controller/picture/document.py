# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""JSON documents with a bound, and texts that are cut to fit.

Names are people's: of any length, with any character. JSON escapes them; the
page puts them in as text.

Layer: controller. Pure.
"""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BYTES_MAX = 300_000
CUT = "…"


@dataclass(frozen=True, slots=True)
class Packed:
    """A document, and the same as gzip packs it."""

    plain: bytes
    packed: bytes


def encoded(value: Any) -> bytes:
    """A value as JSON, in few octets."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def packed(value: Any) -> Packed:
    """A value as a document."""
    plain = encoded(value)
    return Packed(plain, gzip.compress(plain, compresslevel=1))


def cut(text: str, bytes_max: int) -> str:
    """A text whose JSON is no longer than that; a cut one ends with an …"""
    if len(encoded(text)) - 2 <= bytes_max:
        return text
    left = bytes_max - len(CUT.encode())
    kept = []
    for character in text:
        left -= len(encoded(character)) - 2
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + CUT


def first_that_fit(rows: Iterable[Any], bytes_max: int) -> list[Any]:
    """The rows, as many as JSON of that length holds."""
    kept = []
    for row in rows:
        bytes_max -= len(encoded(row)) + 1
        if bytes_max < 0:
            break
        kept.append(row)
    return kept


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch, as JavaScript counts."""
    return int(at.timestamp() * 1000)
