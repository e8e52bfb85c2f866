# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster of a load balancer: show, scale; refusals; who may."""

from tempest.lib import decorators, exceptions

from octavia_anycast_tempest_plugin.tests import base
from octavia_anycast_tempest_plugin.tests.scenario import base as scenario
from octavia_anycast_tempest_plugin.tests.scenario.base import SIZE


class ClusterTest(scenario.ScenarioTest):
    """One load balancer; its cluster."""

    @decorators.idempotent_id("5c7f5b2e-9f76-4f4a-a6f4-0d1f6a7d2b01")
    def test_show(self) -> None:
        """An operator sees the amphorae, the owner their number."""
        found = self.await_cluster(SIZE)
        self.assertEqual("ACTIVE_ACTIVE", found["cluster_type"])
        self.assertEqual(
            (SIZE, 1, SIZE + 1),
            tuple(found[f"{n}_size"] for n in ("desired", "min", "max")),
        )
        self.assertEqual(SIZE, len(found["amphorae"]))
        for amphora in found["amphorae"]:
            self.assertEqual("ALLOCATED", amphora["status"])
            self.assertTrue(amphora["announcing"])
            self.assertEqual(
                found["config_revision"], amphora["applied_revision"]
            )
        own = self.own_cluster.show(self.balancer_id)
        self.assertFalse(own.get("amphorae"))
        self.assertEqual(SIZE, own["amphora_count"])

    @decorators.attr(type=["slow"])
    @decorators.idempotent_id("5c7f5b2e-9f76-4f4a-a6f4-0d1f6a7d2b02")
    def test_scale_out_and_in(self) -> None:
        """The owner scales; the amphorae that stay are the same."""
        before = {a["id"] for a in self.await_cluster(SIZE)["amphorae"]}
        changed = self.own_cluster.update(
            self.balancer_id, desired_size=SIZE + 1
        )
        self.assertEqual(SIZE + 1, changed["desired_size"])
        self.assertIsNotNone(changed["scaled_at"])
        more = self.await_cluster(SIZE + 1)["amphorae"]
        self.assertLess(before, {a["id"] for a in more})
        self.own_cluster.update(self.balancer_id, desired_size=SIZE)
        fewer = {a["id"] for a in self.await_cluster(SIZE)["amphorae"]}
        self.assertEqual(fewer, self.announcers())

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("5c7f5b2e-9f76-4f4a-a6f4-0d1f6a7d2b04")
    def test_refused_values(self) -> None:
        """400 with the name of the attribute; nothing is changed."""
        before = self.own_cluster.show(self.balancer_id)
        for wrong in (
            {"desired_size": SIZE + 2},
            {"desired_size": 0},
            {"desired_size": "2"},
            {"min_size": SIZE + 1},
            {"max_size": 1},
            {"cooldown": -1},
            {"spare_count": -1},
            {"autoscale": {"metric": "temperature", "target": 1}},
            {"unheard_of": 1},
        ):
            (name,) = wrong
            self.refuse(
                name, self.own_cluster.update, self.balancer_id, **wrong
            )
        after = self.own_cluster.show(self.balancer_id)
        names = ("desired_size", "min_size", "max_size", "spare_count")
        self.assertEqual([before[n] for n in names], [after[n] for n in names])

    @decorators.idempotent_id("5c7f5b2e-9f76-4f4a-a6f4-0d1f6a7d2b05")
    def test_who_may(self) -> None:
        """A reader changes nothing, another project sees nothing."""
        body = {"desired_size": SIZE}
        others = (base.READER, base.STRANGER)
        for person in others:
            client = self.client("ClusterClient", person)
            for call, given in ((client.show, {}), (client.update, body)):
                self.assertRaises(
                    exceptions.Forbidden, call, self.balancer_id, **given
                )
        self.assertRaises(
            exceptions.Forbidden,
            self.own_cluster.update,
            self.balancer_id,
            max_size=SIZE + 2,
        )
        answer = self.own_cluster.update(self.balancer_id, **body)
        self.assertEqual(SIZE, answer["desired_size"])

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("5c7f5b2e-9f76-4f4a-a6f4-0d1f6a7d2b06")
    def test_no_such_load_balancer(self) -> None:
        """404."""
        for call in (self.clusters.show, self.clusters.update):
            self.assertRaises(
                exceptions.NotFound,
                call,
                "00000000-0000-4000-8000-000000000000",
            )
