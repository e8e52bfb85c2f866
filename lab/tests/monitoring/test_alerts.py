# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Debian's Prometheus scrapes the lab: queries have data, faults raise alerts.

Our rules are loaded as they are, but a minute of ``for`` is a second. Each
fault is made on the load balancer that the tests share and lasts until all
alerts that its row names fire; then it is healed and they end.

The short form makes the faults of ``SHORT``. ``make test-alerts``, or
``OA_ALERTS=all``, makes each fault that has an alert, ``OA_ALERTS=a,b`` these.
What counts over minutes of the past ends when they are over: its alert is
awaited at the end.
"""

import contextlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import faults
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import SPEAKERS, Fault, Scene
from octavia_anycast_lab.cloud import (
    control_plane,
    controller,
    second_controller,
)
from octavia_anycast_lab.fabric import lifecycle
from octavia_anycast_lab.host import process
from octavia_anycast_lab.monitoring import more_faults, rules
from octavia_anycast_lab.monitoring.prometheus import Prometheus, QueryError
from octavia_anycast_lab.progress import Progress

pytestmark = pytest.mark.lab

MONITORING = pathlib.Path(__file__).parents[3] / "monitoring"
RULES = rules.read((MONITORING / "rules/octavia-anycast.yaml").read_text())
QUERIES = rules.board_queries((MONITORING / "board.json").read_text())
# What the board asks for and is not there while all is well: an amphora that
# does not serve, a probe that is bad.
NOT_SERVING = (
    'max by (phase, zone) (octavia_anycast_amphorae{phase!="serving"}) > 0'
)
BAD_PROBES = 'max by (probe) (octavia_anycast_gate_probes{verdict="bad"}) > 0'
EMPTY_AT_REST = {NOT_SERVING, BAD_PROBES}
ALL = {
    fault.name: fault
    for fault in (*more_faults.MORE.values(), *FAULTS.values())
    if fault.alarm.alerts
}
SHORT = (
    "haproxy-hangs",
    "amphora-killed",
    "heartbeats-blocked",
    "session-blocked",
    "coordination-down",
    "database-down",
    "controller-down",
)
CHOSEN = os.environ.get("OA_ALERTS", "")
# Reports of a dead amphora count for 42 s in the lab, and all else is sooner.
NOTICED_SECONDS = 90.0
CLEAR_SECONDS = 180.0
# The lab's backoff_max: after refusals the next boot is ordered then at most.
HELD_BACK_SECONDS = 300.0
QUIET_SECONDS = 120.0


def _chosen() -> list[Fault]:
    """The faults of this run."""
    names = tuple(CHOSEN.split(",")) if CHOSEN else SHORT
    return list(ALL.values()) if CHOSEN == "all" else [ALL[n] for n in names]


def _memory_seconds(fault: Fault) -> float:
    """Over how much of the past its alerts count, if not over the instant."""
    every = rules.alerts(RULES)
    return max(
        rules.memory_seconds(every[name]["expr"])
        for name in fault.alarm.alerts
    )


def _clear_seconds(fault: Fault) -> float:
    """In which time its alerts end when it is healed."""
    held_back = HELD_BACK_SECONDS if fault.alarm.is_cloud_full else 0.0
    return CLEAR_SECONDS + held_back


@pytest.fixture(scope="module")
def prometheus(bench: Bench, balancer: Balancer) -> Iterator[Prometheus]:
    """It scrapes the controllers once a second, and no alert fires.

    Before its first scrape there is no controller, as far as it knows.
    """
    bench.await_converged(balancer)
    made = Prometheus(
        plane=bench.plane,
        registry=bench.registry,
        rules=rules.write(rules.shortened(RULES)),
    )
    made.start()
    _await(made, lambda: not made.firing(), QUIET_SECONDS, "no alert")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def began(prometheus: Prometheus) -> float:
    """When the tests began, in seconds since 1970: it is quiet by then."""
    return time.time()


@pytest.fixture(scope="module")
def ended() -> dict[str, float]:
    """Fault that was made -> when it was healed, of a clock."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def repaired(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """Whatever a test that failed has left: the next ones find all whole."""
    yield
    second_controller.stop(bench.registry)
    control_plane.start(bench.plane, bench.registry, Progress())
    controller.start(bench.plane, bench.registry)
    lifecycle.up(bench.lab, bench.registry)
    bench.await_converged(balancer)


def _await(
    prometheus: Prometheus,
    is_so: Callable[[], bool],
    seconds: float,
    what: str,
) -> None:
    """Poll; while it is under way Prometheus may be busy.

    :raises AssertionError: not within the time; with all that fires.
    """

    def look() -> bool:
        with contextlib.suppress(QueryError):
            return is_so()
        return False

    try:
        process.wait_until(look, seconds, what, 0.5)
    except TimeoutError as error:
        raise AssertionError(f"{error}; {prometheus.firing()}") from error


def test_every_query_has_data(prometheus: Prometheus, began: float) -> None:
    """Of the board, what is recorded, and all series that alerts read."""
    wanted = {
        *(set(QUERIES) - EMPTY_AT_REST),
        *rules.recorded(RULES),
        *rules.series_of(RULES),
    }
    missing: set[str] = set(wanted)

    def is_complete() -> bool:
        missing.intersection_update(
            query for query in wanted if not prometheus.query(query)
        )
        return not missing

    with contextlib.suppress(TimeoutError):
        process.wait_until(is_complete, QUIET_SECONDS, "data", 1.0)
    assert missing == set()
    assert prometheus.failed_rules() == {}
    # Else the list of what is empty at rest would not be true.
    for query in EMPTY_AT_REST:
        assert query in QUERIES
        assert prometheus.query(query) == []
    # Nothing is wrong, so nothing has fired.
    fired = 'ALERTS{alertstate="firing"}'
    assert prometheus.query_since(fired, began, time.time()) == []


@pytest.mark.parametrize("fault", _chosen(), ids=lambda fault: fault.name)
def test_a_fault_raises_its_alerts(
    bench: Bench,
    balancer: Balancer,
    prometheus: Prometheus,
    ended: dict[str, float],
    fault: Fault,
) -> None:
    """They fire while it lasts, and end when it is healed."""
    bench.await_converged(balancer)
    alerts = fault.alarm.alerts
    _await(
        prometheus,
        lambda: not set(alerts) & set(prometheus.firing()),
        QUIET_SECONDS,
        f"{alerts} do not fire before {fault.name}",
    )
    scene = Scene(
        plane=bench.plane,
        load_balancer_id=balancer.id,
        victim=bench.amphorae(balancer)[0].seen.instance,
        speaker=SPEAKERS["exabgp"],
    )
    fault.prepare(scene)
    with contextlib.ExitStack() as healing:
        if fault.alarm.is_cloud_full:
            healing.enter_context(faults.cloud_full(bench.lab))
        healing.callback(fault.heal, scene)
        fault.inject(scene)
        seen = _see_them_fire(prometheus, fault)
    print(f"{fault.name} raised {sorted(seen)}")  # noqa: T201
    if fault.name == "one-of-two-controllers-killed":
        second_controller.start(bench.plane, bench.registry)
    ended[fault.name] = time.monotonic()
    if not _memory_seconds(fault):
        _see_them_end(prometheus, fault, _clear_seconds(fault))
    bench.await_converged(balancer)


def _see_them_fire(prometheus: Prometheus, fault: Fault) -> set[str]:
    """Wait for all of them; returns all alerts that fired meanwhile."""
    every, seen = rules.alerts(RULES), set[str]()
    waits = [every[name].get("for", "0s") for name in fault.alarm.alerts]
    longest = max(map(rules.seconds, waits)) / 60 * rules.SECONDS_OF_A_MINUTE

    def fire() -> bool:
        seen.update(prometheus.firing())
        return seen >= set(fault.alarm.alerts)

    _await(
        prometheus,
        fire,
        NOTICED_SECONDS + longest,
        f"{fault.alarm.alerts} for {fault.name}, of which {seen} fired",
    )
    return seen


def _see_them_end(
    prometheus: Prometheus, fault: Fault, seconds: float
) -> None:
    _await(
        prometheus,
        lambda: not set(fault.alarm.alerts) & set(prometheus.firing()),
        seconds,
        f"the end of {fault.alarm.alerts} after {fault.name}",
    )


def test_what_counts_over_the_past_ends_as_well(
    prometheus: Prometheus, ended: dict[str, float]
) -> None:
    """When no fault is in what it counts over: others have refused boots."""
    last = max(ended.values(), default=time.monotonic())
    for fault in map(ALL.__getitem__, ended):
        if memory := _memory_seconds(fault):
            left = max(0.0, last + memory - time.monotonic())
            _see_them_end(prometheus, fault, left + CLEAR_SECONDS)


def test_a_bad_probe_was_on_the_board(
    prometheus: Prometheus, began: float, ended: dict[str, float]
) -> None:
    """HAProxy hung until the gate's alert fired."""
    if "haproxy-hangs" not in ended:
        pytest.skip("haproxy-hangs is not among OA_ALERTS")
    assert prometheus.query_since(BAD_PROBES, began, time.time())


def test_one_that_is_drained_is_on_the_board(
    bench: Bench, balancer: Balancer, prometheus: Prometheus
) -> None:
    """It is out of service for as long as the operator wishes."""
    victim = bench.amphorae(balancer)[0].id
    path = f"/v2/octavia/amphorae/{victim}/drain"
    call = bench.admin.request
    call("PUT", rest.LOAD_BALANCER, path, {"drain": {"timeout": 1}})

    def phases() -> set[str]:
        found = prometheus.query(NOT_SERVING)
        return {series["metric"]["phase"] for series in found}

    _await(prometheus, lambda: phases() == {"drained"}, 60, "one is drained")
    call("DELETE", rest.LOAD_BALANCER, path)
    _await(prometheus, lambda: not phases(), 60, "all serve")
    bench.await_converged(balancer)
