# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One server of the fake cloud, with what runs in it."""

from dataclasses import dataclass, field
from datetime import datetime

from octavia_anycast.model.bgp import IPAddress, SessionState
from octavia_anycast.model.wire import (
    DesiredState,
    GateState,
    LvsReport,
    PathCounts,
    SessionReport,
)


@dataclass(slots=True)
class Machine:
    """One server with what runs in it."""

    server_id: str
    amphora_id: str
    zone: str | None
    address: IPAddress
    booted_at: datetime
    state: DesiredState
    has_power: bool = True
    fault: str = ""  # why the compute service did not build it
    is_reachable: bool = True
    is_agent_hung: bool = False  # speakerd's own port answers all the same
    hangs_with: Exception | None = None  # what who asks its agent meets
    is_speakerd_deaf: bool = False
    speaks_another_version: bool = False
    knows_digests: bool = True  # those of its report, in heartbeats
    frontend_port: str | None = None
    revision: str | None = None  # HAProxy's configuration; None: no HAProxy
    sockets: frozenset[tuple[IPAddress, int]] = frozenset()
    lvs_listener_ids: frozenset[str] = frozenset()
    lvs: LvsReport | None = None  # what it says of UDP and SCTP
    image_id: str | None = None
    member_networks: set[str] = field(default_factory=set)
    peers: frozenset[str] = frozenset()  # who shares stick tables with it
    pushes: int = 0
    session_since: datetime | None = None
    configurations: list[str] = field(default_factory=list)
    connections_finished: int = 0
    established: int = 0  # connections of each VIP
    serial: int = 0  # of the certificate that its agent shows
    certificates: int = 0  # how often it got another

    @property
    def passwords(self) -> set[str | None]:
        """The passwords of its peers."""
        return {peer.password for _, peer in self.state.peers()}

    def change_speakers(self, state: DesiredState, now: datetime) -> None:
        """Start the sessions over, if their passwords are others."""
        if {peer.password for _, peer in state.peers()} != self.passwords:
            self.session_since = now

    def sessions(self, *, is_up: bool) -> tuple[SessionReport, ...]:
        """What its agent reports of its sessions."""
        return tuple(
            SessionReport(
                peer_id=peer.id,
                peer_ip=peer.peer_ip,
                state=SessionState.ESTABLISHED if is_up else SessionState.IDLE,
                since=self.session_since or self.booted_at,
            )
            for _, peer in self.state.peers()
        )

    def path_counts(self, *, is_up: bool) -> tuple[PathCounts, ...]:
        """What its agent counts, if it is a distributor's own."""
        if not self.state.is_distributor:
            return ()
        wanted = {
            peer.id: sum(
                1
                for vip in self.state.vips
                if vip.peer_ids is None or peer.id in vip.peer_ids
            )
            for _, peer in self.state.peers()
        }
        return tuple(
            PathCounts(
                peer_id=peer_id,
                wanted=count,
                advertised=count if is_up else 0,
            )
            for peer_id, count in wanted.items()
        )

    @property
    def gate(self) -> GateState:
        """What its health gate says."""
        if self.gate_is_up():
            return GateState.UP
        is_told = self.state.listeners or self.state.lvs_listener_ids
        return GateState.DOWN if is_told else GateState.DISABLED

    def gate_is_up(self) -> bool:
        """Whether HAProxy opens all that the agent watches."""
        if self.state.is_distributor:
            return True
        wanted = {(s.ip_address, s.port) for s in self.state.listeners}
        lvs_ids = set(self.state.lvs_listener_ids)
        if not wanted and not lvs_ids:
            return False
        return wanted <= self.sockets and (lvs_ids <= self.lvs_listener_ids)
