# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the kernel tells of its tables, in a namespace of the test's own."""

import errno
import os
import socket
import uuid

import pytest

from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.frontend.changes import Changes, Table
from octavia_anycast.agent.frontend.netlink import Netlink
from octavia_anycast.tests.contract.bird_peer import ip

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ADDRESSES = (Table.LINKS, Table.IPV4_ADDRESSES, Table.IPV6_ADDRESSES)


@pytest.fixture
def namespace():
    name = f"changes-{uuid.uuid4().hex[:8]}"
    ip("netns", "add", name)
    ip(
        "-n",
        name,
        "link",
        "add",
        "eth1",
        "type",
        "veth",
        "peer",
        "name",
        "leaf",
    )
    yield name
    ip("netns", "del", name)


@pytest.fixture
def changes(namespace):
    made = Changes(Table, f"/run/netns/{namespace}")
    yield made
    made.close()


@pytest.mark.parametrize(
    "words",
    [
        ("link", "set", "eth1", "up"),
        ("link", "del", "eth1"),
        ("addr", "add", "10.1.0.5/24", "dev", "eth1"),
        ("addr", "add", "2001:db8::1/128", "dev", "lo"),
        ("route", "add", "10.9.0.0/24", "dev", "lo", "table", "1"),
        ("-6", "route", "add", "fd00::/64", "dev", "lo", "table", "1"),
        ("rule", "add", "from", "198.51.100.1", "lookup", "1"),
        ("-6", "rule", "add", "from", "2001:db8::1", "lookup", "1"),
    ],
)
def test_each_change_is_told_once(namespace, changes, words):
    ip("-n", namespace, "link", "set", "lo", "up")
    changes.take()
    assert not changes.take()
    ip("-n", namespace, *words)
    assert changes.take()
    if words[0] != "link":  # a link brings more with it, later
        assert not changes.take()


def test_a_cable_that_is_pulled_is_told(namespace):
    """The other end goes down, which is not a change of ours."""
    for name in ("eth1", "leaf"):
        ip("-n", namespace, "link", "set", name, "up")
    netlink = Netlink(f"/run/netns/{namespace}")
    told = Changes([Table.LINKS], f"/run/netns/{namespace}")
    other = f"{namespace}-other"
    ip("netns", "add", other)
    try:
        ip("-n", namespace, "link", "set", "leaf", "netns", other)
        ip("-n", other, "link", "set", "leaf", "up")
        told.take()
        ip("-n", other, "link", "set", "leaf", "down")
        assert told.take()
        (eth1,) = [link for link in netlink.links() if link.name == "eth1"]
        assert not eth1.is_up
    finally:
        ip("netns", "del", other)
        told.close()
        netlink.close()


def test_only_what_is_subscribed_to_is_told(namespace):
    changes = Changes(ADDRESSES, f"/run/netns/{namespace}")
    ip("-n", namespace, "link", "set", "lo", "up")
    changes.take()
    ip("-n", namespace, "route", "add", "10.9.0.0/24", "dev", "lo")
    assert not changes.take()
    changes.close()


def test_changes_that_were_lost_are_a_change(changes, monkeypatch):
    """The kernel says so when a buffer was full (netlink(7))."""

    class Full:
        errors = [errno.ENOBUFS, errno.EAGAIN]

        def recv(self, size):
            raise OSError(self.errors.pop(0), "")

        def close(self):
            """Nothing to let go of."""

    changes.close()
    monkeypatch.setattr(changes, "_socket", Full())
    assert changes.take()


def test_listeners_are_the_same_object_until_they_change(namespace):
    path = f"/run/netns/{namespace}"
    ip("-n", namespace, "link", "set", "lo", "up")
    netlink = Netlink(path)
    one = netns.call_in(path, lambda: socket.create_server(("127.0.0.1", 80)))
    first = netlink.listening()
    assert [found.port for found in first] == [80]
    assert netlink.listening() is first
    two = netns.call_in(
        path,
        lambda: socket.create_server(("::1", 81), family=socket.AF_INET6),
    )
    second = netlink.listening()
    assert {found.port for found in second} == {80, 81}
    two.close()
    assert [found.port for found in netlink.listening()] == [80]
    # A connection waits in its queue.
    client = netns.call_in(
        path, lambda: socket.create_connection(("127.0.0.1", 80))
    )
    (waiting,) = netlink.listening()
    assert waiting.backlog == 1
    for each in (client, one, netlink):
        each.close()


def test_a_namespace_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        Changes(Table, "/run/netns/there-is-no-such-namespace")
