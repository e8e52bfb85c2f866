# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A distributor is read again when anything of it was changed."""

import pytest

from octavia_anycast.controller.cluster.caches import DistributorCache
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.octavia_adapter.secrets import FernetCipher

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"


@pytest.fixture
def shelf(stage, monkeypatch):
    """What is kept, of one distributor; ``reads`` counts."""
    kept = DistributorCache(FernetCipher())
    reads = []
    read = distributors.get

    def reading(session, distributor_id, *how):
        reads.append(distributor_id)
        return read(session, distributor_id, *how)

    monkeypatch.setattr(distributors, "get", reading)
    (shown,) = stage.api.call("GET", DISTRIBUTORS).body["distributors"]
    database = stage.api.database

    def get():
        with database.transaction() as session:
            return kept.get(session, shown["id"])

    def settle():
        with database.transaction() as session:
            lifecycle.settle(
                session,
                shown["id"],
                provisioning_status=lifecycle.ACTIVE,
                expected=lifecycle.PENDING,
            )

    settle()
    get.id, get.settle, get.reads = shown["id"], settle, reads
    return get


def test_it_is_read_once(shelf):
    assert shelf() is shelf()
    assert len(shelf.reads) == 1


def test_a_changed_peer_is_seen_at_once(stage, shelf):
    shelf()
    peer = stage.api.call("GET", PEERS).body["bgp_peers"][0]
    answer = stage.api.call(
        "PUT", f"{PEERS}/{peer['id']}", {"bgp_peer": {"med": 77}}
    )
    assert answer.status == 200, answer.text

    del shelf.reads[:]

    def meds():
        found = [p for s in shelf().speakers for p in s.peers]
        return {p.med for p in found if p.id == peer["id"]}

    assert meds() == {77}
    assert meds() == {77}
    assert len(shelf.reads) == 2, "it is not kept while it is PENDING_UPDATE"
    shelf.settle()
    assert meds() == meds() == {77}
    assert len(shelf.reads) == 3


def test_a_changed_distributor_is_seen_at_once(stage, shelf):
    shelf()
    answer = stage.api.call(
        "PUT",
        f"{DISTRIBUTORS}/{shelf.id}",
        {"distributor": {"name": "another"}},
    )
    assert answer.status == 200, answer.text
    assert shelf().name == "another"


def test_one_that_is_gone(stage, shelf):
    shelf()
    kept = DistributorCache(FernetCipher())
    with stage.api.database.transaction() as session:
        assert kept.get(session, "none") is None
