# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses at rest, beside what Octavia's own provider was seen to write.

The stories and the record are those of ``make statuses``, which plays them
with both providers in the lab.
"""

import pytest
from octavia_anycast_lab.statuses import play, record, setups

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.heartbeat import (
    Heartbeat,
    ListenerBeat,
    PoolBeat,
)
from octavia_anycast.octavia_adapter.load_balancer.statuses import (
    OctaviaStatuses,
)
from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.controller.conftest import LB

OCTAVIA = record.load()


def haproxy_says(amphora_id, tree):
    """The heartbeat of an amphora that holds this configuration."""
    listeners, pools = [], {}
    for listener in tree.listeners if tree.enabled else []:
        if not listener.enabled:
            continue
        listeners.append(ListenerBeat(listener_id=listener.id, status="OPEN"))
        for pool in listener.pools:
            if pool.enabled:
                pools[pool.id] = _pool_beat(pool)
    return Heartbeat(
        amphora_id=amphora_id,
        listeners=tuple(listeners),
        pools=tuple(pools.values()),
    )


def _pool_beat(pool):
    words = {member.id: _word(pool, member) for member in pool.members}
    usable = [word for word in words.values() if word in ("UP", "no check")]
    status = "UP" if usable or not words else "DOWN"
    return PoolBeat(pool_id=pool.id, status=status, members=words)


def _word(pool, member):
    if not member.enabled:
        return "MAINT"
    if pool.health_monitor is None or not pool.health_monitor.enabled:
        return "no check"
    if member.weight == 0:
        return "DRAIN"
    return "UP" if member.protocol_port != setups.NOBODY_LISTENS else "DOWN"


class Teller(play.Player):
    """Plays a story against the API and the controller of a stage."""

    def __init__(self, stage, story, vip_subnet, member_subnet):
        self.stage = stage
        graph = {
            "listeners": play.placed(story.listeners, member_subnet),
            "pools": play.placed(story.pools, member_subnet),
        }
        body = {"name": story.name, "vip_subnet_id": vip_subnet, **graph}
        made = stage.api.create(LB, {"loadbalancer": body})
        super().__init__(play.Reader(made["id"], self.call), member_subnet)
        self._begin_as_recorded()

    def _begin_as_recorded(self):
        """Members with a monitor begin as OFFLINE.

        Octavia's API writes OFFLINE or NO_MONITOR for those that are created
        in one request with their pool: it depends on whether the session has
        let go of the pool's row, read before it had the monitor. One that no
        amphora tells of keeps that.
        """
        balancer = octavia_rows.load_balancer(self.reader.balancer_id)
        tree = self.stage.controller.load_balancers.read(balancer.id)
        OctaviaStatuses().set_operating(
            tree,
            {
                ("members", member.id): "OFFLINE"
                for pool in balancer.pools
                if pool.health_monitor
                for member in pool.members
            },
        )

    def call(self, method, path, body=None):
        answer = self.stage.api.call(method, path, body)
        assert answer.status < 300, answer.text
        return answer.body

    def await_active(self):
        """Settle as the controller does; it is run at rest only."""
        loader = self.stage.controller.load_balancers
        tree = loader.read(self.reader.balancer_id)
        assert OctaviaStatuses().settle(tree)

    def at_rest(self):
        stage, balancer_id = self.stage, self.reader.balancer_id
        assert stage.controller.run(balancer_id), stage.controller.errors
        with stage.api.database.transaction() as session:
            records = amphorae.list_for(session, balancer_id)
        for _ in range(2):
            stage.cloud.pass_time(3)
            tree = octavia_rows.load_balancer(balancer_id)
            for amphora in records:
                beat = haproxy_says(amphora.id, tree)
                stage.controller.store.put(beat, stage.cloud.now)
        for _ in range(2):
            stage.controller.reconcile(balancer_id)
        return self.reader.read()


RECORDED = [story for story in setups.STORIES if story.name in OCTAVIA]


@pytest.mark.parametrize("story", RECORDED, ids=lambda x: x.name)
def test_statuses_are_those_of_octavias_own_provider(stage, story):
    _, (subnet,) = stage.api.neutron.add_network("203.0.113.0/24")
    _, (members,) = stage.api.neutron.add_network("10.10.0.0/24")
    teller = Teller(stage, story, subnet, members)
    found = dict(teller.play(story))
    octavia = OCTAVIA[story.name]
    assert list(found) == list(octavia)
    assert record.differences(found, octavia) == []
