# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What of a fake cloud housekeeping sees, and what it may not touch.

``others`` are things of stock Octavia or of anybody else, with the names
that such things have; removing one is a violation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.housekeeping import Certificate, OrphanKind, Seen
from octavia_anycast.model.wire import DesiredState

if TYPE_CHECKING:
    from octavia_anycast.testing.fakes.fake_machine import Machine

CERTIFICATE_DAYS = 30


class FakeInventory:
    """Lists, deletes, and certificates; a part of the fake cloud."""

    machines: dict[str, "Machine"]
    ports: dict[str, tuple[str, str]]
    security_groups: set[str]
    lost_vip_ports: set[str]
    violations: list[str]
    deleted_load_balancers: set[str]
    now: datetime

    def __init__(self) -> None:
        # (kind, id) -> what it is; beside what the controller made.
        self.leftovers: dict[tuple[OrphanKind, str], Seen] = {}
        self.others: set[str] = set()
        self.born: dict[str, datetime] = {}
        # What an agent does with the next certificate, if not take it.
        self.on_certificate: Callable[[Machine], None] | None = None

    def step(self, name: str) -> None:
        """One thing the controller does."""
        raise NotImplementedError

    def _machine(self, record: AmphoraRecord) -> "Machine":
        raise NotImplementedError

    def _by_address(self, amphora_id: str, address: IPAddress) -> "Machine":
        raise NotImplementedError

    def leave(self, kind: OrphanKind, seen: Seen, *, is_mine: bool) -> None:
        """Put something there that the controller did not make."""
        self.leftovers[kind, seen.id] = seen
        if not is_mine:
            self.others.add(seen.id)

    def has(self, kind: OrphanKind, identifier: str) -> bool:
        """Whether something that was left is still there."""
        return (kind, identifier) in self.leftovers

    # -- what the sweep lists ------------------------------------------------

    def list_servers(self) -> tuple[Seen, ...]:
        """Servers with names of amphorae."""
        self.step("list servers")
        made = tuple(
            Seen(
                id=machine.server_id,
                amphora_id=machine.amphora_id,
                created_at=machine.booted_at,
            )
            for machine in self.machines.values()
        )
        return made + self._left(OrphanKind.SERVER)

    def list_ports(self) -> tuple[Seen, ...]:
        """Ports with names of amphorae and VIPs."""
        made = tuple(
            Seen(
                id=port_id,
                amphora_id=owner,
                is_named_by_us=True,
                created_at=self.born.get(port_id),
            )
            for port_id, owner in self.ports.values()
        )
        vips = tuple(
            Seen(id=f"vip-{identifier}", load_balancer_id=identifier)
            for identifier in sorted(self.security_groups)
            if identifier not in self.lost_vip_ports
        )
        return made + vips + self._left(OrphanKind.PORT)

    def list_security_groups(self) -> tuple[Seen, ...]:
        """Security groups with names of VIPs."""
        made = tuple(
            Seen(id=f"sg-{identifier}", load_balancer_id=identifier)
            for identifier in sorted(self.security_groups)
        )
        return made + self._left(OrphanKind.SECURITY_GROUP)

    def _left(self, kind: OrphanKind) -> tuple[Seen, ...]:
        return tuple(s for (k, _), s in self.leftovers.items() if k is kind)

    # -- what it removes ------------------------------------------------------

    def delete_port(self, port_id: str) -> None:
        """Delete one."""
        self.step("delete port")
        self.ports = {n: p for n, p in self.ports.items() if p[0] != port_id}
        self._drop(OrphanKind.PORT, port_id)

    def delete_security_group(self, group_id: str) -> None:
        """Delete one."""
        self.step("delete security group")
        self.security_groups.discard(group_id.removeprefix("sg-"))
        self._drop(OrphanKind.SECURITY_GROUP, group_id)

    def remove_vip_of(self, load_balancer_id: str) -> None:
        """Delete the VIP port of a load balancer without a row."""
        self.deleted_load_balancers.add(load_balancer_id)

    def _drop(self, kind: OrphanKind, identifier: str) -> None:
        if identifier in self.others:
            self.violations.append(f"deleted {kind} {identifier} of others")
        self.leftovers.pop((kind, identifier), None)

    # -- certificates ---------------------------------------------------------

    def install_certificate(
        self, record: AmphoraRecord, certificate: Certificate
    ) -> None:
        """Give an agent a new certificate."""
        self.step("install certificate")
        machine = self._machine(record)
        if self.on_certificate is not None:
            self.on_certificate(machine)
        else:
            machine.serial = certificate.serial
        machine.certificates += 1
        self.step("install certificate done")

    def served_serial(self, amphora_id: str, address: IPAddress) -> int:
        """The serial number that an agent shows."""
        self.step("served serial")
        return self._by_address(amphora_id, address).serial


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDrive:
    """A config drive that remembers the first state."""

    files: dict[str, str]
    cert_expiration: datetime
    first_states: tuple[DesiredState, ...]


class FakeFiles:
    """Makes config drives, with certificates that are only numbers."""

    certificate_seconds = CERTIFICATE_DAYS * 86_400.0

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._serial = 0
        self.first_states: dict[str, DesiredState] = {}  # by amphora id

    def build(self, first_state: DesiredState, now: datetime) -> Any:
        """The files of one amphora."""
        self.first_states[first_state.amphora_id] = first_state
        return FakeDrive(
            files={},
            cert_expiration=now + timedelta(days=CERTIFICATE_DAYS),
            first_states=(first_state,),
        )

    def issue_certificate(self, amphora_id: str) -> Certificate:
        """A new certificate."""
        self._serial += 1
        return Certificate(
            pem=f"certificate of {amphora_id}",
            serial=self._serial,
            expires_at=self._now() + timedelta(days=CERTIFICATE_DAYS),
        )

    def agent_configuration(self, amphora_id: str) -> str:
        """What its agent is configured with."""
        return f"amphora_id = {amphora_id}"
