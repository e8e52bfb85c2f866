# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The front ends: MTU and gateways.

Layer: planning. Pure.
"""

from collections.abc import Iterator

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import Probe, ProbeVerdict
from octavia_anycast.planning.doctor.seen import (
    Seen,
    SeenAmphora,
    Statement,
    Step,
    ok,
    unknown,
    wrong,
)
from octavia_anycast.planning.doctor.steps import (
    failover,
    in_amphora,
    in_cloud,
)

_NAMESPACE = "ip netns exec amphora-haproxy"


def gateways(seen: Seen) -> Iterator[Statement]:
    """The gateways of each front end answer ARP and neighbour discovery."""
    for amphora in seen.settled():
        report, frontend = seen.said(amphora), amphora.record.frontend
        if report is None or frontend is None:
            continue
        found = [
            one for one in report.gate.evidence if one.probe is Probe.GATEWAY
        ]
        if not found or found[0].verdict is ProbeVerdict.UNKNOWN:
            yield unknown(
                amphora.subject,
                f"The health gate of {amphora.name} does not say whether its "
                "gateways answer.",
            )
        elif found[0].verdict is ProbeVerdict.BAD:
            yield wrong(
                amphora.subject,
                f"The front end of {amphora.name} has no gateway: "
                f"{found[0].value or report.gate.reason}. It announces "
                "nothing as long as this lasts.",
                _gateway_steps(amphora),
            )
        else:
            yield ok(amphora.subject)


def _gateway_steps(amphora: SeenAmphora) -> Iterator[Step]:
    frontend = amphora.record.frontend
    for address in frontend.addresses if frontend else ():
        if address.gateway is not None:
            yield _at_gateway(
                address.gateway,
                f"ip neighbour show {address.ip_address}; "
                f"ping -c 3 {address.ip_address}",
            )
    yield in_amphora(amphora, f"{_NAMESPACE} ip neighbour show dev eth1")
    if amphora.record.frontend_port_id:
        yield in_cloud(
            f"openstack port show {amphora.record.frontend_port_id}"
        )


def mtus(seen: Seen) -> Iterator[Statement]:
    """Packets as large as the network's MTU reach each gateway."""
    for amphora in seen.settled():
        report, machine = seen.said(amphora), seen.machine(amphora)
        frontend = amphora.record.frontend
        if report is None or frontend is None:
            continue
        if machine is None or machine.frontend_mtu is None:
            yield unknown(
                amphora.subject,
                f"The agent of {amphora.name} does not tell the MTU of its "
                "front end.",
            )
            continue
        if machine.frontend_mtu != frontend.mtu:
            yield wrong(
                amphora.subject,
                f"The front-end interface of {amphora.name} has the MTU "
                f"{machine.frontend_mtu}, its network has {frontend.mtu}.",
                (
                    in_amphora(
                        amphora,
                        f"{_NAMESPACE} ip link set eth1 mtu {frontend.mtu}",
                    ),
                    *_port_steps(amphora),
                ),
            )
            continue
        lost = [
            one.gateway
            for one in machine.gateways
            if one.answers and not one.answers_full
        ]
        if lost:
            yield _cut(amphora, lost[0], frontend.mtu)
        elif machine.gateways and not any(
            one.answers for one in machine.gateways
        ):
            yield unknown(
                amphora.subject,
                f"The gateways of {amphora.name} answer no echo request, so "
                "it is not known how large packets may be.",
            )
        else:
            yield ok(amphora.subject)


def _cut(amphora: SeenAmphora, gateway: IPAddress, mtu: int) -> Statement:
    header = 28 if gateway.version == 4 else 48
    return wrong(
        amphora.subject,
        f"Packets of {mtu} octets of {amphora.name} do not reach its gateway "
        f"{gateway}, small ones do: something on the way has a lower MTU "
        "than the front-end network.",
        (
            _at_gateway(gateway, f"ip -o address show to {gateway}; ip link"),
            in_amphora(
                amphora,
                f"{_NAMESPACE} ping -c 3 -M do -s {mtu - header} {gateway}",
            ),
            *_port_steps(amphora),
        ),
    )


def _port_steps(amphora: SeenAmphora) -> Iterator[Step]:
    port_id = amphora.record.frontend_port_id
    if port_id:
        yield in_cloud(f"openstack port show {port_id} -c network_id")
        yield in_cloud("openstack network set --mtu MTU NETWORK")
    yield failover(amphora)


def _at_gateway(gateway: IPAddress, command: str) -> Step:
    return Step(place=f"router with {gateway} (Linux)", command=command)
