# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Add this provider to Octavia's feature matrix: feature_matrix.py CHECKOUT

CHECKOUT is one of Octavia, of the branch to which the change is proposed. The
provider accepts what Octavia's amphora provider accepts, since the same
HAProxy serves it (``octavia_anycast/provider/support.py``), so each feature
has the value that it has there; ``PARTIAL`` names the others. The files are
changed in place, line by line, and nothing else in them.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDER = Path("doc/source/user/feature-classification")
MODEL = "amphora"
NAME = "anycast"
TITLE = "Anycast Provider"
LINK = "https://example.org/octavia-anycast"
_DRIVER = ("", f"[driver.{NAME}]", f"title={TITLE}", f"link={LINK}")
_NEEDS_IP_VS = (
    "Accepted if the amphora image has the ip_vs kernel module, keepalived "
    "and ipvsadm."
)
# Features that are not there as in the amphora provider, and why.
PARTIAL = {
    "operation.protocol.SCTP": _NEEDS_IP_VS,
    "operation.protocol.UDP": _NEEDS_IP_VS,
    "operation.type.SCTP": _NEEDS_IP_VS,
    "operation.type.UDP-CONNECT": _NEEDS_IP_VS,
}
_SECTION = re.compile(r"\[(.+)\]\s*$")
_VALUE = re.compile(rf"driver(-notes)?\.{MODEL}\s*=\s*(.*)$")


def with_provider(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a matrix, with the provider after the others.

    :raises ValueError: it is there already, or this is no feature matrix.
    """
    sections = list(_sections(lines))
    drivers = [n for n, (name, _) in enumerate(sections) if _is_driver(name)]
    if not drivers:
        raise ValueError("no section [driver.NAME]: this is no feature matrix")
    if any(name == f"driver.{NAME}" for name, _ in sections):
        raise ValueError(f"the provider {NAME} is there already")
    for n, (name, body) in enumerate(sections):
        if name.startswith("operation."):
            yield from _with(body, _answer(name, body))
        elif n == drivers[-1]:
            yield from _with(body, _DRIVER)
        else:
            yield from body


def _sections(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each section's name and lines; what is before them has no name."""
    name, body = "", list[str]()
    for line in lines:
        match = _SECTION.match(line)
        if match is not None:
            yield name, body
            name, body = match[1], []
        body.append(line)
    yield name, body


def _is_driver(name: str) -> bool:
    return name.startswith("driver.")


def _with(body: list[str], added: Iterable[str]) -> Iterator[str]:
    """A section with lines behind its last one that says something."""
    end = len(body)
    while not body[end - 1].strip() or body[end - 1].startswith("#"):
        end -= 1
    yield from body[:end]
    yield from added
    yield from body[end:]


def _answer(name: str, body: list[str]) -> Iterator[str]:
    """What the provider says of a feature."""
    value, note = "missing", ""
    for line in body:
        match = _VALUE.match(line)
        if match is not None and match[1]:
            note = match[2]
        elif match is not None:
            value = match[2]
    if name in PARTIAL:
        value, note = "partial", PARTIAL[name]
    yield f"driver.{NAME}={value}"
    if note:
        yield f"driver-notes.{NAME}={note}"


def main(checkout: str) -> int:
    """Change the files of a checkout; its exit code."""
    paths = sorted((Path(checkout) / FOLDER).glob("feature-matrix-*.ini"))
    if not paths:
        sys.stderr.write(f"{checkout}: no {FOLDER}/feature-matrix-*.ini\n")
        return 1
    for path in paths:
        try:
            lines = list(with_provider(path.read_text("utf-8").splitlines()))
        except ValueError as e:
            sys.stderr.write(f"{path}: {e}\n")
            return 1
        path.write_text("\n".join(lines) + "\n", "utf-8")
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: feature_matrix.py CHECKOUT (of Octavia)")
    sys.exit(main(sys.argv[1]))
