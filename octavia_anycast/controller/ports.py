# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the controller needs of the world, as Protocols.

octavia_adapter and agent_client implement them and say what each method does;
octavia_anycast.testing has fakes. They raise the errors of the model only.
``cmd`` makes the objects; nothing else in the controller imports an adapter.

Layer: controller.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.memory import AmphoraMemory, HeartbeatRefusals
from octavia_anycast.controller.meter import NO_METER, Meter
from octavia_anycast.controller.notifier import NO_NOTIFIER, Notifier
from octavia_anycast.db.amphora.report_summary import ReportSummaries
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import Cipher
from octavia_anycast.db.registration.registering import VipHolders
from octavia_anycast.model.actions import PlugFrontend
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord, ConfigDrive, Server
from octavia_anycast.model.heartbeat import Heartbeat
from octavia_anycast.model.housekeeping import Census, Certificate, Seen
from octavia_anycast.model.load_balancer import (
    LoadBalancerTree,
    MemberNetworks,
    Prepared,
    RowVersion,
)
from octavia_anycast.model.monitoring.picture import (
    ShownBalancer,
    ShownContent,
)
from octavia_anycast.model.wire import DesiredState, Frontend, Report
from octavia_anycast.options import Settings
from octavia_anycast.planning.cluster.culprits import Findings


class LoadBalancers(Protocol):
    """Octavia's load balancers, read."""

    def pending_ids(self) -> list[str]: ...
    def all_statuses(self) -> dict[str, str]: ...
    def read(self, load_balancer_id: str) -> LoadBalancerTree | None: ...
    def row_version(self, load_balancer_id: str) -> RowVersion | None: ...
    def census(self) -> Census: ...


class ShownBalancers(Protocol):
    """Octavia's load balancers, as a picture shows them."""

    def all(self) -> list[ShownBalancer]: ...
    def one(self, load_balancer_id: str) -> ShownBalancer | None: ...
    def content(self, load_balancer_id: str) -> ShownContent: ...


class Statuses(Protocol):
    """Octavia's statuses, written; each conditional on what was read."""

    def settle(
        self, tree: LoadBalancerTree, waiting: Collection[str] = ()
    ) -> bool: ...
    def fail(self, tree: LoadBalancerTree) -> bool: ...
    def refuse(self, tree: LoadBalancerTree, ids: Collection[str]) -> bool: ...
    def delete(self, tree: LoadBalancerTree) -> bool: ...
    def set_operating(
        self, tree: LoadBalancerTree, changes: dict[tuple[str, str], str]
    ) -> None: ...


