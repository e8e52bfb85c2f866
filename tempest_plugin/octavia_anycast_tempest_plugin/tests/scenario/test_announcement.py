# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Paths of a load balancer: announced, drained, announced again, replaced."""

from octavia_tempest_plugin.tests import waiters
from tempest import config
from tempest.lib import decorators, exceptions

from octavia_anycast_tempest_plugin.tests import base
from octavia_anycast_tempest_plugin.tests.scenario import base as scenario
from octavia_anycast_tempest_plugin.tests.scenario.base import SIZE

CONF = config.CONF


class AnnouncementTest(scenario.ScenarioTest):
    """One load balancer; its paths."""

    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce01")
    def test_paths(self) -> None:
        """Each amphora announces the VIP, by its front-end address."""
        cluster = self.await_cluster(SIZE)
        found = self.paths.list_all(
            cluster["distributor_id"], f"load_balancer_id={self.balancer_id}"
        )
        hops = {a["id"]: a["frontend_ip"] for a in cluster["amphorae"]}
        self.assertEqual(set(hops), {path["amphora_id"] for path in found})
        for path in found:
            self.assertEqual(self.vip, path["vip_address"])
            self.assertEqual(f"{self.vip}/32", path["prefix"])
            self.assertEqual(hops[path["amphora_id"]], path["next_hop"])
            self.assertEqual("advertised", path["state"])
            self.assertEqual("Established", path["session_state"])

    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce02")
    def test_the_distributor_is_used(self) -> None:
        """It counts what uses it, and cannot be deleted."""
        distributor = self.await_cluster(SIZE)["distributor_id"]
        found = self.distributors.show(distributor)
        self.assertGreaterEqual(found["load_balancer_count"], 1)
        self.assertGreaterEqual(found["amphora_count"], SIZE)
        self.assertRaises(
            exceptions.Conflict, self.distributors.remove, distributor
        )

    @decorators.attr(type=["slow"])
    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce03")
    def test_drain_and_undo(self) -> None:
        """A drained amphora announces nothing; undone, it announces again."""
        both = {a["id"] for a in self.await_cluster(SIZE)["amphorae"]}
        drained, stays = sorted(both)
        self.assertEqual("NONE", self.drains.show(drained)["state"])
        self.drains.update(drained, timeout=0)
        self.addCleanup(_undo, self.drains, drained)
        self.wait_until(
            lambda: self.drains.show(drained)["state"] == "DRAINED",
            f"amphora {drained} drained",
        )
        self.wait_until(
            lambda: self.announcers() == {stays}, "one amphora that announces"
        )
        for _ in range(2):
            self.drains.undo(drained)
        self.wait_until(
            lambda: self.announcers() == both, "two amphorae that announce"
        )
        self.assertEqual("NONE", self.drains.show(drained)["state"])
        self.await_cluster(SIZE)

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce04")
    def test_refused_drains(self) -> None:
        """A wrong value, no such amphora, and all who are no operators."""
        amphora = self.await_cluster(SIZE)["amphorae"][0]["id"]
        self.refuse("timeout", self.drains.update, amphora, timeout=-1)
        self.refuse("timeout", self.drains.update, amphora, timeout="1")
        self.refuse("later", self.drains.update, amphora, later=True)
        self.assertRaises(
            exceptions.NotFound,
            self.drains.update,
            "00000000-0000-4000-8000-000000000000",
        )
        for method in ("show", "update", "undo"):
            self.forbid(base.TENANTS, "DrainClient", method, amphora)
        self.assertEqual("NONE", self.drains.show(amphora)["state"])

    @decorators.attr(type=["slow"])
    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce05")
    def test_failover_of_an_amphora(self) -> None:
        """It is replaced; the other one is the same and goes on."""
        both = {a["id"] for a in self.await_cluster(SIZE)["amphorae"]}
        lost, stays = sorted(both)
        self.amphorae.amphora_failover(lost)
        self.wait_until(
            lambda: lost not in self._members(),
            f"amphora {lost} replaced",
            CONF.load_balancer.lb_build_timeout,
        )
        self.await_active()
        after = {a["id"] for a in self.await_cluster(SIZE)["amphorae"]}
        self.assertIn(stays, after)
        self.assertNotIn(lost, after)
        self.assertEqual(after, self.announcers())

    def _members(self) -> set[str]:
        found = self.clusters.show(self.balancer_id)["amphorae"]
        return {amphora["id"] for amphora in found}


class DeletionTest(scenario.ScenarioTest):
    """A load balancer that is deleted by the test."""

    @decorators.attr(type=["slow"])
    @decorators.idempotent_id("8c0de1b6-3a8b-4a55-8f53-3b6ad0f0ce06")
    def test_nothing_is_announced_afterwards(self) -> None:
        """Its paths and its amphorae are gone with it."""
        distributor = self.await_cluster(SIZE)["distributor_id"]
        self.assertEqual(SIZE, len(self.announcers()))
        self.balancers.delete_loadbalancer(self.balancer_id, cascade=True)
        waiters.wait_for_deleted_status_or_not_found(
            self.balancers.show_loadbalancer,
            self.balancer_id,
            base.PROVISIONING,
            CONF.load_balancer.check_interval,
            CONF.load_balancer.lb_build_timeout,
        )
        paths = self.paths.list_all(
            distributor, f"load_balancer_id={self.balancer_id}"
        )
        amphorae = self.amphorae.list_amphorae(
            f"loadbalancer_id={self.balancer_id}"
        )
        self.assertEqual(([], []), (paths, amphorae))


def _undo(drains: object, amphora_id: str) -> None:
    """Have an amphora announce again, whatever the test has done."""
    try:
        drains.undo(amphora_id)  # type: ignore[attr-defined]
    except (exceptions.NotFound, exceptions.Conflict):
        return
