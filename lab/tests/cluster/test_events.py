# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What happens to an amphora is an event; the fabric says when it happened."""

import json
import typing

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

SECONDS = 60.0


def told(bench: Bench, *words: str, cloud: str = "admin") -> typing.Any:
    """What a list of events prints."""
    text = bench.openstack("loadbalancer", *words, "-f", "json", cloud=cloud)
    return json.loads(text)


def test_a_cluster_tells_of_its_birth(
    bench: Bench, balancer: Balancer
) -> None:
    for amphora in bench.amphorae(balancer):
        rows = told(
            bench, "event", "list", balancer.name, "--amphora", amphora.id
        )
        kinds = {row["kind"] for row in rows}
        assert {"amphora.phase", "session.up", "gate.open"} <= kinds
        peers = {row["peer_ip"] for row in rows if row["kind"] == "session.up"}
        assert None not in peers


def test_a_stopped_haproxy_is_told_with_its_evidence(
    bench: Bench, balancer: Balancer
) -> None:
    victim = bench.amphorae(balancer)[0]
    unit = f"haproxy-{balancer.id}.service"

    def of_gate() -> list[typing.Any]:
        rows = told(
            bench, "event", "list", balancer.name, "--amphora", victim.id
        )
        return [row for row in rows if row["kind"].startswith("gate.")]

    before = len(of_gate())
    bench.signal(victim, unit, "STOP")
    process.wait_until(
        lambda: bench.is_withdrawn(balancer, victim), SECONDS, "the withdrawal"
    )
    process.wait_until(lambda: len(of_gate()) > before, SECONDS, "an event")
    bench.signal(victim, unit, "CONT")
    bench.await_converged(balancer)
    closed = of_gate()[-before - 1]
    assert closed["kind"] == "gate.closed"
    assert "process" in closed["cause"]
    # The tenant is told that it happened, and neither why, nor of sessions.
    shown = told(bench, "event", "list", balancer.name, cloud="demo")
    causes = {row["cause"] for row in shown if row["kind"] == "gate.closed"}
    assert causes == {None}
    assert "session.up" not in {row["kind"] for row in shown}
