# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A deployment to look at: rows in SQLite, and the server of the picture.

For tests of the page, for its screenshots, and for figures with many
clusters. Time stands still in it: ``NOW`` is the controller's clock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from octavia_anycast.controller.metrics.application import Application
from octavia_anycast.controller.metrics.exposition import Text
from octavia_anycast.controller.metrics.server import MetricsServer
from octavia_anycast.controller.picture.site import FOLDER, Site
from octavia_anycast.db import heartbeat, models, schema
from octavia_anycast.db.amphora import amphora_statistics, amphorae, reports
from octavia_anycast.db.amphora.report_summary import ReportSummaries
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.engine import Database
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.bgp import Asn, PeeringNetwork, SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.distributor import DistributorType
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.model.monitoring.event import Event, EventKind, Owner
from octavia_anycast.model.monitoring.picture import (
    ShownBalancer,
    ShownContent,
    ShownListener,
    ShownMember,
    ShownPool,
)
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Probe,
    ProbeReport,
    ProbeVerdict,
    Report,
    SessionReport,
)
from octavia_anycast.testing import operator_settings

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
LOCAL = "127.0.0.1"
PROJECTS = (
    "3f1c0000000040008000000000000001",
    "9be20000000040008000000000000002",
)
DISTRIBUTOR = str(uuid5(NAMESPACE_OID, "distributor"))
UP, DOWN = SessionState.ESTABLISHED, SessionState.ACTIVE


def ago(seconds: float) -> datetime:
    """A moment before now."""
    return NOW - timedelta(seconds=seconds)


def id_of(name: str) -> str:
    """An id that is the same in each run."""
    return str(uuid5(NAMESPACE_OID, name))


@dataclass
class Shown:
    """Octavia's rows."""

    balancers: dict[str, ShownBalancer] = field(default_factory=dict)
    contents: dict[str, ShownContent] = field(default_factory=dict)

    def all(self) -> list[ShownBalancer]:
        """Every load balancer."""
        return list(self.balancers.values())

    def one(self, load_balancer_id: str) -> ShownBalancer | None:
        """One of them."""
        return self.balancers.get(load_balancer_id)

    def content(self, load_balancer_id: str) -> ShownContent:
        """What is below it."""
        return self.contents.get(load_balancer_id, ShownContent())


@dataclass(frozen=True, kw_only=True)
class PlantedAmphora:
    """An amphora; ``sessions``: router -> state of its session.

    ``gate_reason``: why its health gate is closed; empty: it is open.
    """

    name: str
    zone: str | None
    sessions: dict[str, SessionState]
    gate_reason: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


