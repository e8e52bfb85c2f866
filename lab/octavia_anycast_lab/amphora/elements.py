# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Reads diskimage-builder elements: which, in what order, with what in them.

The lab builds its root file system from the very elements which an operator
gives to diskimage-builder. Only what our elements use of its conventions is
understood here; anything else is refused, never skipped in silence.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil

import yaml

# Elements of diskimage-builder itself whose work the lab's builder does.
BUILT_IN = frozenset(
    {"dib-init-system", "install-static", "package-installs", "svc-map"}
)
OUTSIDE_PHASE = "extra-data.d"
INSIDE_PHASES = ("pre-install.d", "install.d", "post-install.d", "finalise.d")
_KNOWN = frozenset(
    {
        "README.rst",
        "element-deps",
        "element-provides",
        "package-installs.yaml",
        "svc-map",
        "static",
        OUTSIDE_PHASE,
        *INSIDE_PHASES,
    }
)


class ElementError(Exception):
    """An element is missing or uses something that is not understood."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element directory."""

    path: pathlib.Path

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise ElementError(f"no element {self.path}")
        unknown = {item.name for item in self.path.iterdir()} - _KNOWN
        if unknown:
            raise ElementError(f"{self.name}: not understood: {unknown}")

    @property
    def name(self) -> str:
        """The name of the element is that of its directory."""
        return self.path.name

    @property
    def requires(self) -> tuple[str, ...]:
        """Elements which this one needs."""
        return self._words("element-deps")

    @property
    def provides(self) -> tuple[str, ...]:
        """Elements in whose place this one can stand."""
        return self._words("element-provides")

    @property
    def packages(self) -> tuple[str, ...]:
        """Distribution packages to install.

        :raises ElementError: a package with conditions.
        """
        path = self.path / "package-installs.yaml"
        if not path.exists():
            return ()
        content = yaml.safe_load(path.read_text("utf-8")) or {}
        conditional = [name for name, rules in content.items() if rules]
        if conditional:
            raise ElementError(f"{self.name}: conditions: {conditional}")
        return tuple(content)

    def scripts(self, phase: str) -> tuple[pathlib.Path, ...]:
        """The scripts of a phase."""
        directory = self.path / phase
        return tuple(directory.iterdir()) if directory.is_dir() else ()

    def _words(self, file_name: str) -> tuple[str, ...]:
        path = self.path / file_name
        return tuple(path.read_text("utf-8").split()) if path.exists() else ()


def resolve(
    directory: pathlib.Path, names: tuple[str, ...]
) -> tuple[Element, ...]:
    """The elements named and all that they need, what is needed first.

    :raises ElementError: something that is needed is not there.
    """
    found: dict[str, Element] = {}
    provided = set(BUILT_IN)

    def visit(name: str) -> None:
        if name in found or name in provided:
            return
        element = Element(path=directory / name)
        provided.update(element.provides)
        for required in element.requires:
            visit(required)
        found[name] = element

    for name in names:
        provided.update(Element(path=directory / name).provides)
    for name in names:
        visit(name)
    return tuple(found.values())


def packages(elements: tuple[Element, ...]) -> tuple[str, ...]:
    """All distribution packages of these elements, sorted."""
    return tuple(sorted({name for e in elements for name in e.packages}))


def digest(elements: tuple[Element, ...]) -> str:
    """A digest of names, modes and contents of all files of elements."""
    result = hashlib.sha256()
    for element in elements:
        for path in sorted(element.path.rglob("*")):
            if path.is_file() and path.name != "README.rst":
                name = path.relative_to(element.path.parent)
                result.update(f"{name} {os.access(path, os.X_OK)}\0".encode())
                result.update(path.read_bytes())
    return result.hexdigest()


def lay_out_hooks(elements: tuple[Element, ...], target: pathlib.Path) -> None:
    """Collect the scripts of each phase in one directory, as DIB does.

    :raises ElementError: two elements have a script of one name which differ.
    """
    for phase in (OUTSIDE_PHASE, *INSIDE_PHASES):
        (target / phase).mkdir(parents=True)
        for element in elements:
            for script in element.scripts(phase):
                place = target / phase / script.name
                if place.exists():
                    raise ElementError(f"two scripts {phase}/{script.name}")
                shutil.copy2(script, place)


def copy_static(elements: tuple[Element, ...], root: pathlib.Path) -> None:
    """Copy the ``static`` trees into a root file system, owned by root."""
    for element in elements:
        static = element.path / "static"
        if static.is_dir():
            shutil.copytree(static, root, symlinks=True, dirs_exist_ok=True)
            for path in static.rglob("*"):
                os.chown(root / path.relative_to(static), 0, 0)
