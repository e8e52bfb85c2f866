# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an agent asks of Neutron, and the lab's own as one that answers."""

import dataclasses
import typing

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.vm.network import rules, signals

_FIELDS = (
    "id",
    "network_id",
    "mac_address",
    "fixed_ips",
    "allowed_address_pairs",
    "security_groups",
    "port_security_enabled",
    "status",
    "binding:host_id",
    "binding:vif_type",
)


class Neutron(typing.Protocol):
    """Ports of one rack, and where their state is reported."""

    def changed_at(self) -> int:
        """A number that is another one if anything may have changed."""

    def ports(self) -> tuple[rules.Port, ...]:
        """Every port of the rack's hosts.

        :raises rest.ApiError: there is no answer, or a refusal.
        :raises ValueError: a rule has what the lab does not know.
        """

    def report(self, port_id: str, *, is_up: bool) -> None:
        """Say that a port is plugged and filtered, or is not."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabNeutron:
    """The Neutron of a lab, over its unix socket: two calls a look."""

    lab: settings.Lab
    rack: str
    api: rest.Api

    @classmethod
    def of(cls, lab: settings.Lab, rack: str) -> typing.Self:
        """As the lab's administrator."""
        plane = deployment.Deployment.of(lab)
        return cls(lab=lab, rack=rack, api=rest.Api(plane=plane))

    def changed_at(self) -> int:
        """When Neutron last said that something has changed."""
        return signals.changed_at(signals.directory(self.lab))

    def ports(self) -> tuple[rules.Port, ...]:
        """Every port of the rack's hosts.

        :raises rest.ApiError: there is no answer, or a refusal.
        :raises ValueError: a rule has what the lab does not know.
        """
        fields = "&".join(f"fields={name}" for name in _FIELDS)
        ports = self.api.get(rest.NETWORK, f"/v2.0/ports?{fields}")
        found = self.api.get(rest.NETWORK, "/v2.0/security-group-rules")
        return rules.ports_of(
            ports["ports"],
            found["security_group_rules"],
            settings.hosts(self.rack),
        )

    def report(self, port_id: str, *, is_up: bool) -> None:
        """Say that a port is plugged and filtered, or is not."""
        signals.report(signals.directory(self.lab), port_id, is_up=is_up)
