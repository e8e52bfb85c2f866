# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The schemas of Nova, placement and Glance: migrated once, then a dump.

The dump is kept in the cache. What is in it holds for every lab: Nova's cells
are written as templates that Nova fills from its own configuration.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from octavia_anycast_lab import cache, deployment
from octavia_anycast_lab.cloud import database

SCHEMAS = ("nova_api", "nova_cell0", "nova", "placement", "glance")
_DISTRIBUTIONS = ("nova", "openstack-placement", "glance")
_CACHE_PREFIX = "vm-schemas-"
_SECONDS = 900.0
# What a cell of Nova's is, with the places that [database] fills.
_CONNECTION = "{scheme}://{username}@{hostname}/%s?{query}"
_TRANSPORT = "{scheme}://{username}:{password}@{hostname}:{port}/"


def prepare(plane: deployment.Deployment, note: Callable[[str], None]) -> None:
    """Give the lab these schemas, unless it has them. MariaDB runs.

    :raises DatabaseError: a migration failed.
    """
    if _marker(plane).exists():
        return
    name = f"{_CACHE_PREFIX}{cache.key_of(_inputs())}"
    with cache.exclusive(name) as dump:
        _create(plane)
        if dump.exists():
            _load(plane, dump)
        else:
            note("migrating Nova, placement and Glance (only the first time)")
            _migrate(plane)
            _dump(plane, dump)
            cache.discard_others(_CACHE_PREFIX, dump)
    _marker(plane).touch()


def _marker(plane: deployment.Deployment) -> Path:
    return plane.database_dir / "vm-complete"


def _inputs() -> list[str]:
    return ["layout 1", *(cache.version_of(name) for name in _DISTRIBUTIONS)]


def _create(plane: deployment.Deployment) -> None:
    for schema in SCHEMAS:
        for statement in (
            f"DROP DATABASE IF EXISTS {schema}",
            f"CREATE DATABASE {schema}",
        ):
            database.query(plane, "mysql", statement)


def _migrate(plane: deployment.Deployment) -> None:
    nova = ["nova-manage", "--config-file", plane.config_dir / "nova.conf"]
    cell = ["--database_connection", _CONNECTION]
    place = plane.config_dir
    for command in (
        [*nova, "api_db", "sync"],
        [*nova, "cell_v2", "map_cell0", cell[0], cell[1] % "nova_cell0"],
        [
            *(*nova, "cell_v2", "create_cell", "--name", "cell1"),
            *(cell[0], cell[1] % "nova", "--transport-url", _TRANSPORT),
        ],
        [*nova, "db", "sync"],
        [
            *("placement-manage", "--config-file"),
            *(place / "placement" / "placement.conf", "db", "sync"),
        ],
        [
            *("glance-manage", "--config-file"),
            *(place / "glance" / "glance-api.conf", "db_sync"),
        ],
    ):
        words = [str(word) for word in command]
        program = Path(sys.executable).with_name(words[0])
        database.call([program, *words[1:]], _SECONDS)


def _client(plane: deployment.Deployment, program: str) -> list[str]:
    return [program, f"--socket={plane.database_socket}", "-uroot"]


def _dump(plane: deployment.Deployment, target: Path) -> None:
    draft = target.with_name(f"{target.name}.new")
    with draft.open("wb") as stream:
        _pipe(
            [
                *_client(plane, "mariadb-dump"),
                *("--skip-dump-date", "--databases", *SCHEMAS),
            ],
            stdout=stream,
        )
    draft.rename(target)


def _load(plane: deployment.Deployment, dump: Path) -> None:
    with dump.open("rb") as stream:
        _pipe(_client(plane, "mariadb"), stdin=stream)


def _pipe(
    command: list[str],
    stdin: object = subprocess.DEVNULL,
    stdout: object = subprocess.DEVNULL,
) -> None:
    done = subprocess.run(
        command,
        stdin=stdin,  # type: ignore[call-overload]
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise database.DatabaseError(
            f"{command[0]} ended with {done.returncode}: "
            f"{done.stderr.decode('utf-8', 'replace')[-2000:]}"
        )
