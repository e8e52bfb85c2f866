# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Galera of three MariaDB nodes; each takes writes.

The first node starts with the data directory that it is given, or with an
empty one, and makes the cluster; the others get all of it (SST, by rsync).
"""

import collections.abc
import pathlib
import re
import shutil
import signal
import subprocess

from octavia_anycast_lab import deployment
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import netns, process

PROGRAM = "galera"
PORT = 3306
SYNCED = "Synced"
_SERVER = "/usr/sbin/mariadbd"
_USER = "mysql"
_JOIN_SECONDS = 120.0
_STOP_SECONDS = 30.0
_CALL_SECONDS = 20.0
_POSITION = re.compile(r"Recovered position:\s*(\S+)")
_GCACHE = "8M"
# The second one is that of the guide's octavia.conf.
_USERS_OVER_TCP = (
    "CREATE USER IF NOT EXISTS root@'%'; "
    "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION; "
    "CREATE USER IF NOT EXISTS octavia@'%' IDENTIFIED BY 'SECRET'; "
    "GRANT ALL ON octavia.* TO octavia@'%'"
)


def start(
    nodes: collections.abc.Sequence[Node],
    registry: registry_lib.Registry,
    configuration: collections.abc.Callable[[Node], str],
    seed: pathlib.Path | None = None,
) -> None:
    """Make the cluster, and wait until all nodes are in it.

    :param configuration: node -> what its file says of Galera
    :param seed: a data directory of a MariaDB that was stopped; it is copied
    """
    first, *others = nodes
    for node in nodes:
        _prepare(node, configuration(node))
    data = _data(first)
    if not data.exists():
        _fill(first, seed)
    begin(first, registry, "--wsrep-new-cluster")
    await_synced((first,))
    # HAProxy and the controllers come over TCP.
    query(first, "mysql", _USERS_OVER_TCP)
    for node in others:
        begin(node, registry)
    await_synced(nodes)


def begin(node: Node, registry: registry_lib.Registry, *options: str) -> None:
    """Start one node, if it does not run; does not wait for it."""
    label = node.label(PROGRAM)
    if process.is_alive(registry, label):
        return
    _make_own(_data(node))
    socket(node).unlink(missing_ok=True)
    process.spawn(
        registry,
        label,
        [_SERVER, f"--defaults-file={_config(node)}", *options],
        namespace=node.namespace,
        log=node.log(PROGRAM),
    )


def stop(node: Node, registry: registry_lib.Registry) -> None:
    """Stop a node tidily: it says good-bye to the others."""
    process.stop(registry, node.label(PROGRAM), _STOP_SECONDS)


def kill(node: Node, registry: registry_lib.Registry) -> None:
    """Kill a node, as a crash does."""
    process.kill(registry, node.label(PROGRAM))


def pause(node: Node, registry: registry_lib.Registry) -> None:
    """Stop a node's process where it is, until :func:`resume`."""
    process.send(registry, node.label(PROGRAM), signal.SIGSTOP)


def resume(node: Node, registry: registry_lib.Registry) -> None:
    """Let a paused node go on."""
    process.send(registry, node.label(PROGRAM), signal.SIGCONT)


def restart(node: Node, registry: registry_lib.Registry) -> None:
    """Start a node, if it ended: what it lacks it gets from the others."""
    if process.is_alive(registry, node.label(PROGRAM)):
        return
    recovered = _recovered(node)
    options = (f"--wsrep-start-position={recovered}",) if recovered else ()
    begin(node, registry, *options)


def restart_all(
    nodes: collections.abc.Sequence[Node], registry: registry_lib.Registry
) -> None:
    """Make the cluster again after every node ended.

    The node that is furthest begins, as an operator would have it.
    """

    def seqno(node: Node) -> int:
        recovered = _recovered(node)
        return int(recovered.rpartition(":")[2]) if recovered else -1

    first, *others = sorted(nodes, key=seqno, reverse=True)
    grastate = _data(first) / "grastate.dat"
    text = grastate.read_text()
    grastate.write_text(
        text.replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1")
    )
    # The view that it was in before would have it wait for the others.
    (_data(first) / "gvwstate.dat").unlink(missing_ok=True)
    begin(first, registry, "--wsrep-new-cluster")
    await_synced((first,))
    for node in others:
        restart(node, registry)
    await_synced(nodes)


def forget_data(node: Node) -> None:
    """Take a stopped node's state from it: it needs all of it (SST)."""
    shutil.rmtree(_data(node))


