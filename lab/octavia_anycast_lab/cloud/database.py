# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""MariaDB, private to one lab: a unix socket, no port, root only.

The data directory with all migrated and empty schemas is built once and kept
in the cache; a lab starts from a copy. The key holds every version that may
change a table.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import octavia_anycast
from octavia_anycast_lab import cache, deployment
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

LABEL = "mariadb"
SCHEMAS = ("keystone", "neutron", "octavia")
_CACHE_PREFIX = "database-"
_START_SECONDS = 30.0
_BUILD_SECONDS = 300.0


class DatabaseError(Exception):
    """MariaDB or a migration failed."""


def prepare(plane: deployment.Deployment, note: Callable[[str], None]) -> None:
    """Give the lab a data directory, unless it has one.

    :raises DatabaseError: a first build (migrations) failed.
    """
    if _marker(plane).exists():
        return
    shutil.rmtree(plane.database_dir, ignore_errors=True)
    name = f"{_CACHE_PREFIX}{cache.key_of(_inputs())}"
    with cache.exclusive(name) as snapshot:
        if not snapshot.is_dir():
            note("building the schemas (only the first time)")
            _build(snapshot)
            cache.discard_others(_CACHE_PREFIX, snapshot)
        plane.state_dir.mkdir(parents=True, exist_ok=True)
        _copy(snapshot, plane.database_dir)
    _marker(plane).write_text(_own_digest())


def start(plane: deployment.Deployment, registry: Registry) -> None:
    """Start MariaDB (after a crash it recovers by itself) and wait for it."""
    if process.is_alive(registry, LABEL):
        return
    config = plane.config_dir / "my.cnf"
    deployment.write_private(config, deployment.render(plane, "my.cnf.j2"))
    plane.database_socket.unlink(missing_ok=True)
    process.spawn(
        registry,
        LABEL,
        ["/usr/sbin/mariadbd", f"--defaults-file={config}"],
        namespace=plane.namespace,
        log=plane.log(LABEL),
    )
    process.wait_until(
        lambda: _is_answering(plane.database_socket),
        _START_SECONDS,
        "MariaDB answers",
        0.05,
    )


def query(plane: deployment.Deployment, schema: str, sql: str) -> str:
    """Run one statement as root; tab-separated rows without a header.

    :raises DatabaseError: the server refused it.
    """
    return call(
        [
            *("mariadb", f"--socket={plane.database_socket}", "-uroot"),
            *("-BN", schema, "-e", sql),
        ]
    )


