# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller in miniature: real locks and rows, servers that are files.

    python -m octavia_anycast_lab.ha.miniature COORDINATION DATABASE CLOUD

Real are the daemon, its queue and locks, the fence, our tables, and the tasks
that boot and delete amphorae. Clusters are rows without a load balancer; an
amphora is as it should be when it has a server. ``CLOUD`` is a directory that
several share, as controllers share a cloud: a file is a server, its name the
server's id, its content the amphora's.

``--unfenced``: it never looks a second time, which is what the checks have to
find. ``--pause``: it stops itself (SIGSTOP), once, when its first server is
ordered.
"""

import argparse
import collections.abc
import logging
import os
import pathlib
import signal
import time
import types
import typing
import uuid
from datetime import UTC, datetime

from octavia_anycast.controller.amphora.tasks import DOERS
from octavia_anycast.controller.cluster.reconciler import until_done
from octavia_anycast.controller.engine import fence as fence_lib
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.daemon import Daemon
from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.memory import AmphoraMemory
from octavia_anycast.controller.meter import NO_METER
from octavia_anycast.controller.notifier import NO_NOTIFIER
from octavia_anycast.db import epochs
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.actions import Action, BootAmphora, DeleteAmphora
from octavia_anycast.model.cluster import AmphoraRecord, ClusterRecord
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.errors import Retryable

DISTRIBUTOR = "d"
_THREADS = 4
_ORDER_SECONDS = 0.1
_LIMIT = 1000
_POLL_SECONDS = 0.3
_AGAIN_SECONDS = 1.0
_ZONE = Zone(availability_zone="z", frontend_network_id="n")


class FileCloud:
    """Servers as files; each order takes a while."""

    def __init__(
        self, directory: pathlib.Path, *, pauses: bool = False
    ) -> None:
        self._directory = directory
        self._pauses = pauses

    def build(self, tree: object, amphora_id: str, *_: object) -> str:
        """Order a server."""
        if self._pauses:
            self._pauses = False
            os.kill(os.getpid(), signal.SIGSTOP)
        server_id = str(uuid.uuid4())
        time.sleep(_ORDER_SECONDS)
        draft = self._directory / f".{server_id}"
        draft.write_text(amphora_id)
        draft.rename(self._directory / server_id)
        return server_id

    def delete(self, amphora_id: str, server_id: str | None) -> None:
        """Delete a server, found by its amphora if need be."""
        for found, owner in servers(self._directory).items():
            if found == server_id or owner == amphora_id:
                (self._directory / found).unlink(missing_ok=True)


def servers(directory: pathlib.Path) -> dict[str, str]:
    """server_id -> amphora_id, of all that there are."""
    found = {}
    for path in directory.iterdir():
        if not path.name.startswith("."):
            try:
                found[path.name] = path.read_text()
            except FileNotFoundError:
                continue
    return found


class Miniature:
    """Has as many servers for each cluster as it wants."""

    kind = Kind(
        noun="cluster",
        threads=_THREADS,
        notice=0.0,
        busy=_POLL_SECONDS,
        resync=2.0,
        failed=_AGAIN_SECONDS,
        steal_after=2.0,
    )

    def __init__(
        self,
        database: Database,
        cloud: FileCloud,
        holds: collections.abc.Callable[[str], bool],
    ) -> None:
        self._database = database
        self._holds = holds
        self._world: typing.Any = types.SimpleNamespace(
            database=database,
            compute=cloud,
            files=types.SimpleNamespace(build=_drive),
            network=types.SimpleNamespace(release=lambda record: None),
            memory=AmphoraMemory(),
            meter=NO_METER,
            notifier=NO_NOTIFIER,
            now=_now,
            settings=types.SimpleNamespace(
                policy=types.SimpleNamespace(
                    replacement_limit=_LIMIT, boot_timeout=600
                )
            ),
        )

    def pending(
        self, wake: collections.abc.Callable[[str], None]
    ) -> collections.abc.Mapping[str, str]:
        """Each cluster -> what is not as it should be; empty: nothing."""
        with self._database.transaction() as session:
            found = {}
            for cluster in clusters.list_all(session):
                key = cluster.load_balancer_id
                actions = _plan(cluster, amphorae.list_for(session, key))
                found[key] = "pending" if actions else ""
        return found

    def reconcile(self, key: str) -> Result:
        """Boot and delete what is missing and too many."""
        return until_done(lambda: self._round(key))

    def _round(self, key: str) -> Result:
        with self._database.transaction() as session:
            cluster = clusters.get(session, key)
            records = amphorae.list_for(session, key)
        if cluster is None:
            return Result(is_gone=True, is_settled=True)
        actions = _plan(cluster, records)
        if not actions:
            return Result(is_settled=True)
        fence = Fence(
            self._database,
            epochs.CLUSTER,
            key,
            what=f"cluster {key}",
            holds=lambda: self._holds(key),
        )
        fence.begin(cluster.epoch)
        job = Job(
            self._world,
            _desired(),
            typing.cast(typing.Any, types.SimpleNamespace(amphorae=())),
            types.SimpleNamespace(id=key, project_id="p"),
            cluster,
            fence,
        )
        for action in actions:
            job.check()
            DOERS[type(action)](job, action)
        fence.require()
        return Result(did_something=True)


def _plan(
    cluster: ClusterRecord, records: list[AmphoraRecord]
) -> tuple[Action, ...]:
    """Give up what a controller did not get done; boot or delete others."""
    whole = [record for record in records if record.compute_id]
    actions: list[Action] = [
        DeleteAmphora(amphora_id=record.id, reason="it has no server")
        for record in records
        if not record.compute_id
    ]
    wanted = cluster.size.desired
    actions += [
        DeleteAmphora(amphora_id=record.id, reason="it is one too many")
        for record in whole[wanted:]
    ]
    actions += [
        BootAmphora(
            amphora_id=str(uuid.uuid4()),
            zone=_ZONE,
            generation=0,
            is_replacement=False,
            first_state=typing.cast(typing.Any, None),
        )
        for _ in range(wanted - len(whole))
    ]
    return tuple(actions)


def _desired() -> typing.Any:
    distributor = types.SimpleNamespace(id=DISTRIBUTOR, speakers=())
    return types.SimpleNamespace(distributor=distributor)


def _drive(*_: object) -> typing.Any:
    return types.SimpleNamespace(cert_expiration=_now())


def _now() -> datetime:
    return datetime.now(UTC)


def _unfence() -> None:
    """Have no fence look at anything."""
    for name in ("begin", "check", "guard", "require_lock", "require"):
        setattr(fence_lib.Fence, name, lambda self, *_: None)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coordination")
    parser.add_argument("database")
    parser.add_argument("cloud", type=pathlib.Path)
    parser.add_argument("--unfenced", action="store_true")
    parser.add_argument("--pause", action="store_true")
    words = parser.parse_args()
    logging.basicConfig(
        level="INFO", format="%(asctime)s %(process)d %(message)s"
    )
    if words.unfenced:
        _unfence()
    _run(words)


def _run(words: argparse.Namespace) -> None:
    coordination = Coordination(words.coordination)
    cloud = FileCloud(words.cloud, pauses=words.pause)
    with CarryingExecutor(_THREADS, "reconcile") as workers:
        daemon = Daemon(
            Miniature(
                Database(words.database), cloud, holds=coordination.holds
            ),
            coordination=coordination,
            workers=workers,
            poll_interval=_POLL_SECONDS,
        )
        signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
        while not daemon.is_stopping():
            try:
                coordination.start()
            except Retryable as e:
                logging.warning("%s", e)
                time.sleep(_AGAIN_SECONDS)
            else:
                daemon.run()
    coordination.stop()


if __name__ == "__main__":
    main()
