# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster's answer: who is in it, how old it is, and what bounds it."""

import logging
import threading
from ipaddress import ip_address

import pytest
from prometheus_client.parser import text_string_to_metric_families

from octavia_anycast.agent.tenant_metrics import cluster as clusters
from octavia_anycast.agent.tenant_metrics.answers import Answer, Unanswered
from octavia_anycast.agent.tenant_metrics.cluster import Busy, ClusterSeries
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.model.wire import MetricsMember, TenantMetrics

IDS = tuple(f"{n}0000000-0000-4000-8000-000000000000" for n in range(4))
OWN = IDS[1]
AUTHORITY = "-----BEGIN CERTIFICATE-----\n"


def told(*ids):
    """An amphora is told of these, each in a zone of its own."""
    return Told(
        amphora_id=OWN,
        certificate_path="/nowhere",
        tenant_metrics=TenantMetrics(
            members=tuple(
                MetricsMember(
                    id=i,
                    zone=f"rack{i[0]}",
                    addresses=(ip_address(f"10.1.0.1{i[0]}"),),
                )
                for i in ids
            ),
            authority=AUTHORITY,
        ),
    )


class Cluster:
    """Amphorae that answer what the test wants, at a time that it sets."""

    def __init__(self, *ids):
        self.now = 100.0
        self.texts = {
            i: f"# TYPE x_total counter\nx_total {i[0]}\n" for i in IDS
        }
        self.ages = dict.fromkeys(IDS, 0.0)
        self.asked = []
        self.waiting = 0  # calls that have looked at the clock
        self.series = ClusterSeries(
            lambda: self.answer(OWN),
            lambda told, member: self.answer(member.id),
            clock=self.clock,
        )
        self.series.tell(told(*ids))

    def clock(self):
        self.waiting += 1
        return self.now

    def answer(self, amphora_id):
        self.asked.append(amphora_id)
        text = self.texts[amphora_id]
        if isinstance(text, Exception):
            raise text
        return Answer(text, self.now - self.ages[amphora_id])

    def scrape(self):
        """(name, amphora) -> value; each amphora has its own zone."""
        body = self.series.answer().body.decode()
        found = {}
        for family in text_string_to_metric_families(body):
            for s in family.samples:
                amphora_id = s.labels["amphora"]
                assert s.labels["zone"] == f"rack{amphora_id[0]}"
                found[s.name, amphora_id[0]] = s.value
        return found

    def later(self, seconds=1.0):
        self.now += seconds


def test_every_amphora_is_there_with_its_labels_and_age():
    cluster = Cluster(*IDS[:3])
    cluster.ages[IDS[2]] = 0.125
    assert cluster.scrape() == {
        ("octavia_amphora_answered", "0"): 1,
        ("octavia_amphora_answered", "1"): 1,
        ("octavia_amphora_answered", "2"): 1,
        ("octavia_amphora_answer_age_seconds", "0"): 0,
        ("octavia_amphora_answer_age_seconds", "1"): 0,
        ("octavia_amphora_answer_age_seconds", "2"): 0.125,
        ("x_total", "0"): 0,
        ("x_total", "1"): 1,
        ("x_total", "2"): 2,
    }


@pytest.mark.parametrize(
    "text",
    [
        Unanswered("no answer in 200 ms"),
        "nonsense\n",
        "x 1",
        'x{amphora="other"} 1\n',
    ],
)
def test_one_that_does_not_answer_is_marked_and_nothing_else(text):
    cluster = Cluster(*IDS[:3])
    cluster.scrape()
    cluster.later()
    cluster.texts[IDS[0]] = text
    found = cluster.scrape()
    assert found["octavia_amphora_answered", "0"] == 0
    assert [name for name, i in found if i == "0"] == [
        "octavia_amphora_answered"
    ]
    assert found["x_total", "2"] == 2


