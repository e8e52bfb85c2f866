# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A simulated amphora: what it was told, what is wrong with it.

Layer: testing. No I/O.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.wire import (
    DesiredState,
    Frontend,
    FrontendAddress,
    GateState,
    Intent,
    PathState,
)
from octavia_anycast.testing.fakes import fake_rescue
from octavia_anycast.testing.simulated.simulated_peering import Peering

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BOOT_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Guest:
    """An amphora as it really is; faults are its attributes."""

    record: AmphoraRecord
    number: int
    born: datetime
    state: DesiredState | None = None
    configured: str = ""
    is_dead: bool = False
    is_dead_known: bool = False
    is_cut_off: bool = False
    is_agent_hung: bool = False  # its heartbeats arrive, and its speakerd
    is_speakerd_deaf: bool = False  # as far as the controller goes
    stale_since: datetime | None = None  # it announces what is not promised
    rejects_configuration: bool = False  # its agent fails
    has_broken_haproxy: bool = False  # which refuses anything
    refused: str = ""  # a revision that only its HAProxy refuses
    is_gate_broken: bool = False
    is_session_down: bool = False
    is_ipv6_refused: bool = False
    is_of_old_image: bool = False  # knows nothing of keeps_speakers
    lack: str = ""  # for UDP and SCTP listeners
    serves: tuple[str, ...] = ()  # UDP and SCTP listeners
    quiet_since: datetime | None = None  # no packet of these came since then
    connections: int = 0  # established, to each VIP
    last_heard: datetime | None = None
    gate_since: datetime = EPOCH
    peering: Peering = field(default_factory=Peering)

    @property
    def rescues(self) -> frozenset[str]:
        """The members for whom it rescues flows."""
        return fake_rescue.members(self.state)

    def is_up(self, now: datetime) -> bool:
        """Whether the server has booted and lives."""
        age = (now - self.born).total_seconds()
        return not self.is_dead and age >= BOOT_SECONDS

    @property
    def gate(self) -> GateState:
        """What its health gate says."""
        if self.gate_is_up():
            return GateState.UP
        is_told = self.state and (
            self.state.listeners or self.state.lvs_listener_ids
        )
        return GateState.DOWN if is_told else GateState.DISABLED

    def gate_is_up(self) -> bool:
        """Whether its data path works."""
        return bool(
            self.state
            and (self.state.listeners or self.state.lvs_listener_ids)
            and self.configured
            and not self.is_gate_broken
            # What never ran beside others does not close a gate.
            and (
                self.state.listeners
                or set(self.state.lvs_listener_ids) <= set(self.serves)
            )
        )

    def announced(self, now: datetime) -> frozenset[IPAddress]:
        """The VIPs that the fabric sends to it."""
        if not self.state or not self.is_up(now) or self.is_session_down:
            return frozenset()
        if not self.gate_is_up():
            return frozenset()
        return frozenset(
            vip.vip_ip
            for vip in self.state.vips
            if vip.intent is not Intent.WITHDRAW
            and self.peering.carriers(vip.vip_ip.version, now)
            and not (self.is_ipv6_refused and vip.vip_ip.version == 6)
        )

    def path_state(self, vip_ip: IPAddress) -> PathState:
        """What the agent says of the path of a VIP that it announces."""
        is_draining = self.state is not None and any(
            vip.vip_ip == vip_ip and vip.intent is Intent.DRAIN
            for vip in self.state.vips
        )
        return PathState.DRAINING if is_draining else PathState.ADVERTISED


def frontend(number: int) -> Frontend:
    """The front end of the amphora with that number."""
    return Frontend(
        mac_address=f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}",
        mtu=1500,
        addresses=(
            FrontendAddress(
                ip_address=ip_address(f"10.1.{number // 250}.{number % 250}"),
                prefix_length=16,
            ),
            FrontendAddress(
                ip_address=ip_address(f"fd00:10:1::{number:x}"),
                prefix_length=64,
            ),
        ),
    )