def desync(node: Node, *, is_on: bool) -> None:
    """Have a node fall behind the others, or catch up with them.

    It takes writes, and answers, all the time.
    """
    value = "ON" if is_on else "OFF"
    query(node, "mysql", f"SET GLOBAL wsrep_desync = {value}")


def query(node: Node, schema: str, sql: str) -> str:
    """Run a statement on one node as root; rows without a header.

    :raises DatabaseError: it refused, or does not answer.
    """
    return database.call(
        [
            *("mariadb", f"--socket={socket(node)}", "-uroot"),
            *("--connect-timeout=2", "-BN", schema, "-e", sql),
        ],
        _CALL_SECONDS,
    )


def state(node: Node) -> str:
    """What a node says of itself, such as Synced; empty: no answer."""
    return _status(node, "wsrep_local_state_comment")


def is_primary(node: Node) -> bool:
    """Whether a node has a quorum around it."""
    return _status(node, "wsrep_cluster_status") == "Primary"


def cluster_size(node: Node) -> int:
    """How many nodes there are, as one of them sees it; 0: no answer."""
    return int(_status(node, "wsrep_cluster_size") or 0)


def await_synced(
    nodes: collections.abc.Sequence[Node],
    deadline_seconds: float = _JOIN_SECONDS,
) -> float:
    """Wait until each of these is in the cluster; the seconds it took.

    :raises TimeoutError: one is not.
    """
    return process.wait_until(
        lambda: all(
            state(node) == SYNCED and is_primary(node) for node in nodes
        ),
        deadline_seconds,
        f"Galera: {', '.join(node.name for node in nodes)} synced",
        0.2,
    )


def socket(node: Node) -> pathlib.Path:
    """Where a node answers root without the network."""
    return node.directory / "galera.sock"


def connection(node: Node, schema: str) -> str:
    """SQLAlchemy's address of a schema on one node, over TCP."""
    return f"mysql+pymysql://root@{node.address}:{PORT}/{schema}"


def local_connection(node: Node, schema: str) -> str:
    """SQLAlchemy's address of it by its socket, from any namespace."""
    return (
        f"mysql+pymysql://root@localhost/{schema}?unix_socket={socket(node)}"
    )


def _status(node: Node, name: str) -> str:
    try:
        said = query(node, "mysql", f"SHOW STATUS LIKE '{name}'")
    except (database.DatabaseError, subprocess.TimeoutExpired):
        return ""
    return said.rstrip("\n").partition("\t")[2]


def _prepare(node: Node, printed: str) -> None:
    node.directory.mkdir(parents=True, exist_ok=True)
    text = deployment.render(
        deployment.Deployment.of(node.lab),
        "galera.cnf.j2",
        "octavia_anycast_lab.ha",
        node=node,
        socket=socket(node),
        user=_USER,
        gcache=_GCACHE,
    )
    # The server reads it as the user that it becomes, at an SST once more.
    _config(node).write_text(text)
    (node.directory / "printed.cnf").write_text(printed)
    # rsync's daemon takes what root sends for nobody's, so nothing is root's.
    for directory in (node.directory, node.directory / "tmp"):
        _make_own(directory)


def _fill(node: Node, seed: pathlib.Path | None) -> None:
    data = _data(node)
    if seed is not None:
        database.call(["cp", "-a", "--reflink=auto", seed, data])
        database.call(["chown", "-R", _USER, data])
        return
    database.call(
        [
            *("mariadb-install-db", f"--defaults-file={_config(node)}"),
            *("--skip-test-db", "--auth-root-authentication-method=socket"),
            *("--auth-root-socket-user=root", "--force", "--wsrep-on=OFF"),
        ]
    )


def _make_own(directory: pathlib.Path) -> None:
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.chown(directory, _USER)


def _recovered(node: Node) -> str:
    """How far a node that ended had come; empty: it has nothing.

    Source: what Debian's galera_recovery does before the server starts.
    """
    if not (_data(node) / "grastate.dat").exists():
        return ""
    done = netns.run(
        node.namespace,
        [
            *(_SERVER, f"--defaults-file={_config(node)}"),
            *("--wsrep-recover", "--log-error="),
        ],
        check=False,
    )
    found = _POSITION.findall(done.stderr + done.stdout)
    return found[-1] if found else ""


def _data(node: Node) -> pathlib.Path:
    return node.directory / "galera"


def _config(node: Node) -> pathlib.Path:
    return node.directory / "galera.cnf"
