# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What all tests have: people, clients, waiting, and cleaning up.

Four people, by the roles of Keystone: an administrator, a member and a reader
of one kind of project, and a member of another project.
"""

import ipaddress
import random
from collections.abc import Callable
from typing import Any

from octavia_tempest_plugin.tests import waiters
from tempest import config, test
from tempest.lib import exceptions
from tempest.lib.common.utils import data_utils

from octavia_anycast_tempest_plugin import services
from octavia_anycast_tempest_plugin.services.clients import Document

CONF = config.CONF
PREFIX = "tempest-anycast"
ADMIN, MEMBER, READER, STRANGER = (
    "os_admin",
    "os_roles_lb_member",
    "os_roles_lb_reader",
    "os_roles_lb_stranger",
)
TENANTS = (MEMBER, READER, STRANGER)
PROVISIONING = "provisioning_status"


class BaseTest(test.BaseTestCase):
    """People and their clients."""

    credentials = [
        "admin",
        ["lb_member", "member"],
        ["lb_reader", "reader"],
        ["lb_stranger", "member"],
    ]

    @classmethod
    def skip_checks(cls) -> None:
        """Skip all where there is no Octavia."""
        super().skip_checks()
        if not CONF.service_available.load_balancer:
            raise cls.skipException("[service_available] load_balancer")

    @classmethod
    def setup_credentials(cls) -> None:
        """Make the people; no network for them."""
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        """Name the clients that most tests use: the administrator's."""
        super().setup_clients()
        cls.peers = cls.client("BgpPeerClient")
        cls.speakers = cls.client("BgpSpeakerClient")
        cls.distributors = cls.client("DistributorClient")

    @classmethod
    def client(cls, name: str, person: str = ADMIN) -> Any:
        """A client of ours, as a person."""
        group = getattr(getattr(cls, person), services.NAME)
        return getattr(group, name)()

    @classmethod
    def octavia(cls, name: str, person: str = ADMIN) -> Any:
        """A client of Octavia's plug-in, as a person."""
        return getattr(getattr(cls, person).load_balancer_v2, name)()

    # -- waiting -----------------------------------------------------------

    @classmethod
    def wait_until(
        cls, is_so: Callable[[], bool], what: str, seconds: int | None = None
    ) -> None:
        """Poll until it is so.

        :raises TimeoutException: it is not so in time; says what.
        """
        options = CONF.load_balancer
        limit = seconds or options.check_timeout
        try:
            waiters.wait_until_true(is_so, limit, options.check_interval)
        except exceptions.TimeoutException as e:
            raise exceptions.TimeoutException(f"{what}: {e}") from e

    @classmethod
    def settle(cls, distributor_id: str) -> Document:
        """Wait until a distributor is ACTIVE; it may be changed then."""
        found: Document = waiters.wait_for_status(
            cls.distributors.show,
            distributor_id,
            PROVISIONING,
            "ACTIVE",
            CONF.load_balancer.check_interval,
            CONF.load_balancer.check_timeout,
        )
        return found

    # -- making and cleaning up --------------------------------------------

    def make_peer(self, **attributes: Any) -> Document:
        """A BGP peer, deleted at the end of the test, or with its speaker."""
        body = self.peer_body(**attributes)
        made: Document = self.peers.create(**body)
        self.addCleanup(_remove_unused, self.peers, made["id"])
        return made

    @staticmethod
    def peer_body(**attributes: Any) -> Document:
        """What a peer needs."""
        return {
            "name": data_utils.rand_name(name="peer", prefix=PREFIX),
            "peer_ip": random_address(),
            "remote_as": CONF.load_balancer_anycast.peer_as,
            **attributes,
        }

    def make_distributor(self, **attributes: Any) -> Document:
        """A distributor, ACTIVE; deleted at the end of the test."""
        name = data_utils.rand_name(name="distributor", prefix=PREFIX)
        made = self.distributors.create(**{"name": name, **attributes})
        self.addCleanup(self.remove_distributor, made["id"])
        return self.settle(made["id"])

    @classmethod
    def remove_distributor(cls, id: str) -> None:
        """Delete one with its peers, and wait until it is gone."""
        try:
            cls.settle(id)
            cls.distributors.remove(id, cascade=True)
        except exceptions.NotFound:
            return
        cls.await_gone(cls.distributors, id)

    @classmethod
    def await_gone(cls, client: Any, id: str) -> None:
        """Wait until a GET answers 404."""
        waiters.wait_for_deleted_status_or_not_found(
            client.show,
            id,
            PROVISIONING,
            CONF.load_balancer.check_interval,
            CONF.load_balancer.check_timeout,
        )

    # -- refusals ----------------------------------------------------------

    def refuse(
        self, sentence: str, call: Callable[..., Any], *given: Any, **body: Any
    ) -> None:
        """Check that a call is 400, and that the fault has a sentence."""
        fault = self.assertRaises(exceptions.BadRequest, call, *given, **body)
        self.assertIn(sentence, str(fault))

    def forbid(
        self, people: tuple[str, ...], client: str, method: str, *given: Any
    ) -> None:
        """Check that a call is 403 for these people."""
        for person in people:
            call = getattr(self.client(client, person), method)
            try:
                call(*given)
            except exceptions.Forbidden:
                continue
            self.fail(f"{person} may call {client}.{method}")


def random_address() -> str:
    """An address of [load_balancer_anycast] peer_prefix."""
    prefix = ipaddress.ip_network(CONF.load_balancer_anycast.peer_prefix)
    return str(prefix[random.randrange(1, prefix.num_addresses - 1)])


def _remove_unused(peers: Any, id: str) -> None:
    """Delete a peer, unless a distributor has it, which is deleted later."""
    try:
        peers.remove(id)
    except (exceptions.NotFound, exceptions.Conflict):
        return
