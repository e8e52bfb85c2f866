# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Wheels for the amphora image: the versions of this very environment.

The image holds what the control plane beside it holds, version by version
(but for the setuptools of Debian's venv); it is installed without any index.
Our own wheel is built from the source which runs here.
"""

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys
import tempfile

from packaging import requirements, utils

import octavia_anycast
from octavia_anycast_lab import cache

ROOTS = ("octavia", "pyroute2", "exabgp")
OWN = "octavia-anycast"
SOURCE = pathlib.Path(octavia_anycast.__file__).resolve().parents[1]
_NOT_SHIPPED = ("tests", "__pycache__", "*.egg-info")
# Made from the source of the same name, so no input of its own.
_COMPILED = (".o", ".key")


class WheelError(Exception):
    """A wheel could not be had."""


def pins() -> tuple[str, ...]:
    """``name==version`` of all that the image needs, without our own.

    :raises WheelError: a requirement is not installed here.
    """
    todo = [requirements.Requirement(name) for name in (*ROOTS, OWN)]
    seen: dict[str, str] = {}
    walked: set[tuple[str, str]] = set()
    while todo:
        wanted = todo.pop()
        name = utils.canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) not in walked:
                walked.add((name, extra))
                distribution = _distribution(name)
                seen[name] = distribution.version
                todo += _requirements(distribution, extra)
    del seen[OWN]
    return tuple(f"{name}=={seen[name]}" for name in sorted(seen))


def source_digest() -> str:
    """A digest of our own package as it would be shipped."""
    parts = [(SOURCE / "pyproject.toml").read_text("utf-8")]
    package = SOURCE / "octavia_anycast"
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.suffix in _COMPILED:
            continue
        if path.is_file() and not {"tests", "__pycache__"} & set(inside.parts):
            parts += [str(inside), path.read_bytes().decode("latin-1")]
    return cache.key_of(parts)


def collect(pinned: tuple[str, ...]) -> pathlib.Path:
    """A directory with a wheel of each of these, from the cache if there."""
    name = f"wheels-{cache.key_of(pinned)}"
    with cache.exclusive(name) as entry:
        if not entry.exists():
            with tempfile.TemporaryDirectory(dir=cache.root()) as draft:
                _pip_wheel(pathlib.Path(draft) / "w", "--no-deps", *pinned)
                (pathlib.Path(draft) / "w").rename(entry)
        return entry


def build_own(target: pathlib.Path) -> None:
    """Build our own wheel into a directory, leaving the source untouched."""
    _run([str(SOURCE / "tools" / "compile-bpf.sh")])
    with tempfile.TemporaryDirectory(dir=cache.root()) as draft:
        copy = pathlib.Path(draft) / "source"
        copy.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            if (SOURCE / name).exists():
                shutil.copy2(SOURCE / name, copy / name)
        if not (copy / "README.md").exists():
            (copy / "README.md").touch()
        shutil.copytree(
            SOURCE / "octavia_anycast",
            copy / "octavia_anycast",
            ignore=shutil.ignore_patterns(*_NOT_SHIPPED),
        )
        _pip_wheel(target, "--no-deps", "--no-build-isolation", str(copy))


def _distribution(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise WheelError(f"{name} is not installed here") from error


def _requirements(
    distribution: importlib.metadata.Distribution, extra: str
) -> list[requirements.Requirement]:
    parsed = [requirements.Requirement(r) for r in distribution.requires or ()]
    return [
        requirement
        for requirement in parsed
        if requirement.marker is None
        or requirement.marker.evaluate({"extra": extra})
    ]


def _pip_wheel(target: pathlib.Path, *arguments: str) -> None:
    command = (sys.executable, "-m", "pip", "wheel", "--quiet")
    _run([*command, "--wheel-dir", str(target), *arguments])


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WheelError(f"{argv[0]}: {done.stderr.strip()[-2000:]}")