class PlantedPicture:
    """Rows of a deployment, and who serves its picture.

    :param folder: where the database's file is made
    :param options: of the section ``[anycast]``
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.database = Database(f"sqlite:///{folder}/picture.db")
        schema.upgrade(self.database.engine())
        self.shown = Shown()
        self.seconds = 0.0
        self.world: Any = SimpleNamespace(
            database=self.database,
            settings=operator_settings.read(picture=True, **options),
            now=lambda: NOW,
            summaries=ReportSummaries(),
        )
        self._session: Any = None
        with self._transaction() as session:
            session.add(
                models.Distributor(
                    id=DISTRIBUTOR,
                    distributor_type=DistributorType.L3_BGP,
                    provisioning_status="ACTIVE",
                    operating_status="ONLINE",
                    is_enabled=True,
                    is_default=False,
                )
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Add all that is added meanwhile in one transaction: quick."""
        with self.database.transaction() as session:
            self._session = session
            try:
                yield
            finally:
                self._session = None

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        if self._session is not None:
            yield self._session
            return
        with self.database.transaction() as session:
            yield session

    def add_router(self, name: str, number: int, zone: str | None) -> str:
        """Add a BGP peer; returns its id."""
        with self._transaction() as session:
            session.add(
                models.Peer(
                    id=id_of(name),
                    name=name,
                    peer_ip=ip_address(f"172.31.{number // 250}.{number}"),
                    remote_as=Asn(65001),
                    hold_time=3,
                    peering_network=PeeringNetwork.MANAGEMENT,
                    availability_zone=zone,
                    communities=(),
                    as_path_prepend=0,
                )
            )
        return id_of(name)

    def add_balancer(
        self,
        name: str,
        amphorae_of_it: Sequence[PlantedAmphora],
        *,
        number: int = 1,
        project: str = PROJECTS[0],
        operating: str = "ONLINE",
        reason: str = "",
        content: ShownContent | None = None,
    ) -> str:
        """Add a load balancer with its amphorae; returns its id."""
        identifier = id_of(f"{name}{number}")
        vips = (
            f"198.51.{100 + number // 250}.{number % 250 + 1}",
            f"2001:db8:100::{number:x}",
        )
        self.shown.balancers[identifier] = ShownBalancer(
            id=identifier,
            name=name,
            project_id=project,
            provisioning_status="ACTIVE",
            operating_status=operating,
            vips=vips,
        )
        if content is not None:
            self.shown.contents[identifier] = content
        record = ClusterRecord(
            load_balancer_id=identifier,
            project_id=project,
            distributor_id=DISTRIBUTOR,
            size=ClusterSize(desired=max(1, len(amphorae_of_it)), maximum=64),
            provisioning_status="ACTIVE",
            operating_status=operating,
            reason=reason,
        )
        with self._transaction() as session:
            clusters.create(session, record)
            for amphora in amphorae_of_it:
                _add_amphora(session, identifier, vips, amphora)
        return identifier

    def add_copies(self, owner_id: str, count: int) -> None:
        """Add load balancers like this one; quick, in SQLite's own words."""
        with self._transaction() as session:
            session.flush()
            for model, own in (
                (models.Cluster, "load_balancer_id"),
                (models.Amphora, "load_balancer_id"),
                (models.AmphoraHealth, "amphora_id"),
                (models.AmphoraReport, "amphora_id"),
            ):
                statement = _copying(model.__table__, own)
                session.connection().exec_driver_sql(
                    statement, {"owner": owner_id, "count": count}
                )
            made = session.connection().exec_driver_sql(
                "SELECT load_balancer_id FROM anycast_cluster"
            )
            for (identifier,) in made:
                like = self.shown.balancers[owner_id]
                self.shown.balancers.setdefault(
                    identifier, replace(like, id=identifier)
                )

    def count(self, amphora: str, connections: int, seconds: float) -> None:
        """A heartbeat with new connections, some seconds ago."""
        beat = Heartbeat(
            amphora_id=id_of(amphora),
            listeners=(
                ListenerBeat(
                    listener_id="l",
                    status="OPEN",
                    total_connections=connections,
                ),
            ),
        )
        with self._transaction() as session:
            heartbeat.touch(
                session, id_of(amphora), ago(seconds), is_beat=True
            )
            amphora_statistics.add(session, [beat])

    def happened(
        self,
        kind: EventKind,
        owner_id: str | None,
        seconds: float,
        **values: Any,
    ) -> None:
        """Store an event of some seconds ago; None: a distributor's own."""
        event = Event(
            kind=kind,
            at=ago(seconds),
            owner=Owner(distributor_id=DISTRIBUTOR, load_balancer_id=owner_id),
            **values,
        )
        with self._transaction() as session:
            events.add(session, [event])

    def site(self) -> Site:
        """What answers for the picture; its clock is ``seconds``."""
        return Site(self.world, self.shown, lambda: self.seconds)

    @contextmanager
    def served(self) -> Iterator[str]:
        """A server of the page, which is never older than a request.

        Yields its URL.
        """
        site = self.site()

        def answer(environ: Any) -> Any:
            self.seconds += 60
            return site.answer(environ)

        application = Application(
            lambda: Text(b"", b""), dict, {FOLDER: answer}
        )
        server = MetricsServer(LOCAL, 0, application)
        server.start()
        try:
            yield f"http://{LOCAL}:{server.port}/picture/"
        finally:
            server.stop()


