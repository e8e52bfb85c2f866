# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the demonstration prints, and the statements it stands by.

Plain text, at most ``WIDTH`` columns. A statement is printed only after it
was checked; one that does not hold ends the demonstration.
"""

import collections.abc
import shlex

from octavia_anycast_lab.progress import Progress

WIDTH = 98
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
        """One line of text."""
        self._line(f"{_INDENT}{text}")

    def command(self, argv: collections.abc.Sequence[str]) -> None:
        """A command line as somebody would type it."""
        line = "$"
        for word in argv:
            quoted = shlex.quote(word)
            if len(_INDENT) + len(line) + len(quoted) + 3 > WIDTH:
                self._line(f"{_INDENT}{line} \\")
                line = "     "
            line = f"{line} {quoted}"
        self._line(_INDENT + line)

    def table(
        self,
        header: collections.abc.Sequence[str],
        rows: collections.abc.Iterable[collections.abc.Sequence[object]],
    ) -> None:
        """Rows below a header; figures to the right, words to the left."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [
            max(len(row[column]) for row in [list(header), *cells])
            for column in range(len(header))
        ]
        figures = [
            bool(cells) and all(_is_figure(row[column]) for row in cells)
            for column in range(len(header))
        ]
        for row in [list(header), *cells]:
            self.say(
                "  ".join(
                    cell.rjust(width) if is_figure else cell.ljust(width)
                    for cell, width, is_figure in zip(
                        row, widths, figures, strict=True
                    )
                ).rstrip()
            )

    def claim(self, holds: bool, sentence: str) -> None:
        """State a sentence that was checked.

        :raises NotTrueError: it does not hold.
        """
        if not holds:
            raise NotTrueError(sentence)
        self._line(f"   +  {sentence}")

    def _line(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201


def _is_figure(cell: str) -> bool:
    return cell.replace(".", "", 1).rstrip("%").isdigit()
