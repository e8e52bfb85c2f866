# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the real controller does, on real rows, is what its metrics say."""

from dataclasses import replace

import pytest

from octavia_anycast.cmd import controller_metrics
from octavia_anycast.controller.meter import NO_METER, Boot
from octavia_anycast.controller.metrics.exposition import Exposition
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.tests.functional.controller.metrics.conftest import (
    DEADLINE_SECONDS,
    Samples,
)


def scrape(stage):
    exposition = Exposition(
        stage.controller.world,
        ProcessMetrics(),
        backlogs=dict,
        troubles=dict,
        clock=lambda: 0.0,
        patience=DEADLINE_SECONDS,
    )
    return Samples(exposition.text().plain.decode())


def test_a_load_balancer_from_its_beginning_to_its_end(stage):
    samples = scrape(stage)
    assert samples.of("load_balancers", "provisioning_status") == {
        "ACTIVE": 0,
        "ERROR": 0,
        "PENDING_CREATE": 1,
        "PENDING_UPDATE": 0,
        "PENDING_DELETE": 0,
    }
    assert samples.value("amphorae_desired") == 2
    assert samples.value("amphorae_serving") == 0

    stage.run()
    stage.add_listener()
    stage.run()
    samples = scrape(stage)
    statuses = samples.of("load_balancers", "provisioning_status")
    assert (statuses["ACTIVE"], sum(statuses.values())) == (1, 1)
    assert samples.of("clusters", "operating_status")["ONLINE"] == 1
    for name in ("desired", "serving", "announcing"):
        assert samples.value(f"amphorae_{name}") == 2
    assert samples.value("reports_missing") == 0
    assert samples.value("heartbeats_missing") == 0
    assert samples.of("gates", "state")["UP"] == 2
    paths = samples.of("paths", "state")
    assert paths["advertised"] == sum(paths.values()) > 0

    stage.delete()
    stage.run()
    samples = scrape(stage)
    for name in ("desired", "serving", "announcing"):
        assert samples.value(f"amphorae_{name}") == 0
    assert sum(samples.of("paths", "state").values()) == 0


def test_boots_are_told(stage, meter):
    stage.run()
    assert meter.boots == [Boot.ORDERED, Boot.ORDERED]


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (Permanent("no such image"), Boot.REFUSED),
        (Retryable("out of reach"), Boot.UNORDERED),
    ],
)
def test_boots_that_fail_are_told(stage, meter, error, what):
    stage.cloud.raises["build"] = error
    stage.controller.reconcile(stage.load_balancer_id)
    assert meter.boots[0] is what


def test_the_meter_counts_only_if_a_port_is_named(stage):
    world = stage.controller.world
    assert controller_metrics.metered(world).meter is NO_METER
    settings = replace(world.settings, metrics_bind_port=9180)
    metered = controller_metrics.metered(replace(world, settings=settings))
    assert isinstance(metered.meter, ProcessMetrics)
