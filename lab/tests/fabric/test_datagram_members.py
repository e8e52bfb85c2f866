# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""UDP and SCTP members, asked without a load balancer, on real sockets.

In a network namespace of this test's own, which ends with it.
"""

import json
import subprocess
import sys

import pytest
from octavia_anycast_lab.traffic.datagram import asking, members

pytestmark = pytest.mark.lab

_SCRIPT = """
ip link set lo up
{python} -m octavia_anycast_lab.traffic.datagram.members member1 &
member=$!
trap 'kill $member' EXIT
until ss -Hlun "sport = {udp}" | grep -q .; do sleep 0.1; done
while read -r question; do
    echo "$question" | {python} -m octavia_anycast_lab.traffic.datagram.asking
done
"""


def _ask(*questions: dict[str, object]) -> list[list[dict[str, str]]]:
    script = _SCRIPT.format(python=sys.executable, udp=members.UDP_PORT)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-e", "-c", script],
        input="".join(f"{json.dumps(q)}\n" for q in questions),
        capture_output=True,
        text=True,
        timeout=60.0,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _question(
    protocol: asking.Protocol, address: str, port: int, count: int
) -> dict[str, object]:
    return {
        "protocol": protocol,
        "address": address,
        "port": port,
        "count": count,
        "timeout_seconds": 1.0,
    }


def test_members_answer_on_both_ip_versions() -> None:
    ports = {
        asking.Protocol.UDP: members.UDP_PORT,
        asking.Protocol.SCTP: members.SCTP_PORT,
    }
    found = _ask(
        *(
            _question(protocol, address, port, 3)
            for protocol, port in ports.items()
            for address in ("127.0.0.1", "::1")
        )
    )
    answer = {"member": "member1", "error": ""}
    assert found == [[answer] * 3] * 4


def test_nobody_is_an_error() -> None:
    """The control: a port without a server is not answered."""
    found = _ask(
        _question(asking.Protocol.UDP, "127.0.0.1", 9, 1),
        _question(asking.Protocol.SCTP, "127.0.0.1", 9, 1),
    )
    assert [answer["member"] for (answer,) in found] == ["", ""]
    assert all(answer["error"] for (answer,) in found)
