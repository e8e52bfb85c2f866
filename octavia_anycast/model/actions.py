# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Actions: what a plan is made of.

Each is idempotent when carried out: doing it twice is doing it once. Those
with an ``amphora_id`` are ordered within that amphora and unordered among
amphorae. Of the others, :class:`ScaleCluster` comes before everything,
:class:`PrepareLoadBalancer` before what makes ports,
:class:`EnsureServerGroup` before what boots, and :class:`RemoveLoadBalancer`
stands alone.
"""

from dataclasses import dataclass, field

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import DrainMark
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.wire import DesiredState


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCluster:
    """Record another wanted size, and why; the rest of the plan rests on it.

    It fails if the cluster's user changed anything meanwhile.
    """

    load_balancer_id: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareLoadBalancer:
    """Bring the VIP's ports and security group to this revision."""

    load_balancer_id: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureServerGroup:
    """Make the anti-affinity group, if one is wanted and there is none.

    No plan has it: it is put before the boots of any plan.
    """

    load_balancer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLoadBalancer:
    """Take away the VIP ports, the security group and our rows."""

    load_balancer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootAmphora:
    """Record a new amphora and boot its server in this zone."""

    amphora_id: str
    zone: Zone
    generation: int
    is_replacement: bool = False
    first_state: DesiredState = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateAmphora:
    """Record the management address: the server runs."""

    amphora_id: str
    lb_network_ip: IPAddress
    compute_host: str | None = None
    image_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugFrontend:
    """Make the front-end port, attach it, record its addresses."""

    amphora_id: str
    network_id: str
    subnet_ids: tuple[str, ...]
    ip_versions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugMemberNetworks:
    """Attach the networks of members; detach those no longer used."""

    amphora_id: str
    network_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureHaproxy:
    """Push certificates and HAProxy configuration; record the revision.

    ``peer_ids``: the amphorae that share stick tables with it, itself too.
    ``left_out_ids``: UDP and SCTP listeners that it cannot serve.
    """

    amphora_id: str
    revision: str
    peer_ids: tuple[str, ...] = ()
    left_out_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindCulprits:
    """Find out by trials at this amphora which objects it refuses.

    Nothing of a trial goes into force. The objects go to ERROR and are left
    out of the configuration from then on. ``left_out_ids``: as in
    :class:`ConfigureHaproxy`.
    """

    amphora_id: str
    revision: str
    peer_ids: tuple[str, ...] = ()
    left_out_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseListeners:
    """Show listeners as ERROR that no amphora can serve, and leave them out.

    ``sentence``: why, for whoever asks.
    """

    load_balancer_id: str
    listener_ids: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """Record that the amphora stands by, or that it serves."""

    amphora_id: str
    is_spare: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgentState:
    """PUT the whole desired state to the agent.

    ``is_transition``: its BGP speakers change while it announces; record it.
    ``drain``: once it was told, record that its drain has begun or ended.
    """

    amphora_id: str
    state: DesiredState = field(repr=False)
    why: str = ""
    is_transition: bool = False
    drain: DrainMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAgent:
    """Give the agent its configuration again; a user asked for it."""

    amphora_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishConnections:
    """Have HAProxy end the connections of one that drains, each tidily."""

    amphora_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLeaving:
    """Record that the amphora leaves: it drains from now on."""

    amphora_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailAmphora:
    """Record that the amphora failed; it counts for the back-off.

    ``is_refused``: the compute service said no.
    """

    amphora_id: str
    reason: str
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAmphora:
    """Delete server, ports and registrations; mark the row DELETED."""

    amphora_id: str
    reason: str


AmphoraAction = (
    BootAmphora
    | AllocateAmphora
    | PlugFrontend
    | PlugMemberNetworks
    | ConfigureHaproxy
    | FindCulprits
    | SetRole
    | SetAgentState
    | UpdateAgent
    | FinishConnections
    | StartLeaving
    | FailAmphora
    | DeleteAmphora
)
Action = (
    ScaleCluster
    | PrepareLoadBalancer
    | EnsureServerGroup
    | RefuseListeners
    | RemoveLoadBalancer
    | AmphoraAction
)
