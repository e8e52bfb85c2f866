# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Build, compare and install what a distribution takes: `make test-package`.

    python tools/check_package.py [--keep DIRECTORY]

Of each distribution of this repository, from a copy of the files that git
knows:

* a wheel and an sdist are built, with the BPF program, and a second wheel from
  that sdist: both wheels hold the same;
* both hold what they must, and nothing else (``package_contents.py``);
* ``twine check --strict`` finds nothing;
* the wheel is installed in a new environment with what it requires, in the
  versions of requirements/constraints.txt, and works there
  (``check_installed.py``).

Run it by a Python that has what requirements/package.txt names. Prints what is
wrong, one finding a line; exit status 1 if there is any.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import package_contents as contents

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "requirements/constraints.txt"
LAST_LINES = 30


class Workshop:
    """A folder in which all distributions are built.

    ``tree``: a copy of the files that git knows. ``dist``: what was built.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.dist = folder / "dist"
        listed = _run("git", "ls-files", "-z", cwd=ROOT).split("\0")
        self.tracked = tuple(
            name for name in listed if name and (ROOT / name).is_file()
        )
        for name in self.tracked:
            target = self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def project(self, of: contents.Distribution) -> dict[str, Any]:
        """The table ``project`` of its pyproject.toml."""
        text = (self.tree / of.folder / "pyproject.toml").read_text()
        table: dict[str, Any] = tomllib.loads(text)["project"]
        return table

    def wheel(self, of: contents.Distribution, folder: Path) -> Path:
        """Where its wheel is, in a folder of built ones."""
        return folder / f"{self._stem(of)}-py3-none-any.whl"

    def sdist(self, of: contents.Distribution) -> Path:
        """Where its sdist is."""
        return self.dist / f"{self._stem(of)}.tar.gz"

    def _stem(self, of: contents.Distribution) -> str:
        project = self.project(of)
        name = project["name"].replace("-", "_")
        return f"{name}-{project['version']}"


def main() -> int:
    """Print the findings."""
    parser = argparse.ArgumentParser(description="Check the distributions.")
    parser.add_argument(
        "--keep", type=Path, help="copy wheels and sdists to this folder"
    )
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory(prefix="octavia-anycast-") as folder:
        shop = Workshop(Path(folder))
        found = list(findings(shop))
        if keep is not None:
            shutil.copytree(shop.dist, keep, dirs_exist_ok=True)
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    _say(
        f"{len(found)} findings."
        if found
        else "Wheels and sdists are whole, and work alone."
    )
    return 1 if found else 0


def findings(shop: Workshop) -> Iterator[str]:
    """All that is wrong."""
    for each in contents.DISTRIBUTIONS:
        _say(f"building {each.package}")
        build(shop, each)
        yield from wrong_contents(shop, each)
    built = sorted(shop.dist.iterdir())
    _say(f"checking {', '.join(path.name for path in built)}")
    yield from _failed(
        sys.executable, "-m", "twine", "check", "--strict", *built
    )
    for each in contents.DISTRIBUTIONS:
        _say(f"installing {each.package} alone")
        yield from wrong_installation(shop, each)


def build(shop: Workshop, of: contents.Distribution) -> None:
    """Build its wheel and sdist, and a wheel of that sdist."""
    source = shop.tree / of.folder
    _build(source, shop.dist, "--sdist", "--wheel")
    unpacked = shop.folder / f"unpacked-{of.package}"
    with tarfile.open(shop.sdist(of)) as archive:
        archive.extractall(unpacked)
    (source,) = unpacked.iterdir()
    _build(source, shop.folder / "again", "--wheel")


def wrong_contents(shop: Workshop, of: contents.Distribution) -> Iterator[str]:
    """What is wrong with what was built."""
    wheel = shop.wheel(of, shop.dist)
    yield from contents.wrong_wheel(
        wheel, of.shipped(shop.tracked), shop.project(of)
    )
    yield from contents.wrong_sdist(shop.sdist(of), of.sources(shop.tracked))
    yield from contents.differences(
        wheel, shop.wheel(of, shop.folder / "again")
    )


def wrong_installation(
    shop: Workshop, of: contents.Distribution
) -> Iterator[str]:
    """What does not work in an environment that has it and what it needs."""
    venv = shop.folder / f"venv-{of.package}"
    python = venv / "bin/python"
    _run(sys.executable, "-m", "venv", venv)
    extra = f"[{of.extra}]" if of.extra else ""
    needed = [
        shop.wheel(other, shop.dist)
        for other in contents.DISTRIBUTIONS
        if other.package in of.needs
    ]
    install = ("-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS)
    wheel = f"{shop.wheel(of, shop.dist)}{extra}"
    _run(python, *install, wheel, *needed)
    yield from _failed(python, "-m", "pip", "check")
    name = shop.project(of)["name"]
    # Isolated: nothing of this checkout is on its path.
    yield from _failed(
        python, "-I", ROOT / "tools/check_installed.py", name, cwd=venv
    )


def _build(source: Path, target: Path, *what: str) -> None:
    """Build with the tools of this very environment."""
    command = (sys.executable, "-m", "build", "--no-isolation", *what)
    _run(*command, "--outdir", target, source)


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; the end of all if it fails."""
    done = _done(command, cwd)
    if done.returncode:
        said = (done.stdout + done.stderr).splitlines()[-LAST_LINES:]
        sys.exit("\n".join([*said, f"failed: {_shown(command)}"]))
    return done.stdout


def _failed(*command: str | Path, cwd: Path | None = None) -> Iterator[str]:
    """What a command prints, if it fails."""
    done = _done(command, cwd)
    if done.returncode:
        yield from (done.stdout + done.stderr).splitlines()[-LAST_LINES:]
        yield f"failed: {_shown(command)}"


def _done(
    command: tuple[str | Path, ...], cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OCTAVIA_ANYCAST_BPF": "required"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _shown(command: tuple[str | Path, ...]) -> str:
    return " ".join(map(str, command))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
