# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the controller needs of the world, as Protocols.

octavia_adapter and agent_client implement them, octavia_anycast.testing has
fakes. They raise the errors of the model only. ``cmd`` makes the objects;
nothing else in the controller imports an adapter.

Layer: controller.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from octavia_anycast.controller.memory import AmphoraMemory, HeartbeatRefusals
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
from octavia_anycast.model.wire import DesiredState, Frontend, Report
from octavia_anycast.options import Settings
from octavia_anycast.planning.cluster.culprits import Findings


class LoadBalancers(Protocol):
    """Octavia's load balancers, read."""

    def pending_ids(self) -> list[str]:
        """Those in PENDING_*; one query."""

    def all_statuses(self) -> dict[str, str]:
        """Each that is not DELETED with its status; one query."""

    def read(self, load_balancer_id: str) -> LoadBalancerTree | None:
        """Read the whole tree."""

    def row_version(self, load_balancer_id: str) -> RowVersion | None:
        """What changes with anything in the tree; one query."""

    def census(self) -> Census:
        """Whose is what, for the sweep; a constant number of queries."""


class Statuses(Protocol):
    """Octavia's statuses, written; each conditional on what was read."""

    def settle(
        self, tree: LoadBalancerTree, waiting: Collection[str] = ()
    ) -> bool:
        """ACTIVE, and remove what was to be deleted; not what waits."""

    def fail(self, tree: LoadBalancerTree) -> bool:
        """ERROR."""

    def refuse(self, tree: LoadBalancerTree, ids: Collection[str]) -> bool:
        """ERROR, of objects below; the rest stays as it is."""

    def delete(self, tree: LoadBalancerTree) -> bool:
        """DELETED, with everything below."""

    def set_operating(
        self, tree: LoadBalancerTree, changes: dict[tuple[str, str], str]
    ) -> None:
        """Operating statuses: (kind, id) -> status."""


class Haproxy(Protocol):
    """HAProxy of an amphora, through Octavia's agent."""

    def push(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
    ) -> None:
        """Configure it."""

    def find_culprits(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        peers: Sequence[AmphoraRecord] = (),
    ) -> Findings:
        """Find out which objects it refuses; nothing goes into force."""

    def plug_network(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> None:
        """Configure the interface of a member network."""

    def has_addresses(
        self, record: AmphoraRecord, port_info: dict[str, Any]
    ) -> bool:
        """Whether the interface of a member network is configured."""

    def install_certificate(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None:
        """Give the agent a new certificate."""

    def update_agent(self, record: AmphoraRecord, configuration: str) -> None:
        """Hand its agent another configuration."""


class Compute(Protocol):
    """The compute service."""

    def build(
        self,
        tree: LoadBalancerTree | None,
        amphora_id: str,
        zone: str | None,
        drive: ConfigDrive,
    ) -> str:
        """Boot a server; without a tree, for no load balancer."""

    def look(self, server_id: str, tree: LoadBalancerTree | None) -> Server:
        """Look a server up."""

    def delete(self, amphora_id: str, server_id: str | None) -> None:
        """Delete it, by name if the id is unknown."""

    def list_servers(self) -> tuple[Seen, ...]:
        """Each server with the name of an amphora, stock Octavia's too."""

    def check_zone(self, zone: str) -> None:
        """See that an availability zone exists."""

    def ensure_group(self, tree: LoadBalancerTree) -> None:
        """Make the anti-affinity group."""

    def remove_group(self, tree: LoadBalancerTree) -> None:
        """Delete the anti-affinity group."""


class FrontendNetwork(Protocol):
    """The network service: what the VIPs and front ends need."""

    def prepare(
        self, tree: LoadBalancerTree, records: Iterable[AmphoraRecord]
    ) -> Prepared:
        """The VIP's port, the security group, QoS."""

    def remove(self, tree: LoadBalancerTree) -> None:
        """Delete VIP port and security group."""

    def check_frontend(
        self, network_id: str | None, subnet_ids: Iterable[str]
    ) -> None:
        """See that a front-end network and its subnets exist."""

    def plug_frontend(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        action: PlugFrontend,
    ) -> tuple[str, Frontend]:
        """Make and attach the front-end port."""

    def release(self, record: AmphoraRecord) -> None:
        """Delete all ports of an amphora."""


class MemberNetwork(Protocol):
    """The network service: what the way to the members needs."""

    def networks_of(self, subnet_ids: Iterable[str]) -> MemberNetworks:
        """The networks of these subnets."""

    def plug_members(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        network_ids: Iterable[str],
    ) -> list[dict[str, Any]]:
        """Make and attach ports in networks of members."""

    def unplug_members(
        self, record: AmphoraRecord, network_ids: Iterable[str]
    ) -> None:
        """Detach and delete them."""


class PortInventory(Protocol):
    """The network service: what the sweep needs."""

    def list_ports(self) -> tuple[Seen, ...]:
        """Ports of amphorae and VIPs, stock Octavia's VIPs too."""

    def list_security_groups(self) -> tuple[Seen, ...]:
        """Security groups of VIPs, stock Octavia's too."""

    def delete_port(self, port_id: str) -> None:
        """Delete one."""

    def delete_security_group(self, group_id: str) -> None:
        """Delete one."""

    def remove_vip_of(self, load_balancer_id: str) -> None:
        """Delete the VIP port of a load balancer without a row."""


class Network(FrontendNetwork, MemberNetwork, PortInventory, Protocol):
    """The network service."""


class Files(Protocol):
    """Makes config drives."""

    def build(self, first_state: DesiredState, now: datetime) -> ConfigDrive:
        """The files of one amphora."""

    def issue_certificate(self, amphora_id: str) -> Certificate:
        """A new certificate for an amphora's agent."""

    @property
    def certificate_seconds(self) -> float:
        """For how long a new certificate is valid."""

    def agent_configuration(self, amphora_id: str) -> str:
        """What its agent is configured with, as of now."""


class Agents(Protocol):
    """The agents of the amphorae."""

    def get_report(self, amphora_id: str, address: IPAddress) -> Report:
        """Ask what is."""

    def put_state(
        self, amphora_id: str, address: IPAddress, state: DesiredState
    ) -> None:
        """Say what is to be."""

    def served_serial(self, amphora_id: str, address: IPAddress) -> int:
        """The serial number of the certificate that it shows."""


class Statistics(Protocol):
    """Octavia's listener statistics."""

    def add(self, heartbeats: Iterable[Heartbeat]) -> None:
        """Add what heartbeats brought."""

    def set_active(self, active: Mapping[str, int]) -> None:
        """listener_id -> active connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All collaborators of the controller, made once at start-up.

    ``now``: the wall clock; aware, UTC.
    ``memory``: what this process remembers of amphorae.
    ``refusals``: what came to the port of heartbeats and is none.
    ``speakerds``: speakerd's own port, for amphorae whose agents do not
    answer. ``fast_agents``: the agents, asked with short timeouts.
    ``rescue_key``: of which clusters' secrets of flow rescue are made.
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
    refusals: HeartbeatRefusals = field(default_factory=HeartbeatRefusals)
    speakerds: Agents | None = None
    fast_agents: Agents | None = None
    memory: AmphoraMemory = field(default_factory=AmphoraMemory)
