# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A fleet change under traffic: a canary, then the rest; and one that halts.

A compute host is emptied, because the lab has one image: the machine is the
same. Everything is typed as an operator types it.

    OA_FLEET=1 python -m pytest -s lab/tests/fleet/test_fleet_change.py
"""

import collections.abc
import json
import os
import typing

import losses
import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.host import process

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not os.environ.get("OA_FLEET"), reason="make test-fleet runs it"
    ),
]

SIZE = 4
SECONDS = 240.0
ENDED = ("ABORTED", "DONE")


def typed(bench: Bench, *words: str) -> typing.Any:
    """``openstack loadbalancer fleet ...``; what it prints."""
    argv = ["loadbalancer", "fleet", *words, "-f", "json"]
    done = bench.client.run(argv, "admin")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def nothing_under_way(bench: Bench) -> collections.abc.Iterator[None]:
    """No fleet change before, nor after."""
    _abort(bench)
    yield
    _abort(bench)


def _abort(bench: Bench) -> None:
    shown = typed(bench, "show")
    if shown.get("state") not in (None, *ENDED):
        typed(bench, "abort")


def await_state(bench: Bench, wanted: str) -> None:
    process.wait_until(
        lambda: typed(bench, "show")["state"] == wanted, SECONDS, wanted, 2.0
    )


@pytest.mark.usefixtures("nothing_under_way")
def test_a_host_is_emptied_and_no_new_request_fails(
    bench: Bench, four: Balancer
) -> None:
    """The canary soaks beside the old one; then the old one leaves."""
    bench.await_converged(four)
    first = bench.amphorae(four)[0]
    host = first.seen.instance.host
    there = [a for a in bench.amphorae(four) if a.seen.instance.host == host]
    with losses.stream(bench, four) as stream:
        made = typed(
            bench,
            *("replace", "--host", host, "--canaries", "1"),
            *("--soak", "10s", "--parallel", "2"),
        )
        assert made["state"] == "RUNNING"
        process.wait_until(
            lambda: len(bench.amphorae(four)) > SIZE,
            SECONDS,
            "a new amphora beside the old ones",
            0.5,
        )
        await_state(bench, "DONE")
        lost = stream.end()
    assert lost.is_planned_change_only, lost
    bench.await_converged(four)
    ids = {a.id for a in bench.amphorae(four)}
    assert not ids & {a.id for a in there}
    assert typed(bench, "show")["replaced_count"] == len(there)


@pytest.mark.usefixtures("nothing_under_way")
def test_an_aborted_canary_is_taken_back(bench: Bench, four: Balancer) -> None:
    """All amphorae are the same as before."""
    bench.await_converged(four)
    before = {a.id for a in bench.amphorae(four)}
    host = bench.amphorae(four)[0].seen.instance.host
    with losses.stream(bench, four) as stream:
        typed(bench, "replace", "--host", host, "--soak", "1h")
        process.wait_until(
            lambda: len(bench.amphorae(four)) > SIZE,
            SECONDS,
            "the canary",
            0.5,
        )
        typed(bench, "abort")
        process.wait_until(
            lambda: {a.id for a in bench.amphorae(four)} == before,
            SECONDS,
            "the old amphorae and no other one",
            1.0,
        )
        lost = stream.end()
    assert lost.is_planned_change_only, lost
    bench.await_converged(four)
