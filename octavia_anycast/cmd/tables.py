# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What commands print: tables for people, JSON for programs.

Layer: cmd.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

NONE = "-"
Row = Sequence[Any]


def say(text: str) -> None:
    """Print one line.

    A name is a tenant's text: what would move the cursor, or begin another
    line, is printed as a question mark.
    """
    line = "".join(c if c.isprintable() else "?" for c in text)
    sys.stdout.write(f"{line}\n")


def show(header: Row, rows: Iterable[Row]) -> None:
    """Print a table, each column as wide as its widest cell."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        say("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def show_json(document: Any) -> None:
    """Print a JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, sort_keys=True) + "\n")


def age(moment: datetime, now: datetime) -> str:
    """Say how long ago a moment was."""
    return f"{(now - moment).total_seconds():.0f} s ago"
