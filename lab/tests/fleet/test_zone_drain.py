# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A rack out of service and back, as an operator types it: what it costs.

Four amphorae over two racks, under new requests and held connections. The
racks are the availability zones. The control is the same rack without power.

The last amphora of a rack drains, too: its leaf and the spines take other
paths, and no packet may go in circles meanwhile (ADR 0169).

    OA_FLEET=1 python -m pytest -s lab/tests/fleet/test_zone_drain.py
"""

import collections.abc
import json
import os
import time
import typing

import losses
import pytest
import rescuing
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

pytestmark = pytest.mark.lab
long = pytest.mark.skipif(
    not os.environ.get("OA_FLEET"), reason="make test-fleet runs it"
)

SIZE = 4
FLOWS = 50
SECONDS = 90.0


def typed(bench: Bench, *words: str, code: int = 0) -> typing.Any:
    """``openstack loadbalancer zone ...``; what it prints, or its refusal."""
    argv = ["loadbalancer", "zone", *words]
    done = bench.client.run(argv, "admin")
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        return done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def state(bench: Bench, zone: str) -> str:
    return str(typed(bench, "show", zone, "-f", "json")["state"])


def of_rack(
    bench: Bench, balancer: Balancer, zone: str
) -> tuple[Amphora, ...]:
    found = bench.amphorae(balancer)
    return tuple(one for one in found if str(one.seen.rack) == zone)


def await_withdrawn(
    bench: Bench, balancer: Balancer, gone: tuple[Amphora, ...]
) -> None:
    process.wait_until(
        lambda: all(bench.is_withdrawn(balancer, one) for one in gone),
        SECONDS,
        "no leaf that uses the paths of the rack",
        0.1,
    )


def await_state(bench: Bench, zone: str, wanted: str) -> None:
    process.wait_until(
        lambda: state(bench, zone) == wanted, SECONDS, wanted, 1.0
    )


@pytest.fixture
def zone(bench: Bench, four: Balancer) -> collections.abc.Iterator[str]:
    """The first rack; whatever a test left of its drain is ended."""
    bench.await_converged(four)
    racks = {str(one.seen.rack) for one in bench.amphorae(four)}
    assert len(racks) == 2
    first = min(racks)
    yield first
    for one in typed(bench, "list", "--zone", first, "-f", "json"):
        if one["state"] not in ("ENDING", "ENDED"):
            typed(bench, "end", one["id"])
    bench.await_converged(four)


def out_and_back(
    bench: Bench, four: Balancer, zone: str, gone: tuple[Amphora, ...]
) -> tuple[dict[str, typing.Any], dict[str, float]]:
    """Drain a rack and end it: what was made, and seconds until what."""
    since = time.time()
    moments: dict[str, float] = {}

    def note(what: str) -> None:
        moments[what] = round(time.time() - since, 1)

    made = typed(
        bench,
        *("drain", zone, "--for", "2h", "--why", "ToR upgrade"),
        *("--timeout", "40", "-f", "json"),
    )
    assert made["reason"] == "ToR upgrade"
    note("asked")
    await_withdrawn(bench, four, gone)
    note("no leaf uses it")
    await_state(bench, zone, "DRAINED")
    note("drained")
    refused = typed(bench, "drain", zone, "--for", "1h", code=1)
    assert "is drained already" in refused
    assert "(HTTP 409)" in refused
    typed(bench, "end", zone)
    note("ended")
    process.wait_until(
        lambda: all(bench.announces(four, one) for one in gone),
        SECONDS,
        "the paths of the rack",
        0.1,
    )
    note("back")
    return made, moments


def test_a_rack_is_drained_and_comes_back(
    bench: Bench, four: Balancer, zone: str
) -> None:
    """No packet vanishes, and no held connection breaks."""
    gone = of_rack(bench, four, zone)
    assert len(gone) == 2
    instances = bench.instance_ids(four)
    rescuing.await_state(bench, four, "on")
    target = http_probe.Target(address=four.v4, port=80)
    flows = clients.start_keepalive(
        bench.lab, bench.registry, target, FLOWS, seconds=300.0
    )
    try:
        with losses.stream(bench, four) as stream:
            since = time.time()
            made, moments = out_and_back(bench, four, zone, gone)
            failed = [
                (record.outcome.value, round(record.start - since, 2))
                for record in stream.records()
                if record.outcome is not traffic_record.Outcome.OK
            ]
            lost = stream.end()
        broken = traffic_record.summarize_flows(flows.records()).broken
    finally:
        process.stop(bench.registry, flows.label, 10.0)
    print(  # noqa: T201 - figures
        f"\nof {FLOWS} connections broke {len(broken)}; of {lost.total} new "
        f"requests failed: {failed}; {moments}"
    )
    assert lost.is_nothing, lost
    assert not broken
    await_state(bench, made["id"], "ENDED")
    bench.await_converged(four)
    assert bench.instance_ids(four) == instances, "nobody was replaced"


@long
def test_stand_ins_serve_before_the_rack_drains(
    bench: Bench, four: Balancer, zone: str
) -> None:
    """The size is kept all the time, and the racks are even at the end."""
    gone = of_rack(bench, four, zone)
    with losses.stream(bench, four) as stream:
        typed(
            bench,
            *("drain", zone, "--for", "2h", "--timeout", "5"),
            *("--boot-elsewhere", "-f", "json"),
        )
        await_withdrawn(bench, four, gone)
        await_state(bench, zone, "DRAINED")
        assert len(bench.amphorae(four)) == SIZE + len(gone)
        assert bench.operating(four.id) == "ONLINE"
        waited = bench.client.run(
            [
                "loadbalancer",
                "cluster",
                "unset",
                "--cooldown",
                "--wait",
                four.id,
            ],
            "admin",
        )
        assert waited.returncode == 0, waited.stderr
        typed(bench, "end", zone)
        process.wait_until(
            lambda: len(bench.amphorae(four)) == SIZE,
            SECONDS,
            "the end of the stand-ins",
            1.0,
        )
        lost = stream.end()
    assert lost.is_nothing, lost
    bench.await_converged(four)
    assert len(of_rack(bench, four, zone)) == len(gone)


@long
def test_a_rack_without_power_loses(
    bench: Bench, four: Balancer, zone: str
) -> None:
    """The control: the same amphorae, without a drain."""
    gone = of_rack(bench, four, zone)
    with losses.stream(bench, four) as stream:
        for one in gone:
            bench.machines.kill(one.instance_id, hypervisor.Loss.POWER)
        await_withdrawn(bench, four, gone)
        lost = stream.end()
    assert lost.vanished
    bench.await_converged(four)
