# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""See that an installed distribution works: check_installed.py NAME

By the Python of an environment that has it and what it requires, isolated
(``python -I``), so that nothing else is on its path:

* each of its modules can be imported, its tests and those of ``NOT_IMPORTED``
  left out;
* each of its entry points is there;
* each of its scripts says how it is used;
* the product makes its tables: the migrations are there.

Prints what is wrong, one finding a line; exit status 1 if there is any.
"""

import importlib
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

# What is no module to import, and why.
NOT_IMPORTED = {
    "octavia_anycast.db.migration.env": "alembic runs it",
    "octavia_anycast_lab.__main__": "it is the command",
    "octavia_anycast_lab.cloud.neutron_api": "it is an application",
    "octavia_anycast_lab.cloud.stock_application": "it is an application",
    "octavia_anycast_lab.orchestration.heat_application": "it needs Heat",
    "octavia_anycast_lab.tempest.read_subunit": "tempest's Python runs it",
}
# It takes a path and nothing else.
WITHOUT_HELP = "octavia-anycast-exabgp-relay"
PRODUCT = "octavia-anycast"


def modules(distribution: metadata.Distribution) -> list[str]:
    """Its modules that can be imported, tests left out."""
    found = []
    for file in distribution.files or ():
        path = PurePosixPath(str(file))
        if path.suffix != ".py" or "tests" in path.parts:
            continue
        parts = path.with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found.append(".".join(parts))
    return sorted(set(found) - NOT_IMPORTED.keys())


def wrong_modules(distribution: metadata.Distribution) -> Iterator[str]:
    """Modules that cannot be imported."""
    names = modules(distribution)
    if not names:
        yield "it has no module"
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as e:
            yield f"{name} cannot be imported: {e}"


def wrong_entry_points(distribution: metadata.Distribution) -> Iterator[str]:
    """Entry points that are not there."""
    if not distribution.entry_points:
        yield "it has no entry point"
    for point in distribution.entry_points:
        try:
            point.load()
        except (ImportError, AttributeError) as e:
            yield f"{point.group} {point.name} is not there: {e}"


def wrong_scripts(distribution: metadata.Distribution) -> Iterator[str]:
    """Scripts that do not say how they are used."""
    folder = Path(sysconfig.get_path("scripts"))
    for point in distribution.entry_points:
        if point.group != "console_scripts":
            continue
        has_help = point.name != WITHOUT_HELP
        done = subprocess.run(
            [folder / point.name, *(["--help"] if has_help else [])],
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if "usage:" not in said or done.returncode != (0 if has_help else 1):
            last = said.strip().splitlines()[-1:]
            yield f"{point.name} ended with {done.returncode}: {last}"


def wrong_tables() -> Iterator[str]:
    """The tables, if the product cannot make them in a new database."""
    from sqlalchemy import create_engine

    from octavia_anycast.db import schema

    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/tables.sqlite")
        schema.upgrade(engine)
        version = schema.version(engine)
        engine.dispose()
    if not version.is_current:
        yield f"the tables are at {version.current}, not {version.head}"


def findings(name: str) -> Iterator[str]:
    """All that is wrong."""
    distribution = metadata.distribution(name)
    yield from wrong_modules(distribution)
    yield from wrong_entry_points(distribution)
    yield from wrong_scripts(distribution)
    if name == PRODUCT:
        yield from wrong_tables()


def main() -> int:
    """Print the findings."""
    found = list(findings(sys.argv[1]))
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
