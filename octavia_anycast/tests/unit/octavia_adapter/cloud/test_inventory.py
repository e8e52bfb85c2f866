# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Things in the cloud, told by their inventory."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from octavia_anycast.octavia_adapter.cloud import inventory

A = "d6c15fd0-3b1c-4f7e-9d2a-61a3f6f0b0a1"
LB = "5f3b7e52-8a4d-4c1f-8e60-0f4f2f1f7c22"
NET = "0c9a1d8e-72b5-4b39-a1f4-b5a7d3c9e933"
BORN = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "name", "wanted"),
    [
        (inventory.amphora_of_server, inventory.server_name(A), A),
        (inventory.amphora_of_server, f"amphora-{A}-old", None),
        (inventory.amphora_of_server, f"my-amphora-{A}", None),
        (inventory.amphora_of_server, "amphora-image-builder", None),
        (inventory.amphora_of_port, inventory.frontend_port_name(A), A),
        (inventory.amphora_of_port, inventory.member_port_name(A, NET), A),
        (inventory.amphora_of_port, "octavia-anycast-fe-x", None),
        (inventory.amphora_of_port, "", None),
        (inventory.amphora_of_port, None, None),
        (inventory.load_balancer_of_port, f"octavia-lb-{LB}", LB),
        # Stock amphorae's own ports begin in the same way.
        (inventory.load_balancer_of_port, f"octavia-lb-vrrp-{A}", None),
        (inventory.load_balancer_of_group, f"lb-{LB}", LB),
        (inventory.load_balancer_of_group, "lb-mgmt-sec-grp", None),
    ],
)
def test_names(read, name, wanted):
    assert read(name) == wanted


class Proxy:
    """Neutron with ports of several owners."""

    def __init__(self, *things):
        self.things = things

    def ports(self, **query):
        return [
            t
            for t in self.things
            if all(getattr(t, k) == v for k, v in query.items())
        ]

    security_groups = ports


def port(name, **fields):
    values = {
        "project_id": "service",
        "device_owner": "Octavia",
        "device_id": "",
        "created_at": "2026-11-22T17:30:00Z",
        **fields,
    }
    return SimpleNamespace(id=f"id of {name}", name=name, **values)


def driver(*things):
    return SimpleNamespace(project_id="service", network_proxy=Proxy(*things))


def test_ports():
    found = inventory.ports(
        driver(
            port(
                inventory.frontend_port_name(A), device_owner="compute:rack1"
            ),
            # The same name in a tenant's project is the tenant's.
            port(inventory.frontend_port_name(A), project_id="tenant"),
            port(
                f"octavia-lb-{LB}", device_id=f"lb-{LB}", project_id="tenant"
            ),
            # A tenant's own port as VIP, and one that looks like a VIP's.
            port("my-vip", device_id=f"lb-{LB}", project_id="tenant"),
            port(f"octavia-lb-{LB}", device_owner="", project_id="tenant"),
            port(f"octavia-lb-{LB}", device_id="", project_id="tenant"),
            port(f"octavia-lb-vrrp-{A}"),
            port(None),
        )
    )
    assert [(s.amphora_id, s.load_balancer_id) for s in found] == [
        (A, None),
        (None, LB),
    ]
    assert {s.created_at for s in found} == {BORN}
    assert [s.is_named_by_us for s in found] == [True, False]


def test_security_groups():
    found = inventory.security_groups(
        driver(
            port(f"lb-{LB}"),
            port(f"lb-{LB}", project_id="tenant"),
            port("lb-mgmt-sec-grp"),
        )
    )
    assert [s.load_balancer_id for s in found] == [LB]


class Nova:
    """Nova's client, as far as it is asked."""

    def list(self, **query):
        assert query == {"search_opts": {"name": "^amphora-"}, "limit": -1}
        return [
            SimpleNamespace(
                id="1", name=f"amphora-{A}", created="2026-11-22T17:30:00Z"
            ),
            SimpleNamespace(id="2", name="amphora-base", created=None),
        ]


def test_servers_of_nova():
    (found,) = inventory.servers(SimpleNamespace(manager=Nova()))
    assert (found.id, found.amphora_id, found.created_at) == ("1", A, BORN)


def test_servers_of_another_driver():
    own = SimpleNamespace(
        list_servers=lambda: [("1", f"amphora-{A}", BORN), ("2", "x", BORN)]
    )
    (found,) = inventory.servers(own)
    assert (found.id, found.amphora_id) == ("1", A)


def test_drivers_that_cannot_list():
    assert inventory.servers(SimpleNamespace()) == ()
    assert inventory.ports(SimpleNamespace()) == ()
    assert inventory.security_groups(SimpleNamespace()) == ()
