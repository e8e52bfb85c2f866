# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers and their amphorae as APIs show them; pure, no I/O."""

import collections.abc
import dataclasses
import ipaddress

from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.vm.guests import Guest

# These rows are made anew whenever their distributor changes.
_DISTRIBUTORS = (
    "anycast_distributor_l3_amphora_vip_registration:",
    "anycast_distributor_zone:",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """An amphora: its server, and the addresses of its front end."""

    guest: Guest
    addresses: frozenset[settings.Address]

    @property
    def name(self) -> str:
        """The server's name."""
        return self.guest.name

    @property
    def server_id(self) -> str:
        """The server's id in Nova."""
        return self.guest.id

    @property
    def rack(self) -> str:
        """The rack (Nova availability zone) in which it is."""
        return self.guest.rack

    @property
    def leaf(self) -> settings.Leaf:
        """The leaf of its rack."""
        return settings.rack_leaf(self.rack)

    @property
    def management(self) -> settings.Address:
        """The address from which it peers."""
        return ipaddress.ip_address(str(self.guest.management_address))


def balancer(made: rest.Body, before: survey.Survey) -> Balancer:
    """Out of what the API answered."""
    others = [vip["ip_address"] for vip in made["additional_vips"]]
    return Balancer(
        id=made["id"],
        name=made["name"],
        vips=tuple(map(ipaddress.ip_address, (made["vip_address"], *others))),
        before=before,
    )


def amphora(
    guest: Guest, ports: collections.abc.Iterable[rest.Body]
) -> Amphora:
    """A guest with the addresses that Neutron gave to its front end.

    :param ports: of all servers, each with the name of its ``network``
    """
    front_end = seed.front_end_network(guest.rack)
    return Amphora(
        guest=guest,
        addresses=frozenset(
            ipaddress.ip_address(fixed["ip_address"])
            for port in ports
            if port["device_id"] == guest.id and port["network"] == front_end
            for fixed in port["fixed_ips"]
        ),
    )


def new_things(
    now: survey.Survey, before: survey.Survey
) -> dict[str, frozenset[str]]:
    """What is new, without rows that come and go with a distributor."""
    return {
        kind: frozenset(x for x in ids if not x.startswith(_DISTRIBUTORS))
        for kind, ids in now.since(before).items()
    }


def prefix(vip: settings.Address) -> str:
    """A VIP as the fabric knows it: /32 or /128."""
    return f"{vip}/{vip.max_prefixlen}"
