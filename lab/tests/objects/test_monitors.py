# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Health monitors: each type tells a member that answers from one that does
not, in both address families.

One load balancer of one amphora, made in one call, with a listener and a
pool for each type. What the image lacks for a type shows here.
"""

import dataclasses
from collections.abc import Iterator

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.cloud import pki
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

NAME = "monitors"
TLS_SERVER = "monitors-tls"
TLS_PORT = 8443
CLOSED_PORT = 9
MEMBER = settings.MEMBERS[0]
V4, V6 = str(MEMBER.address_v4.ip), str(MEMBER.address_v6.ip)
# Nobody has these.
NOBODY_V4 = str(MEMBER.address_v4.ip + 80)
NOBODY_V6 = str(MEMBER.address_v6.ip + 80)
SEEN_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A monitor type and its members: (address, port) -> status."""

    monitor: str
    protocol: str
    members: dict[tuple[str, int], str]


CASES = (
    Case(
        monitor="PING",
        protocol="TCP",
        # It asks the host, not the port.
        members={
            (V4, CLOSED_PORT): "ONLINE",
            (V6, CLOSED_PORT): "ONLINE",
            (NOBODY_V4, CLOSED_PORT): "ERROR",
            (NOBODY_V6, CLOSED_PORT): "ERROR",
        },
    ),
    Case(
        monitor="TCP",
        protocol="TCP",
        members={
            (V4, settings.MEMBER_PORT): "ONLINE",
            (V6, settings.MEMBER_PORT): "ONLINE",
            (V4, CLOSED_PORT): "ERROR",
            (NOBODY_V6, settings.MEMBER_PORT): "ERROR",
        },
    ),
    Case(
        monitor="HTTP",
        protocol="HTTP",
        members={
            (V4, settings.MEMBER_PORT): "ONLINE",
            (V6, settings.MEMBER_PORT): "ONLINE",
            (V4, TLS_PORT): "ERROR",
            (V6, CLOSED_PORT): "ERROR",
        },
    ),
    Case(
        monitor="HTTPS",
        protocol="HTTPS",
        members={
            (V4, TLS_PORT): "ONLINE",
            (V6, TLS_PORT): "ONLINE",
            (V4, settings.MEMBER_PORT): "ERROR",
            (V6, CLOSED_PORT): "ERROR",
        },
    ),
    Case(
        monitor="TLS-HELLO",
        protocol="HTTPS",
        # Octavia's template makes it a connection and no more.
        members={
            (V4, TLS_PORT): "ONLINE",
            (V6, TLS_PORT): "ONLINE",
            (V4, CLOSED_PORT): "ERROR",
            (NOBODY_V6, TLS_PORT): "ERROR",
        },
    ),
)


@pytest.fixture(scope="module")
def tls_server(bench: Bench) -> Iterator[None]:
    """TLS on the member, in both address families."""
    reference = pki.store_certificate(bench.plane, ["monitors.lab.example"])
    store = bench.plane.config_dir / "certificate-store"
    process.stop(bench.registry, TLS_SERVER)
    process.spawn(
        bench.registry,
        TLS_SERVER,
        [
            *("openssl", "s_server", "-www", "-quiet"),
            *("-accept", str(TLS_PORT)),
            *("-cert", str(store / f"{reference}.crt")),
            *("-key", str(store / f"{reference}.key")),
        ],
        namespace=bench.lab.namespace(MEMBER.name),
        log=bench.lab.log_dir / f"{TLS_SERVER}.log",
    )
    yield
    process.stop(bench.registry, TLS_SERVER)


def _listener(bench: Bench, port: int, case: Case) -> dict[str, object]:
    members = [
        {
            "address": address,
            "protocol_port": member_port,
            "subnet_id": bench.subnets[
                "backend-v6" if ":" in address else "backend-v4"
            ],
        }
        for address, member_port in case.members
    ]
    return {
        "name": case.monitor,
        "protocol": case.protocol,
        "protocol_port": port,
        "default_pool": {
            "name": case.monitor,
            "protocol": case.protocol,
            "lb_algorithm": "ROUND_ROBIN",
            "members": members,
            "healthmonitor": {
                "type": case.monitor,
                "delay": 1,
                "timeout": 1,
                "max_retries": 1,
                "max_retries_down": 1,
            },
        },
    }


@pytest.fixture(scope="module")
def watched(bench: Bench, tls_server: None) -> Iterator[Balancer]:
    """The load balancer with a listener and a pool for each case."""
    bench.remove_earlier(NAME)
    made = bench.create(
        NAME,
        1,
        listeners=[
            _listener(bench, 9000 + n, case) for n, case in enumerate(CASES)
        ],
    )
    bench.await_active(made.id)
    yield made
    bench.remove_earlier(NAME)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.monitor)
def test_a_monitor_tells_who_answers(
    bench: Bench, watched: Balancer, case: Case
) -> None:
    (pool,) = bench.octavia.pools(
        loadbalancer_id=watched.id, name=case.monitor
    )
    seen: dict[tuple[str, int], str] = {}

    def is_true() -> bool:
        seen.clear()
        seen.update(
            {
                (m.address, m.protocol_port): m.operating_status
                for m in bench.octavia.members(pool.id)
            }
        )
        return seen == case.members

    try:
        process.wait_until(is_true, SEEN_SECONDS, case.monitor, 0.5)
    except TimeoutError:
        assert seen == case.members
