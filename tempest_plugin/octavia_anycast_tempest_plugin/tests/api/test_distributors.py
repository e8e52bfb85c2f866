# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors and their statuses; refusals; who sees and does what."""

from tempest.lib import decorators, exceptions

from octavia_anycast_tempest_plugin.services.clients import Document
from octavia_anycast_tempest_plugin.tests import base

# Of a distributor, what the controller changes when it has looked.
FOUND = {"operating_status", "status_reason", "updated_at"}


def _wished(distributor: Document) -> Document:
    """All of a distributor that only a request changes."""
    return {k: v for k, v in distributor.items() if k not in FOUND}


class DistributorTest(base.BaseTest):
    """No load balancer uses these distributors."""

    def _speaker(self, **attributes: object) -> Document:
        return {
            "ip_version": 4,
            "local_as": 65100,
            "peers": [self.peer_body()],
            **attributes,
        }

    def _await_operating(self, id: str, status: str) -> None:
        """The controller looks at the sessions now and then."""
        self.wait_until(
            lambda: self.distributors.show(id)["operating_status"] == status,
            f"distributor {id} {status}",
        )

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a01")
    def test_create_with_all_its_parts(self) -> None:
        """PENDING_CREATE at first, then ACTIVE; its peer is made with it."""
        made = self.distributors.create(
            name="tempest-anycast-whole", speakers=[self._speaker()]
        )
        self.addCleanup(self.remove_distributor, made["id"])
        self.assertEqual("PENDING_CREATE", made["provisioning_status"])
        self.assertFalse(made["is_default"])
        found = self.settle(made["id"])
        self._await_operating(made["id"], "ONLINE")
        self.assertEqual("", found["status_reason"])
        (speaker,) = found["speakers"]
        self.assertEqual("exabgp", speaker["driver"])
        (peer,) = speaker["peers"]
        shown = self.peers.show(peer["id"])
        self.assertEqual([{"id": speaker["id"]}], shown["speakers"])

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a02")
    def test_list(self) -> None:
        """Filtered, and one field."""
        made = self.make_distributor(description="of a test")
        (found,) = self.distributors.list_all(query=f"name={made['name']}")
        self.assertEqual(_wished(made), _wished(found))
        (page,) = self.distributors.list_all(
            query=f"id={made['id']}&fields=name"
        )
        self.assertEqual({"name": made["name"]}, page)

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a03")
    def test_update_and_disable(self) -> None:
        """A disabled one is OFFLINE, an enabled one ONLINE again."""
        made = self.make_distributor()
        for enabled, status in ((False, "OFFLINE"), (True, "ONLINE")):
            changed = self.distributors.update(
                made["id"], enabled=enabled, description=status
            )
            self.assertEqual("PENDING_UPDATE", changed["provisioning_status"])
            found = self.settle(made["id"])
            self.assertEqual(enabled, found["enabled"])
            self.assertEqual(status, found["description"])
            self._await_operating(made["id"], status)

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a04")
    def test_delete(self) -> None:
        """Without cascade its peer stays, with it the peer goes, too."""
        for cascade in (False, True):
            made = self.make_distributor(speakers=[self._speaker()])
            (peer,) = made["speakers"][0]["peers"]
            self.distributors.remove(made["id"], cascade=cascade)
            self.await_gone(self.distributors, made["id"])
            if cascade:
                show = self.peers.show
                self.assertRaises(exceptions.NotFound, show, peer["id"])
            else:
                self.assertEqual([], self.peers.show(peer["id"])["speakers"])
                self.peers.remove(peer["id"])

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a05")
    def test_refused_values(self) -> None:
        """Each is 400 with the path of the attribute; nothing is made."""
        name = "tempest-anycast-refused"
        no_id = "00000000-0000-4000-8000-000000000000"
        for path, wrong in (
            ("name", {"name": " "}),
            ("dedicated_count", {"dedicated_count": -1}),
            ("distributor_type", {"distributor_type": "L2"}),
            ("unheard_of", {"unheard_of": 1}),
            (
                "speakers[0].local_as",
                {"speakers": [self._speaker(local_as=0)]},
            ),
            (
                "speakers[0].peers[0].hold_time",
                {
                    "speakers": [
                        self._speaker(peers=[self.peer_body(hold_time=1)])
                    ]
                },
            ),
            (
                "speakers[0].peers[0].id",
                {"speakers": [self._speaker(peers=[{"id": no_id}])]},
            ),
            ("zones", {"zones": [{"frontend_network_id": no_id}]}),
        ):
            body = {"name": name, **wrong}
            self.refuse(path, self.distributors.create, **body)
        found = self.distributors.list_all(query=f"name={name}")
        self.assertEqual([], found)

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a06")
    def test_two_speakers_of_one_family(self) -> None:
        """A distributor has one for each address family at most."""
        self.refuse(
            "ip_version",
            self.distributors.create,
            name="tempest-anycast-twins",
            speakers=[self._speaker(), self._speaker()],
        )

    @decorators.attr(type=["negative"])
    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a07")
    def test_an_external_vip_needs_an_amphora(self) -> None:
        """Without an amphora of its own nobody would announce it."""
        made = self.make_distributor(speakers=[self._speaker()])
        vips = self.client("ExternalVipClient")
        self.assertRaises(
            exceptions.Conflict,
            vips.create,
            made["id"],
            vip_address="203.0.113.10",
            next_hop="192.0.2.10",
        )
        self.assertEqual([], vips.list_all(made["id"]))

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a08")
    def test_what_tenants_see(self) -> None:
        """The distributor with ids of its peers, and no address."""
        made = self.make_distributor(speakers=[self._speaker()])
        (peer,) = made["speakers"][0]["peers"]
        address = self.peers.show(peer["id"])["peer_ip"]
        for person in base.TENANTS:
            shown = self.client("DistributorClient", person).show(made["id"])
            self.assertEqual(
                [{"id": peer["id"]}], shown["speakers"][0]["peers"]
            )
            self.assertNotIn(address, str(shown))
        self.forbid(base.TENANTS, "PathClient", "list_all", made["id"])

    @decorators.idempotent_id("0d5b2f3a-7f0e-4b59-9a45-6c4f1f0c7a09")
    def test_tenants_change_nothing(self) -> None:
        """403, and everything is as before."""
        made = self.make_distributor()
        for method, given in (
            ("create", ()),
            ("update", (made["id"],)),
            ("remove", (made["id"],)),
        ):
            self.forbid(base.TENANTS, "DistributorClient", method, *given)
        shown = self.distributors.show(made["id"])
        self.assertEqual(_wished(made), _wished(shown))