def call(
    argv: Sequence[str | os.PathLike[str]],
    deadline_seconds: float = _BUILD_SECONDS,
) -> str:
    """Run a program to its end; returns what it prints.

    :raises DatabaseError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=deadline_seconds,
        check=False,
    )
    if done.returncode:
        raise DatabaseError(
            f"{' '.join(map(str, argv))} ended with {done.returncode}: "
            f"{(done.stderr + done.stdout)[-2000:]}"
        )
    return done.stdout


def upgrade_own_tables(plane: deployment.Deployment) -> None:
    """Run the migrations of octavia-anycast that a living lab lacks.

    :raises DatabaseError: one failed.
    """
    newest = _own_digest()
    if _marker(plane).read_text() != newest:
        _upgrade(plane.config_dir / "octavia.conf")
        _marker(plane).write_text(newest)


def _marker(plane: deployment.Deployment) -> Path:
    """Says that the files are whole, and of which migrations of ours."""
    return plane.database_dir / "complete"


def _upgrade(config: Path) -> None:
    script = _manage()
    if script is not None:
        call([script, "--config-file", config, "db", "upgrade"])


def _manage() -> Path | None:
    return deployment.installed_script(
        "octavia-anycast-manage", "octavia_anycast.cmd.manage"
    )


def _own_digest() -> str:
    """A digest of our migrations; "none" where nothing can run them."""
    directory = Path(octavia_anycast.__file__).parent / "db" / "migration"
    if _manage() is None or not directory.is_dir():
        return "none"
    return cache.tree_digest(directory)


def _inputs() -> list[str]:
    """All that decides what is in a fresh data directory."""
    return [
        "layout 1",
        call(["/usr/sbin/mariadbd", "--version"]),
        *(cache.version_of(name) for name in ("neutron-lib", *SCHEMAS)),
        _own_digest(),
        (Path(__file__).parent / "templates/my.cnf.j2").read_bytes().decode(),
    ]


def _build(snapshot: Path) -> None:
    """Migrate every schema in a MariaDB of our own, then keep its files."""
    work = snapshot.with_name(f"{snapshot.name}.building")
    if work.is_dir():
        # A build that was killed leaves its server running.
        process.stop(Registry(work), LABEL, _START_SECONDS)
        shutil.rmtree(work)
    work.mkdir(mode=0o700)
    data, endpoint = work / "data", work / "s"
    config = work / "my.cnf"
    config.write_text(
        "[mariadbd]\nskip_networking\nuser = root\nperformance_schema = off\n"
        f"datadir = {data}\nsocket = {endpoint}\ntmpdir = {work}\n"
        f"pid_file = {work}/pid\ninnodb_log_file_size = 16M\n"
        "character_set_server = utf8mb3\n"
        "innodb_flush_log_at_trx_commit = 0\ninnodb_doublewrite = 0\n"
    )
    call(
        [
            *("mariadb-install-db", f"--defaults-file={config}"),
            *("--skip-test-db", "--auth-root-authentication-method=socket"),
            *("--auth-root-socket-user=root", "--force"),
            "--skip-name-resolve",
        ]
    )
    registry = Registry(work)
    process.spawn(
        registry,
        LABEL,
        ["/usr/sbin/mariadbd", f"--defaults-file={config}"],
        log=work / "log",
    )
    try:
        process.wait_until(
            lambda: _is_answering(endpoint),
            _START_SECONDS,
            "MariaDB answers",
        )
        _migrate(work, endpoint)
    finally:
        process.stop(registry, LABEL, _START_SECONDS)
    shutil.rmtree(snapshot, ignore_errors=True)
    data.rename(snapshot)
    shutil.rmtree(work)


def _migrate(work: Path, endpoint: Path) -> None:
    client = ["mariadb", f"--socket={endpoint}", "-uroot", "-e"]
    for schema in SCHEMAS:
        call([*client, f"CREATE DATABASE {schema}"])
        (work / f"{schema}.conf").write_text(
            "[DEFAULT]\ntransport_url = fake:/\n[database]\n"
            f"connection = mysql+pymysql://root@localhost/{schema}"
            f"?unix_socket={endpoint}&charset=utf8mb3\n"
        )
    binaries = Path(sys.executable).parent
    commands = {
        "keystone": ("keystone-manage", ["db_sync"]),
        "neutron": ("neutron-db-manage", ["upgrade", "heads"]),
        "octavia": ("octavia-db-manage", ["upgrade", "head"]),
    }
    running = {
        schema: subprocess.Popen(
            [
                binaries / commands[schema][0],
                *("--config-file", work / f"{schema}.conf"),
                *commands[schema][1],
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for schema in SCHEMAS
    }
    for schema, child in running.items():
        said, _ = child.communicate(timeout=_BUILD_SECONDS)
        if child.returncode:
            raise DatabaseError(f"migration of {schema}: {said[-2000:]}")
    _upgrade(work / "octavia.conf")


def _copy(source: Path, target: Path) -> None:
    """Copy a data directory; complete only if the caller then says so."""
    call(["cp", "-a", "--reflink=auto", source, target])
    tmp = target.with_name("database-tmp")
    tmp.mkdir(exist_ok=True)


def _is_answering(endpoint: Path) -> bool:
    """True once the server greets: it listens before it is ready to."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(endpoint))
            return bool(connection.recv(1))
        except OSError:
            return False
