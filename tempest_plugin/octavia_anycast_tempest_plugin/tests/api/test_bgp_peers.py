# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP peers: create, show, list, change, delete; refusals; who may."""

from tempest.lib import decorators, exceptions

from octavia_anycast_tempest_plugin.tests import base

PASSWORD = {"auth_type": "md5", "password": "tempest-only"}


class BgpPeerTest(base.BaseTest):
    """No speaker uses these peers."""

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b01")
    def test_create_and_show(self) -> None:
        """What is given is stored; what is not has its default."""
        given = self.peer_body(
            hold_time=9,
            keepalive_interval=3,
            ttl_hops=1,
            communities=["65010:1"],
        )
        made = self.peers.create(**given)
        self.addCleanup(self.peers.remove, made["id"])
        self.assertEqual(given, {name: made[name] for name in given})
        self.assertEqual(179, made["peer_port"])
        self.assertEqual([], made["speakers"])
        self.assertEqual(made, self.peers.show(made["id"]))

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b02")
    def test_no_answer_has_the_password(self) -> None:
        """It is written, changed, and never read."""
        made = self.make_peer(**PASSWORD)
        shown = self.peers.show(made["id"])
        changed = self.peers.update(made["id"], password="another-one")
        for answer in (made, shown, changed):
            self.assertEqual("md5", answer["auth_type"])
            self.assertNotIn("password", answer)

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b03")
    def test_list(self) -> None:
        """Filtered, sorted, in pages, one field."""
        first, second = (self.make_peer(name=n) for n in ("a", "b"))
        both = {first["id"], second["id"]}
        self.assertLessEqual(both, {p["id"] for p in self.peers.list_all()})
        (found,) = self.peers.list_all(query=f"peer_ip={first['peer_ip']}")
        self.assertEqual(first, found)
        names = [
            peer["name"]
            for peer in self.peers.list_all(query="sort=name:desc")
            if peer["id"] in both
        ]
        self.assertEqual(["b", "a"], names)
        (page,) = self.peers.list_all(query="limit=1&fields=id")
        self.assertEqual({"id"}, set(page))

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b04")
    def test_update(self) -> None:
        """What is given changes, null is the default, the rest stays."""
        made = self.make_peer(med=10, hold_time=30)
        changed = self.peers.update(made["id"], med=None, as_path_prepend=2)
        self.assertIsNone(changed["med"])
        self.assertEqual(2, changed["as_path_prepend"])
        self.assertEqual(30, changed["hold_time"])
        self.assertEqual(made["peer_ip"], changed["peer_ip"])

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b05")
    def test_delete(self) -> None:
        """It is gone at once, and a second time it is 404."""
        made = self.make_peer()
        self.peers.remove(made["id"])
        for call in (self.peers.show, self.peers.remove):
            self.assertRaises(exceptions.NotFound, call, made["id"])

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b06")
    def test_refused_values(self) -> None:
        """Each is 400 with the name of the attribute."""
        for wrong in (
            {"hold_time": 2},
            {"hold_time": "30"},
            {"remote_as": 0},
            {"remote_as": 2**32},
            {"peer_ip": "127.0.0.1"},
            {"peer_ip": "not an address"},
            {"ttl_hops": 256},
            {"auth_type": "md5"},
            {"password": "without a type"},
            {"communities": ["65010"]},
            {"unheard_of": 1},
        ):
            (name,) = wrong
            body = self.peer_body(**wrong)
            self.refuse(name.partition("_")[0], self.peers.create, **body)

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b07")
    def test_a_refused_change_changes_nothing(self) -> None:
        """Of a body with a right and a wrong value, none is stored."""
        made = self.make_peer()
        self.refuse(
            "hold_time", self.peers.update, made["id"], med=5, hold_time=1
        )
        self.assertEqual(made, self.peers.show(made["id"]))

    @decorators.idempotent_id("e2a01e72-4f5d-4a3b-8f3e-0d1c3a6f8b08")
    def test_tenants_see_none(self) -> None:
        """The addresses of the fabric's routers are not for tenants."""
        made = self.make_peer()
        for method, given in (
            ("list_all", ()),
            ("show", (made["id"],)),
            ("create", ()),
            ("update", (made["id"],)),
            ("remove", (made["id"],)),
        ):
            self.forbid(base.TENANTS, "BgpPeerClient", method, *given)
        self.assertEqual(made, self.peers.show(made["id"]))
