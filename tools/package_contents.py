# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the wheels and sdists of this repository hold, and what they must hold.

A wheel holds each module of its package that git knows, each file that is read
when the package is used, and what its build makes: no more, no less. An sdist
holds what its wheel is made of, and never a compiled file.
"""

import configparser
import dataclasses
import email
import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

RESCUE_PROGRAM = "octavia_anycast/agent/flow_rescue/flow_rescue.bpf.o"
# Read when a package is used.
DATA = (
    "/py.typed",
    ".css",
    ".html",
    ".j2",
    ".js",
    ".json",
    ".mako",
    ".sh",
    ".svg",
)
# What every sdist holds, beside its package.
SOURCES = ("LICENSE", "PKG-INFO", "README.md", "pyproject.toml")
# What tools leave behind, and what only a build may make.
LEFTOVER = re.compile(
    r"(^|/)(__pycache__|\.[a-z]+_cache|\.hypothesis|\.venv[\w-]*|build|dist)/"
    r"|\.py[cod]$|\.key$"
)
COMPILED = re.compile(r"\.(o|so)$")
ELF = b"\x7fELF"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution: its folder, its import package, the rest of its sdist.

    ``made``: files of the wheel that its build makes. ``along``: prefixes of
    other files that its sdist holds. ``extra``: what its modules need beside
    what it requires. ``needs``: packages of others here that it requires.
    """

    folder: str
    package: str
    made: frozenset[str] = frozenset()
    along: tuple[str, ...] = ()
    extra: str = ""
    needs: tuple[str, ...] = ()

    def own(self, tracked: Iterable[str]) -> frozenset[str]:
        """Those of the tracked files that are its own, from its folder on."""
        if self.folder == ".":
            return frozenset(tracked)
        start = f"{self.folder}/"
        return frozenset(
            name.removeprefix(start)
            for name in tracked
            if name.startswith(start)
        )

    def shipped(self, tracked: Iterable[str]) -> frozenset[str]:
        """What its wheel holds beside its metadata."""
        return self.made | {
            name
            for name in self.own(tracked)
            if name.startswith(f"{self.package}/") and _is_shipped(name)
        }

    def sources(self, tracked: Iterable[str]) -> frozenset[str]:
        """What its sdist holds at least."""
        along = {n for n in self.own(tracked) if n.startswith(self.along)}
        return (self.shipped(tracked) - self.made) | along | set(SOURCES)


DISTRIBUTIONS = (
    Distribution(
        folder=".",
        package="octavia_anycast",
        made=frozenset((RESCUE_PROGRAM,)),
        along=(
            "CONTRIBUTING.rst",
            "bindep.txt",
            "devstack/",
            "doc/",
            "elements/",
            "octavia_anycast/",
            "releasenotes/",
            "setup.py",
            "tools/compile-bpf.sh",
            "tox.ini",
        ),
        extra="agent",
    ),
    Distribution(folder="client", package="octavia_anycast_client"),
    Distribution(
        folder="lab",
        package="octavia_anycast_lab",
        needs=("octavia_anycast",),
    ),
    Distribution(
        folder="tempest_plugin", package="octavia_anycast_tempest_plugin"
    ),
)


