# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A deployment on SQLite, and somebody who scrapes it."""

from types import SimpleNamespace

import pytest
from oslo_config import cfg
from prometheus_client.parser import text_string_to_metric_families

from octavia_anycast import options
from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.engine.work_queue import Backlog
from octavia_anycast.controller.metrics.exposition import Exposition
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.db.amphora.report_summary import ReportSummaries
from octavia_anycast.testing import operator_settings
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.testing.fakes.fake_meter import FakeMeter
from octavia_anycast.tests.functional import deployment_rows as rows

DEADLINE_SECONDS = 30


class LoadBalancers:
    """Octavia's rows."""

    def __init__(self):
        self.statuses = {}

    def all_statuses(self):
        return dict(self.statuses)


class Samples(dict):
    """(name, labels) -> value, of one scrape."""

    def __init__(self, text):
        super().__init__()
        self.families = list(text_string_to_metric_families(text))
        for family in self.families:
            for sample in family.samples:
                key = self.key(sample.name, sample.labels)
                assert key not in self, "one series is there twice"
                self[key] = sample.value

    @staticmethod
    def key(name, labels):
        return name, frozenset(labels.items())

    def value(self, name, **labels):
        return self[self.key(f"octavia_anycast_{name}", labels)]

    def of(self, name, label):
        """Value of this label -> value, of all series of a metric."""
        return {
            dict(labels)[label]: value
            for (found, labels), value in self.items()
            if found == f"octavia_anycast_{name}"
        }


class Scene:
    """A deployment, and a controller that serves its metrics."""

    def __init__(self, database, **values):
        self.load_balancers = LoadBalancers()
        self.world = SimpleNamespace(
            database=database,
            load_balancers=self.load_balancers,
            settings=operator_settings.read(**values),
            now=lambda: rows.NOW,
            at_rest=AtRest(),
            summaries=ReportSummaries(),
        )
        self.process = ProcessMetrics()
        self.backlogs = {
            "load_balancer": Backlog(due=3, busy=2, oldest_seconds=1.5)
        }
        self.troubles = {"database": "", "heartbeats": "nothing arrives"}
        self.seconds = 0.0
        self.exposition = Exposition(
            self.world,
            self.process,
            backlogs=lambda: self.backlogs,
            troubles=lambda: self.troubles,
            clock=lambda: self.seconds,
            patience=DEADLINE_SECONDS,
        )

    def transaction(self):
        return self.world.database.transaction()

    def scrape(self):
        return Samples(self.exposition.text().plain.decode())


@pytest.fixture
def scene(database):
    """A deployment with nothing in it."""
    return Scene(database)


@pytest.fixture
def filled(scene):
    """A deployment in many states."""
    scene.load_balancers.statuses = dict(rows.STATUSES)
    with scene.transaction() as session:
        rows.fill(session)
    return scene


@pytest.fixture
def meter(stage):
    """What the stage's controller tells."""
    told = FakeMeter()
    stage.controller.stop()
    settings = options.read(cfg.CONF)
    stage.controller = ControllerProcess(stage.cloud, settings, told)
    return told