def test_one_that_left_is_not_there_any_more():
    cluster = Cluster(*IDS[:3])
    cluster.scrape()
    cluster.series.tell(told(*IDS[:2]))
    assert {i for _, i in cluster.scrape()} == {"0", "1"}


def test_one_that_came_is_there_at_once():
    cluster = Cluster(*IDS[:2])
    cluster.scrape()
    cluster.series.tell(told(*IDS))
    assert {i for _, i in cluster.scrape()} == {"0", "1", "2", "3"}


def test_many_scrapers_do_not_ask_more_often():
    cluster = Cluster(*IDS[:2])
    for _ in range(10):
        cluster.scrape()
        cluster.later(0.05)
    assert sorted(cluster.asked) == sorted(IDS[:2])
    cluster.later()
    cluster.scrape()
    assert len(cluster.asked) == 4


def test_scrapers_that_come_together_share_one_answer():
    cluster = Cluster(*IDS[:2])
    may_go, bodies = threading.Event(), []
    answer = cluster.answer

    def held(amphora_id):
        may_go.wait(10)
        cluster.later()  # it takes longer than an answer is kept
        return answer(amphora_id)

    cluster.answer = held
    threads = [
        threading.Thread(
            target=lambda: bodies.append(cluster.series.answer().body)
        )
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    while cluster.waiting < 20:
        threads[0].join(0.001)
    may_go.set()
    for thread in threads:
        thread.join(10)
    assert len(bodies) == 20
    assert len({id(body) for body in bodies}) == 1


def test_without_scrapes_nobody_is_asked():
    cluster = Cluster(*IDS)
    cluster.later(3600)
    assert cluster.asked == []


def test_slow_readers_hold_no_more_than_there_is_memory_for(monkeypatch):
    cluster = Cluster(*IDS[:2])
    held = [cluster.series.answer()]
    limit = 2 * len(held[0].body) - 1
    monkeypatch.setattr(clusters, "HELD_MAX_BYTES", limit)
    cluster.later()
    held.append(cluster.series.answer())
    cluster.later()
    with pytest.raises(Busy):
        cluster.series.answer()
    held.pop()
    assert cluster.scrape()


def test_answers_that_are_too_long_together_are_marked(monkeypatch):
    cluster = Cluster(*IDS)
    monkeypatch.setattr(clusters, "TOTAL_MAX_BYTES", 70)
    found = cluster.scrape()
    answered = [found["octavia_amphora_answered", i] for i in "0123"]
    assert answered == [1, 1, 0, 0]


def test_before_anything_is_told_there_is_no_answer():
    cluster = Cluster()
    cluster.series.tell(None)
    assert cluster.series.answer() is None


def test_one_that_was_told_of_nobody_answers_for_itself():
    """An older controller does not tell of a cluster."""
    cluster = Cluster()
    cluster.series.tell(Told(amphora_id=OWN, certificate_path="/nowhere"))
    body = cluster.series.answer().body.decode()
    assert f'x_total{{amphora="{OWN}",zone=""}} 1\n' in body
    assert body.count("octavia_amphora_answered{") == 1


def test_silence_is_logged_once_and_its_end(caplog):
    caplog.set_level(logging.INFO)
    cluster = Cluster(*IDS[:2])
    text = cluster.texts[IDS[0]]
    cluster.texts[IDS[0]] = Unanswered("no answer in 200 ms")
    for _ in range(3):
        cluster.scrape()
        cluster.later()
    assert len(caplog.records) == 1
    assert f"{IDS[0]} does not answer" in caplog.text
    cluster.texts[IDS[0]] = text
    cluster.scrape()
    assert f"{IDS[0]} answers for its metrics again" in caplog.text


def test_one_type_and_one_help_for_each_family():
    cluster = Cluster(*IDS)
    body = cluster.series.answer().body.decode()
    assert body.count("# TYPE x_total counter\n") == 1
    heads = [x for x in body.splitlines() if x.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) == 3
