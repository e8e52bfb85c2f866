# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a load balancer of the VM lab serves: HTTP, UDP and SCTP; pure.

The bodies of listeners for a create in one call, each with a pool, all
members and a health monitor.
"""

import collections.abc
import dataclasses

from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.traffic.datagram import members

HTTP_PORT = 80
UDP_PORT = 5300
SCTP_PORT = 2905


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A listener's protocol and port, its members' port, its monitor.

    Each look of UDP's and SCTP's monitors is a process in the guest for each
    member, and SCTP's is Python: an emulated processor is busy for seconds.
    So these are slow, and SCTP has members of one IP version (``versions``).
    """

    protocol: str
    port: int
    member_port: int
    monitor: str
    delay_seconds: int
    versions: tuple[int, ...] = (4, 6)

    @property
    def name(self) -> str:
        """Of the listener and the pool."""
        return self.protocol.lower()


HTTP = Service(
    protocol="HTTP",
    port=HTTP_PORT,
    member_port=settings.MEMBER_PORT,
    monitor="HTTP",
    delay_seconds=10,
)
UDP = Service(
    protocol="UDP",
    port=UDP_PORT,
    member_port=members.UDP_PORT,
    monitor="UDP-CONNECT",
    delay_seconds=30,
)
SCTP = Service(
    protocol="SCTP",
    port=SCTP_PORT,
    member_port=members.SCTP_PORT,
    monitor="SCTP",
    delay_seconds=60,
    versions=(4,),
)
SERVICES = (HTTP, UDP, SCTP)


def listener(
    service: Service, subnets: collections.abc.Mapping[int, str]
) -> rest.Body:
    """A listener with its pool.

    :param subnets: IP version -> id of the members' subnet. UDP and SCTP are
        not translated between the IP versions (LVS): a VIP is served by
        members of its own.
    """
    return {
        "name": service.name,
        "protocol": service.protocol,
        "protocol_port": service.port,
        "default_pool": {
            "name": service.name,
            "protocol": service.protocol,
            "lb_algorithm": "ROUND_ROBIN",
            "members": [
                _member(service, member, version, subnets[version])
                for version in service.versions
                for member in settings.MEMBERS
            ],
            "healthmonitor": _monitor(service),
        },
    }


def _member(
    service: Service, member: settings.Member, version: int, subnet_id: str
) -> rest.Body:
    interface = member.address_v4 if version == 4 else member.address_v6
    return {
        "name": f"{member.name}-v{version}",
        "address": str(interface.ip),
        "protocol_port": service.member_port,
        "subnet_id": subnet_id,
    }


def _monitor(service: Service) -> rest.Body:
    monitor = {
        "type": service.monitor,
        "delay": service.delay_seconds,
        "timeout": service.delay_seconds - 5,
        "max_retries": 1,
        "max_retries_down": 2,
    }
    return {**monitor, "url_path": "/"} if service is HTTP else monitor
