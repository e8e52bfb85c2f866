# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the demonstration prints, and the statements it stands by.

Plain text, at most ``WIDTH`` columns: a longer sentence goes on in the next
line. A statement is printed only after it
was checked; one that does not hold ends the demonstration.
"""

import collections.abc
import itertools
import shlex
import textwrap
import time

from octavia_anycast_lab.progress import Progress

WIDTH = 98
Row = collections.abc.Sequence[object]
Rows = collections.abc.Iterable[Row]
_INDENT = "      "


class NotTrueError(Exception):
    """Something that the demonstration states does not hold."""


class Screen:
    """The one place that prints."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def act(self, title: str) -> None:
        """Begin a part."""
        self._line("")
        self._line(f"== {title} ".ljust(WIDTH, "="))

    def say(self, text: str) -> None:
        """A sentence, or a line that is laid out."""
        self._lines(_INDENT, text)

    def command(
        self, argv: collections.abc.Sequence[str], prompt: str = "$"
    ) -> None:
        """A command line as somebody would type it."""
        line = prompt
        for word in argv:
            quoted = shlex.quote(word)
            if len(_INDENT) + len(line) + len(quoted) + 3 > WIDTH:
                self._line(f"{_INDENT}{line} \\")
                line = "     "
            line = f"{line} {quoted}"
        self._line(_INDENT + line)

    def table(self, header: Row, rows: Rows) -> None:
        """Rows below a header; figures to the right, words to the left."""
        for line in _layout(header, rows):
            self.say(line)

    def side_by_side(
        self, left: tuple[Row, Rows], right: tuple[Row, Rows]
    ) -> None:
        """Two tables beside each other."""
        first, second = _layout(*left), _layout(*right)
        width = max(map(len, first))
        for one, other in itertools.zip_longest(first, second, fillvalue=""):
            self.say(f"{one.ljust(width)}       {other}".rstrip())

    def claim(self, holds: bool, sentence: str) -> None:
        """State a sentence that was checked.

        :raises NotTrueError: it does not hold.
        """
        if not holds:
            raise NotTrueError(sentence)
        self._lines("   +  ", sentence)

    def _lines(self, start: str, text: str) -> None:
        if len(start) + len(text) <= WIDTH:
            self._line(start + text)
            return
        for line in textwrap.wrap(
            text,
            WIDTH,
            initial_indent=start,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            self._line(line)

    def _line(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201


class Clock:
    """Says what happened, in seconds since it was made."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the time."""
        seconds = time.monotonic() - self._began
        self._screen.say(f"t = {seconds:4.1f} s  {text}")


def _layout(header: Row, rows: Rows) -> list[str]:
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    columns = []
    for column in zip(*cells, strict=True):
        width = max(map(len, column))
        is_figure = all(_is_figure(cell) for cell in column[1:])
        columns.append(
            [
                cell.rjust(width) if is_figure else cell.ljust(width)
                for cell in column
            ]
        )
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _is_figure(cell: str) -> bool:
    return cell.replace(".", "", 1).rstrip("%").isdigit()
