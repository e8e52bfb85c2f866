# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Established connections: whose kernel has one owns it."""

import typing

from octavia_anycast_lab.amphora import hypervisor, machine

_NAMESPACE = "amphora-haproxy"
_MAPPED = "::ffff:"


class Connection(typing.NamedTuple):
    """As both of its ends know it; the lab has one client."""

    vip: str
    vip_port: int
    client_port: int

    def __str__(self) -> str:
        return (
            f"from client port {self.client_port} to {self.vip}, port"
            f" {self.vip_port}"
        )


def established(
    machines: hypervisor.Hypervisor, instance: machine.Instance
) -> frozenset[Connection]:
    """Those that an amphora owns.

    :raises hypervisor.InstanceStateError: it has no power.
    """
    done = machines.execute(
        instance,
        ("ss", "-Htn", "state", "established"),
        namespace=_NAMESPACE,
    )
    return parse(done.stdout)


def parse(text: str) -> frozenset[Connection]:
    """Read what ``ss -Htn`` prints: connections to VIPs, and others."""
    found = set()
    for line in text.splitlines():
        (vip, vip_port), (_, port) = map(_end, line.split()[-2:])
        found.add(Connection(vip, vip_port, port))
    return frozenset(found)


def _end(word: str) -> tuple[str, int]:
    address, _, port = word.rpartition(":")
    return address.strip("[]").removeprefix(_MAPPED), int(port)