class _CaseSensitive(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _is_shipped(name: str) -> bool:
    if name.endswith(".py"):
        return True
    return "/tests/" not in name and name.endswith(DATA)


def wrong_wheel(
    path: Path, expected: frozenset[str], project: dict[str, Any]
) -> Iterator[str]:
    """What is wrong with a wheel.

    :param expected: its files beside the metadata
    :param project: the table ``project`` of its pyproject.toml
    """
    with zipfile.ZipFile(path) as wheel:
        names = {n for n in wheel.namelist() if not n.endswith("/")}
        info = _info_of(names)
        files = {n for n in names if not n.startswith(f"{info}/")}
        for name in sorted(expected - files):
            yield f"{path.name} lacks {name}"
        for name in sorted(files - expected):
            yield f"{path.name} has {name}, which does not belong there"
        for name in sorted(filter(COMPILED.search, files)):
            if not wheel.read(name).startswith(ELF):
                yield f"{path.name}: {name} is no ELF object"
        if not any(PurePosixPath(n).name == "LICENSE" for n in names - files):
            yield f"{path.name} has no license"
        entry_points = _text(wheel, names, f"{info}/entry_points.txt")
        metadata = _text(wheel, names, f"{info}/METADATA")
    for wrong in wrong_metadata(metadata, project):
        yield f"{path.name}: {wrong}"
    if stated_entry_points(entry_points) != entry_points_of(project):
        yield f"{path.name}: its entry points are not those of pyproject.toml"


def wrong_sdist(path: Path, expected: frozenset[str]) -> Iterator[str]:
    """What is wrong with an sdist."""
    with tarfile.open(path) as archive:
        members = [m.name for m in archive.getmembers() if m.isfile()]
    names = {name.partition("/")[2] for name in members}
    for name in sorted(expected - names):
        yield f"{path.name} lacks {name}"
    for name in sorted(names - expected):
        if LEFTOVER.search(name) or COMPILED.search(name):
            yield f"{path.name} has {name}, which does not belong there"


def differences(one: Path, other: Path) -> Iterator[str]:
    """What two wheels of the same name hold differently."""
    first, second = _digests(one), _digests(other)
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield (
                f"{one.name}: {name} is not the same from the tree and from "
                "the sdist"
            )


def wrong_metadata(text: str, project: dict[str, Any]) -> Iterator[str]:
    """What the metadata of a wheel say differently from pyproject.toml."""
    said = email.message_from_string(text)
    stated = {
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
    }
    for key, value in stated.items():
        if said.get(key) != value:
            yield f"{key} is {said.get(key)!r} and not {value!r}"
    if not said.get_payload():
        yield "it has no description"
    wanted = {_bare(line) for line in project["dependencies"]}
    required = {
        _bare(line)
        for line in said.get_all("Requires-Dist") or ()
        if "extra ==" not in line
    }
    for line in sorted(wanted ^ required):
        yield f"the requirement {line} is not the same in pyproject.toml"


def entry_points_of(project: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Group -> name -> object, as pyproject.toml says."""
    groups = dict(project.get("entry-points", {}))
    if project.get("scripts"):
        groups["console_scripts"] = project["scripts"]
    return groups


def stated_entry_points(text: str) -> dict[str, dict[str, str]]:
    """Group -> name -> object, as the metadata of a wheel say."""
    parser = _CaseSensitive(
        delimiters=("=",), interpolation=None, default_section=""
    )
    parser.read_string(text)
    return {group: dict(parser[group]) for group in parser.sections()}


def _info_of(names: Iterable[str]) -> str:
    """The folder of a wheel's metadata."""
    return next(
        name.partition("/")[0]
        for name in names
        if name.endswith(".dist-info/METADATA")
    )


def _text(wheel: zipfile.ZipFile, names: set[str], name: str) -> str:
    return wheel.read(name).decode() if name in names else ""


def _digests(path: Path) -> dict[str, str]:
    """Name -> SHA-256 of all but RECORD, which is made of them."""
    with zipfile.ZipFile(path) as wheel:
        return {
            name: hashlib.sha256(wheel.read(name)).hexdigest()
            for name in wheel.namelist()
            if not name.endswith(".dist-info/RECORD")
        }


def _bare(requirement: str) -> str:
    """A requirement in one spelling: without spaces, its limits in order."""
    text = re.sub(r"[\s()]", "", requirement)
    match = re.match(r"[\w.-]+(?:\[[\w,-]+\])?", text)
    assert match is not None
    limits = sorted(text[match.end() :].split(","))
    return match[0] + ",".join(limits)
