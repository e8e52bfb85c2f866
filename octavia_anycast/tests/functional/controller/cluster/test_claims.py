# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers that wait for the limit of replacements, by their rows.

Who goes first is tested in ``unit/planning/amphora/test_claims.py``.
"""

import pytest
from sqlalchemy import select

from octavia_anycast.controller.cluster.cluster_watch import NextReplacements
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import claims
from octavia_anycast.db.models import ReplacementClaim
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.planning.amphora.claims import FRESH
from octavia_anycast.tests.functional.controller.conftest import LB

LISTENERS = "/v2/lbaas/listeners"


@pytest.fixture
def three(stage):
    """Three of two amphorae each that announce; the limit is used up."""
    stage.run()
    subnet = stage.show()["vip_subnet_id"]
    ids = [stage.load_balancer_id]
    for _ in range(2):
        given = {"vip_subnet_id": subnet, "project_id": stage.api.project_id}
        ids.append(stage.api.create(LB, {"loadbalancer": given})["id"])
        assert stage.controller.run(ids[-1])
    for one in ids:
        stage.api.create(
            LISTENERS,
            {
                "listener": {
                    "loadbalancer_id": one,
                    "protocol": "HTTP",
                    "protocol_port": 80,
                }
            },
        )
        assert stage.controller.run(one)
    fill(stage, limit(stage))
    return ids


def limit(stage):
    return stage.controller.world.settings.policy.replacement_limit


def fill(stage, count):
    """Others' replacements are under way."""
    now = stage.cloud.clock()
    with stage.api.database.transaction() as session:
        for number in range(count):
            amphorae.create(
                session,
                AmphoraRecord(
                    id=f"other-{number}",
                    load_balancer_id="other",
                    status=AmphoraStatus.BOOTING,
                    status_since=now,
                    is_replacing=True,
                ),
            )


def free(stage, number):
    with stage.api.database.transaction() as session:
        amphorae.update(session, f"other-{number}", is_replacing=False)


def lose(stage, load_balancer_id, count):
    for machine in stage.cloud.announcers(load_balancer_id)[:count]:
        del stage.cloud.machines[machine.server_id]


def look(stage, load_balancer_id):
    """Look at it; how many servers were ordered."""
    before = stage.cloud.calls.count("build")
    stage.controller.reconcile(load_balancer_id)
    assert stage.controller.errors == []
    return stage.cloud.calls.count("build") - before


def woken(stage):
    """Whom a controller has looked at first."""
    found = []
    watch = NextReplacements(stage.controller.world.settings.policy)
    with stage.api.database.transaction() as session:
        found += watch.news(session, stage.cloud.clock())
    return found


def stored(stage):
    """load_balancer_id -> claim, of all that are stored."""
    with stage.api.database.transaction() as session:
        found = session.scalars(select(ReplacementClaim)).all()
        return {
            row.load_balancer_id: (row.wanted, row.serving) for row in found
        }


def test_who_lost_most_boots_first_and_the_others_say_why_not(stage, three):
    one, other, down = three
    for load_balancer_id, count in ((one, 1), (other, 1), (down, 2)):
        lose(stage, load_balancer_id, count)
        assert look(stage, load_balancer_id) == 0
    assert {k: v[1] for k, v in stored(stage).items()} == {
        one: 1,
        other: 1,
        down: 0,
    }

    assert woken(stage) == []
    free(stage, 0)
    assert woken(stage) == [down], "it is its turn"
    assert look(stage, one) == look(stage, other) == 0
    shown = stage.api.call("GET", f"{LB}/{one}/cluster").body["cluster"]
    assert "lost more, or wait longer" in shown["reason"]
    assert look(stage, down) == 1

    for number in range(1, limit(stage)):
        free(stage, number)
    for _ in range(60):
        for load_balancer_id in three:
            look(stage, load_balancer_id)
        stage.cloud.pass_time(1)
    assert [len(stage.cloud.announcers(i)) for i in three] == [2, 2, 2]
    assert stored(stage) == {}
    assert stage.cloud.violations == []


def test_a_claim_is_asked_for_again_and_is_void_otherwise(stage, three):
    one, other, _ = three
    lose(stage, one, 2)
    look(stage, one)
    database, began = stage.api.database, stage.cloud.clock()
    for _ in range(30):
        stage.cloud.pass_time(3)
        look(stage, one)
        with database.transaction() as session:
            (claim,) = claims.fresh(session, stage.cloud.clock() - FRESH)
        assert claim.since == began
    stage.cloud.pass_time(FRESH.total_seconds() + 3)
    with database.transaction() as session:
        since = stage.cloud.clock() - FRESH
        assert claims.fresh(session, since) == ()
    for number in range(limit(stage)):
        free(stage, number)
    lose(stage, other, 1)
    assert look(stage, other) == 1, "nobody is ahead of it"


def test_a_claim_goes_with_its_load_balancer(stage, three):
    one = stage.load_balancer_id
    lose(stage, one, 1)
    look(stage, one)
    assert stored(stage).keys() == {one}
    stage.delete()
    assert stage.controller.run(one, 120)
    assert stored(stage) == {}
