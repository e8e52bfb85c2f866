# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a scan tells of, and that it tells of it once and surely."""

import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from octavia_anycast.controller.at_rest import AtRest
from octavia_anycast.controller.cluster import cluster_watch
from octavia_anycast.controller.cluster.cluster_watch import ClusterWatch
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.amphora.amphorae import Wish
from octavia_anycast.db.cluster import claims, clusters
from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.heartbeat import Heartbeat

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Cloud:
    """What the tables say."""

    def __init__(self):
        self.changed = {"lb": NOW - HOUR}
        self.silent = {}
        self.wishes = set()
        self.statuses = {"lb": "ACTIVE"}
        self.at_rest = AtRest()
        self.now = NOW
        self.world = SimpleNamespace(
            now=lambda: self.now,
            at_rest=self.at_rest,
            settings=SimpleNamespace(
                silent_after=10.0, policy=ClusterPolicy()
            ),
            database=SimpleNamespace(
                transaction=lambda: contextlib.nullcontext()
            ),
            load_balancers=SimpleNamespace(
                all_statuses=lambda: dict(self.statuses), pending_ids=list
            ),
        )

    def rest(self):
        """Both are at rest."""
        for load_balancer_id, amphora_id in (("lb", "a"), ("other", "b")):
            beat = Heartbeat(amphora_id=amphora_id, report_digest="d")
            self.at_rest.hear([(beat, self.now)])
            assert self.at_rest.begin(
                load_balancer_id, {amphora_id: "d"}, self.now, 180
            )


@pytest.fixture
def cloud(monkeypatch):
    made = Cloud()
    monkeypatch.setattr(clusters, "changes", lambda _: dict(made.changed))
    monkeypatch.setattr(claims, "fresh", lambda *_: [])
    monkeypatch.setattr(amphorae, "silent", lambda *_: dict(made.silent))
    monkeypatch.setattr(amphorae, "wishes", lambda _: set(made.wishes))
    monkeypatch.setattr(cluster_watch, "SCAN_SECONDS", 0.0)
    monkeypatch.setattr(cluster_watch, "ASKED_SECONDS", 0.0)
    return made


def scan(watch):
    woken = []
    watch.pending(woken.append)
    return woken


def test_a_change_is_told_once(cloud):
    watch = ClusterWatch(cloud.world)
    assert scan(watch) == []
    cloud.changed["lb"] = NOW
    assert scan(watch) == ["lb"]
    assert scan(watch) == []


def test_at_first_what_was_changed_lately_is_told(cloud):
    cloud.changed["new"] = NOW - timedelta(minutes=1)
    assert scan(ClusterWatch(cloud.world)) == ["new"]


@pytest.mark.parametrize("behind", [-HOUR, -timedelta(minutes=3), HOUR])
def test_the_clock_of_an_api_host_does_not_matter(cloud, behind):
    watch = ClusterWatch(cloud.world)
    scan(watch)
    cloud.changed["lb"] = NOW + behind + timedelta(seconds=1)
    assert scan(watch) == ["lb"]
    cloud.changed["lb"] = NOW  # a later one, by another host
    assert scan(watch) == ["lb"]


@pytest.mark.parametrize("broken", ["changes", "silent", "wishes"])
def test_news_are_told_though_a_query_failed(cloud, monkeypatch, broken):
    watch = ClusterWatch(cloud.world)
    scan(watch)
    cloud.changed["lb"] = NOW
    cloud.silent = {"a": "second"}
    cloud.wishes = {Wish("b", "third", True, False, None)}

    def fail(*_):
        raise Retryable("The database is gone")

    with monkeypatch.context() as patch:
        place = clusters if broken == "changes" else amphorae
        patch.setattr(place, broken, fail)
        woken = []
        with pytest.raises(Retryable):
            watch.pending(woken.append)
    woken += scan(watch)
    assert sorted(woken) == ["lb", "second", "third"]
    assert scan(watch) == []


def test_news_are_told_though_the_commit_failed(cloud):
    watch = ClusterWatch(cloud.world)
    scan(watch)
    cloud.changed["lb"] = NOW

    @contextlib.contextmanager
    def refused():
        yield None
        raise Retryable("The database is gone")

    whole = cloud.world.database.transaction
    cloud.world.database.transaction = refused
    with pytest.raises(Retryable):
        scan(watch)
    cloud.world.database.transaction = whole
    assert scan(watch) == ["lb"]


def test_who_is_only_overdue_lets_users_changes_go_first(cloud):
    """No heartbeats have come for a while: all are overdue at once."""
    looked_at = []
    watch = ClusterWatch(cloud.world, looked_at.append)
    cloud.rest()
    scan(watch)
    cloud.now += timedelta(seconds=30)
    assert scan(watch) == []
    assert set(looked_at) == {"lb", "other"}


def test_whose_status_somebody_wrote_is_woken(cloud):
    looked_at = []
    watch = ClusterWatch(cloud.world, looked_at.append)
    cloud.rest()
    scan(watch)
    cloud.statuses["lb"] = "ERROR"
    assert scan(watch) == ["lb"]
    assert looked_at == []
