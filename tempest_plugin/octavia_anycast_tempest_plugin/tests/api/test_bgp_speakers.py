# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP speakers of a distributor, and the peers that they use."""

from tempest.lib import decorators, exceptions

from octavia_anycast_tempest_plugin.services.clients import Document
from octavia_anycast_tempest_plugin.tests import base


class BgpSpeakerTest(base.BaseTest):
    """No load balancer uses them: they may go, too."""

    def setUp(self) -> None:
        """Make a distributor without a speaker."""
        super().setUp()
        self.distributor = self.make_distributor()["id"]

    def _make_speaker(self, **attributes: object) -> Document:
        made: Document = self.speakers.create(
            **{
                "distributor_id": self.distributor,
                "ip_version": 4,
                "local_as": 65100,
                **attributes,
            }
        )
        self.settle(self.distributor)
        return made

    @decorators.idempotent_id("b7a4f7b0-6e5b-4f0c-9b43-2a0f7d9e1c01")
    def test_create_show_list(self) -> None:
        """With an existing peer; each change has the distributor follow."""
        peer = self.make_peer()
        made = self._make_speaker(peers=[{"id": peer["id"]}])
        self.assertEqual([{"id": peer["id"]}], made["peers"])
        self.assertEqual(made, self.speakers.show(made["id"]))
        (found,) = self.speakers.list_all(
            query=f"distributor_id={self.distributor}"
        )
        self.assertEqual(made["id"], found["id"])

    @decorators.idempotent_id("b7a4f7b0-6e5b-4f0c-9b43-2a0f7d9e1c02")
    def test_add_and_remove_a_peer(self) -> None:
        """Both are idempotent or 404; a used peer cannot be deleted."""
        peer = self.make_peer()["id"]
        speaker = self._make_speaker()["id"]
        for _ in range(2):
            shown = self.speakers.add_peer(speaker, peer)
            self.assertEqual([{"id": peer}], shown["peers"])
            self.settle(self.distributor)
        self.assertRaises(exceptions.Conflict, self.peers.remove, peer)
        self.speakers.remove_peer(speaker, peer)
        self.settle(self.distributor)
        self.assertEqual([], self.speakers.show(speaker)["peers"])
        self.assertRaises(
            exceptions.NotFound, self.speakers.remove_peer, speaker, peer
        )

    @decorators.idempotent_id("b7a4f7b0-6e5b-4f0c-9b43-2a0f7d9e1c03")
    def test_update_and_delete(self) -> None:
        """Its AS and its driver change; then the distributor has none."""
        made = self._make_speaker()
        self.assertEqual("exabgp", made["driver"])
        changed = self.speakers.update(
            made["id"], local_as=65101, driver="bird"
        )
        self.assertEqual(65101, changed["local_as"])
        self.assertEqual("bird", changed["driver"])
        self.settle(self.distributor)
        self.speakers.remove(made["id"])
        self.assertEqual([], self.settle(self.distributor)["speakers"])

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("b7a4f7b0-6e5b-4f0c-9b43-2a0f7d9e1c04")
    def test_refused_values(self) -> None:
        """BFD needs BIRD; a distributor and a peer have to exist."""
        no_id = "00000000-0000-4000-8000-000000000000"
        timers = {"min_tx_ms": 100, "min_rx_ms": 100, "multiplier": 3}
        bfd = self.make_peer(bfd=timers, ttl_hops=1)["id"]
        for path, wrong in (
            ("distributor_id", {"distributor_id": no_id}),
            ("peers[0].id", {"peers": [{"id": no_id}]}),
            ("local_as", {"local_as": 23456}),
            ("ip_version", {"ip_version": 5}),
            ("bfd", {"driver": "exabgp", "peers": [{"id": bfd}]}),
        ):
            self.refuse(path, self._make_speaker, **wrong)
        self.assertEqual([], self.settle(self.distributor)["speakers"])

    @decorators.idempotent_id("b7a4f7b0-6e5b-4f0c-9b43-2a0f7d9e1c05")
    def test_tenants_change_nothing(self) -> None:
        """They see a speaker; 403 for each change."""
        peer = self.make_peer()["id"]
        made = self._make_speaker(peers=[{"id": peer}])
        for person in base.TENANTS:
            shown = self.client("BgpSpeakerClient", person).show(made["id"])
            self.assertEqual(made["id"], shown["id"])
        for method, given in (
            ("create", ()),
            ("update", (made["id"],)),
            ("remove", (made["id"],)),
            ("add_peer", (made["id"], peer)),
            ("remove_peer", (made["id"], peer)),
        ):
            self.forbid(base.TENANTS, "BgpSpeakerClient", method, *given)
        self.assertEqual(made, self.speakers.show(made["id"]))