class Haproxy(Protocol):
    """HAProxy of an amphora, through Octavia's agent."""

    def push(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
        left_out_ids: Sequence[str] = (),
    ) -> None: ...
    def find_culprits(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
        left_out_ids: Sequence[str] = (),
    ) -> Findings: ...
    def plug_network(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> None: ...
    def has_addresses(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> bool: ...
    def install_certificate(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None: ...
    def update_agent(
        self, record: AmphoraRecord, configuration: str
    ) -> None: ...
    def finish_connections(
        self, tree: LoadBalancerTree, record: AmphoraRecord
    ) -> None: ...


class Compute(Protocol):
    """The compute service."""

    def build(
        self,
        tree: LoadBalancerTree | None,
        amphora_id: str,
        zone: str | None,
        drive: ConfigDrive,
    ) -> str: ...
    def look(
        self, server_id: str, tree: LoadBalancerTree | None
    ) -> Server: ...
    def delete(self, amphora_id: str, server_id: str | None) -> None: ...
    def list_servers(self) -> tuple[Seen, ...]: ...
    def check_zone(self, zone: str) -> None: ...
    def ensure_group(self, tree: LoadBalancerTree) -> None: ...
    def remove_group(self, tree: LoadBalancerTree) -> None: ...


class FrontendNetwork(Protocol):
    """The network service: what the VIPs and front ends need."""

    def prepare(
        self, tree: LoadBalancerTree, records: Iterable[AmphoraRecord]
    ) -> Prepared: ...
    def remove(self, tree: LoadBalancerTree) -> None: ...
    def check_frontend(
        self, network_id: str | None, subnet_ids: Iterable[str]
    ) -> None: ...
    def plug_frontend(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        action: PlugFrontend,
    ) -> tuple[str, Frontend]: ...
    def release(self, record: AmphoraRecord) -> None: ...


class MemberNetwork(Protocol):
    """The network service: what the way to the members needs."""

    def networks_of(self, subnet_ids: Iterable[str]) -> MemberNetworks: ...
    def plug_members(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        network_ids: Iterable[str],
    ) -> list[dict[str, Any]]: ...
    def unplug_members(
        self, record: AmphoraRecord, network_ids: Iterable[str]
    ) -> None: ...


class PortInventory(Protocol):
    """The network service: what the sweep needs."""

    def list_ports(self) -> tuple[Seen, ...]: ...
    def list_security_groups(self) -> tuple[Seen, ...]: ...
    def delete_port(self, port_id: str) -> None: ...
    def delete_security_group(self, group_id: str) -> None: ...
    def remove_vip_of(self, load_balancer_id: str) -> None: ...


class Network(FrontendNetwork, MemberNetwork, PortInventory, Protocol):
    """The network service."""


class Files(Protocol):
    """Makes config drives."""

    def build(
        self, first_state: DesiredState, now: datetime
    ) -> ConfigDrive: ...
    def issue_certificate(self, amphora_id: str) -> Certificate: ...
    @property
    def certificate_seconds(self) -> float: ...
    def agent_configuration(self, amphora_id: str) -> str: ...


class Knocks(Protocol):
    """Whether the kernels of amphorae answer."""

    def knock(
        self, addresses: Mapping[str, IPAddress], seconds: float
    ) -> set[str]: ...
    def close(self) -> None: ...


class Agents(Protocol):
    """The agents of the amphorae."""

    def get_report(self, amphora_id: str, address: IPAddress) -> Report: ...
    def put_state(
        self, amphora_id: str, address: IPAddress, state: DesiredState
    ) -> None: ...
    def served_serial(self, amphora_id: str, address: IPAddress) -> int: ...


class Statistics(Protocol):
    """Octavia's listener statistics."""

    def add(self, heartbeats: Iterable[Heartbeat]) -> None: ...
    def set_active(self, active: Mapping[str, int]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All collaborators of the controller, made once at start-up.

    ``now``: the wall clock; aware, UTC.
    ``memory``: what this process remembers of amphorae; ``at_rest``: which
    load balancers are not looked at, because heartbeats say that all is well;
    ``summaries``: of stored reports, for those who count all of them.
    ``refusals``: what came to the port of heartbeats and is none.
    ``speakerds``: speakerd's own port, for amphorae whose agents do not
    answer. ``fast_agents``: the agents, asked with short timeouts.
    ``rescue_key``: of which clusters' secrets of flow rescue are made.
    ``metrics_authority``: certificates in PEM, of who signs those of amphorae.
    ``meter``: is told what happens, for metrics; ``notifier``: the events, for
    other services.
    """

    database: Database
    cipher: Cipher
    load_balancers: LoadBalancers
    vip_holders: VipHolders
    statuses: Statuses
    haproxy: Haproxy
    compute: Compute
    network: Network
    files: Files
    agents: Agents
    statistics: Statistics
    settings: Settings
    rescue_key: bytes = field(repr=False)
    now: Callable[[], datetime]
    metrics_authority: str = field(default="", repr=False)
    refusals: HeartbeatRefusals = field(default_factory=HeartbeatRefusals)
    speakerds: Agents | None = None
    fast_agents: Agents | None = None
    memory: AmphoraMemory = field(default_factory=AmphoraMemory)
    at_rest: AtRest = field(default_factory=AtRest)
    summaries: ReportSummaries = field(default_factory=ReportSummaries)
    meter: Meter = NO_METER
    notifier: Notifier = NO_NOTIFIER