def _copying(table: Any, own: str) -> str:
    """The statement that copies the rows of a load balancer.

    A copy's ids have its number in the second four places.
    """
    mine = f"{own} = :owner"
    if own != "load_balancer_id":
        mine = (
            f"{own} IN (SELECT id FROM anycast_amphora "
            "WHERE load_balancer_id = :owner)"
        )
    names = [column.name for column in table.columns]
    values = [
        f"substr({name}, 1, 4) || printf('%04x', n) || substr({name}, 9)"
        if name in ("id", "load_balancer_id", "amphora_id")
        else name
        for name in names
    ]
    return (
        "WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM copies WHERE n < :count) "
        f"INSERT INTO {table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM {table.name}, copies WHERE {mine}"
    )


def _add_amphora(
    session: Any,
    owner_id: str,
    vips: Sequence[str],
    planted: PlantedAmphora,
) -> None:
    identifier = id_of(planted.name)
    record = AmphoraRecord(
        id=identifier,
        load_balancer_id=owner_id,
        status=AmphoraStatus.ALLOCATED,
        status_since=ago(9000),
        availability_zone=planted.zone,
        compute_host=f"compute-{planted.zone or 'x'}",
        applied_at=ago(8000),
    )
    amphorae.create(session, replace(record, **planted.changes))
    heartbeat.touch(session, identifier, ago(1), is_beat=True)
    said = _report(identifier, vips, planted)
    if not reports.save(session, identifier, said, ago(2)):
        raise ValueError(f"there is no amphora {identifier}")


def _report(
    identifier: str, vips: Sequence[str], planted: PlantedAmphora
) -> Report:
    is_open = not planted.gate_reason
    return Report(
        amphora_id=identifier,
        digest="d",
        revision="r",
        gate=_gate(planted.gate_reason),
        speaker_is_running=True,
        frontend_is_up=True,
        sessions=tuple(
            SessionReport(
                peer_id=id_of(router),
                peer_ip=ip_address("172.31.0.1"),
                state=state,
                since=ago(700),
                error="" if state is UP else "Hold Timer Expired",
            )
            for router, state in planted.sessions.items()
        ),
        paths=tuple(
            PathReport(
                vip_ip=ip_address(vip),
                nexthop_ip=ip_address("fd00::5" if ":" in vip else "10.1.0.5"),
                peer_id=id_of(router),
                state=_path(state, is_open=is_open),
                reason="" if is_open else "the health gate is closed",
            )
            for router, state in planted.sessions.items()
            for vip in vips
        ),
        connections={vip: 12 if is_open else 0 for vip in vips},
        are_speakers_loaded=True,
    )


def _path(state: SessionState, *, is_open: bool) -> PathState:
    if not is_open:
        return PathState.WITHDRAWN
    return PathState.ADVERTISED if state is UP else PathState.PENDING


def _gate(reason: str) -> GateReport:
    if not reason:
        return GateReport(state=GateState.UP, reason="", since=ago(7000))
    seen = ProbeReport(
        probe=Probe.PROCESS,
        verdict=ProbeVerdict.BAD,
        value=reason,
        since=ago(120),
    )
    return GateReport(
        state=GateState.DOWN,
        reason=f"process: {reason}",
        since=ago(120),
        evidence=(seen,),
    )


def pool(
    name: str, members: Sequence[tuple[str, str]], protocol: str = "HTTP"
) -> ShownPool:
    """A pool with members: name and operating status of each."""
    return ShownPool(
        id=id_of(f"pool {name}"),
        name=name,
        operating_status="ONLINE",
        is_enabled=True,
        protocol=protocol,
        members=tuple(
            ShownMember(
                id=id_of(f"member {name} {number} {member}"),
                name=member,
                operating_status=status,
                is_enabled=True,
                address=f"192.0.2.{number}",
                port=8080,
            )
            for number, (member, status) in enumerate(members, start=1)
        ),
        member_count=len(members),
    )


def listener(name: str, pools: Sequence[ShownPool]) -> ShownListener:
    """A listener that sends to these pools."""
    return ShownListener(
        id=id_of(f"listener {name}"),
        name=name,
        operating_status="ONLINE",
        is_enabled=True,
        protocol="HTTP",
        port=80,
        pool_ids=tuple(x.id for x in pools),
    )
