# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""From an alert to the sentence that says what to do, as an operator walks.

Debian's Prometheus scrapes the lab (a minute of ``for`` is a second), a fault
is planted, its alert fires and names a section, the doctor names the cause
and what to type. ``troubleshooting.rst`` has the same walks.
"""

import collections.abc
import logging
import pathlib

import pytest
from cluster_bench import Bench
from octavia_anycast_lab.host import process
from octavia_anycast_lab.monitoring import rules
from octavia_anycast_lab.monitoring.prometheus import Prometheus
from planted import FAULTS, SECONDS, await_named, await_silence
from planting import Scene

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.lab

ROOT = pathlib.Path(__file__).parents[3]
RULES = rules.read(
    (ROOT / "monitoring/rules/octavia-anycast.yaml").read_text("utf-8")
)
GUIDE = (ROOT / "doc/source/operator/troubleshooting.rst").read_text("utf-8")
# What is planted -> the alert that calls the operator.
WALKS = {
    "password": "AnycastPeerDown",
    "ipv6": "AnycastAmphoraeNotAnnouncing",
    "gateway": "AnycastGatesDown",
    "heartbeats": "AnycastHeartbeatsMissing",
    "certificate": "AnycastCertificateExpires",
}


@pytest.fixture(scope="module")
def prometheus(
    bench: Bench, scene: Scene
) -> collections.abc.Iterator[Prometheus]:
    """It scrapes the controller, and none of the alerts fires."""
    made = Prometheus(
        plane=bench.plane,
        registry=bench.registry,
        rules=rules.write(rules.shortened(RULES)),
    )
    made.start()
    _await_alerts(made, set())
    yield made
    made.stop()


def _await_alerts(prometheus: Prometheus, wanted: set[str]) -> None:
    """Wait until these fire, of those that are walked from."""
    fire: set[str] = set()

    def is_so() -> bool:
        fire.clear()
        fire.update(set(WALKS.values()) & set(prometheus.firing()))
        return fire >= wanted if wanted else not fire

    try:
        process.wait_until(is_so, SECONDS, f"alerts {wanted}", 0.5)
    except TimeoutError as error:
        raise AssertionError(f"{error}; these fire: {fire}") from error


@pytest.mark.parametrize("name", WALKS)
def test_from_the_alert_to_what_to_type(
    prometheus: Prometheus, scene: Scene, name: str
) -> None:
    alert, fault = WALKS[name], FAULTS[name]
    with fault.plant(scene):
        _await_alerts(prometheus, {alert})
        fires = prometheus.firing()
        row = await_named(scene, fault)
    annotations = rules.alerts(RULES)[alert]["annotations"]
    LOG.info("%s of %s: %s", alert, sorted(fires), annotations["runbook"])
    LOG.info("%s\n%s", row["summary"], row["steps"])
    assert f"``{alert}``" in GUIDE
    assert fault.command in " ".join(one["command"] for one in row["steps"])
    await_silence(scene)
    _await_alerts(prometheus, set())
