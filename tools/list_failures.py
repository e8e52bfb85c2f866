# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Print what failed, with its reasons: list_failures.py REPORT.xml ...

The reports are JUnit's, one for each group of suites. Of each failure the
name and a few lines are printed: what was stated and how it ended. The whole
text is in the report.
"""

import collections.abc
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

WIDTH = 200
FIRST_LINES = 4
LAST_LINES = 8


def main(paths: list[str]) -> None:
    """Print the failures of all reports; those not written are named."""
    for path in map(pathlib.Path, paths):
        sys.stdout.writelines(f"{line}\n" for line in _failures(path))


def _failures(path: pathlib.Path) -> collections.abc.Iterator[str]:
    try:
        report = ElementTree.parse(path)
    except (OSError, ElementTree.ParseError) as error:
        yield f"{path.stem}: no whole report, it did not end: {error}"
        return
    for case in report.iter("testcase"):
        for found in [*case.iter("failure"), *case.iter("error")]:
            name = f"{case.get('classname')}::{case.get('name')}"
            yield f"{path.stem}: {found.tag} of {name}"
            for line in _reasons(found.text or ""):
                yield f"    {line[:WIDTH]}"


def _reasons(text: str) -> list[str]:
    """The lines that pytest marks; all of them if it marks none."""
    lines = text.splitlines()
    lines = [line[1:].strip() for line in lines if line[:2] == "E "] or lines
    lines = [line for line in lines if line.strip()]
    if len(lines) <= FIRST_LINES + LAST_LINES:
        return lines
    return [*lines[:FIRST_LINES], "...", *lines[-LAST_LINES:]]


if __name__ == "__main__":
    main(sys.argv[1:])
