# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/octavia/amphorae``: one amphora, ours or Octavia's own."""

import uuid

import pytest
from octavia.common import rpc
from octavia.db import api as octavia_db
from octavia.db import models
from sqlalchemy import Engine, event

from octavia_anycast.db.amphora import amphora_statistics, amphorae
from octavia_anycast.db.models import AmphoraListenerStatistics
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ServiceType,
)
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.amphora_rows import (
    LBS,
    LISTENERS,
    PATH,
    START,
    UNKNOWN,
    listed,
    make_lb,
    make_ours,
    make_stock,
    record,
)


@pytest.fixture
def subnet(api):
    return api.neutron.add_network("198.51.100.0/24")[1][0]


@pytest.fixture
def lb(api, subnet):
    """A load balancer of ours."""
    api.create("/v2/lbaas/distributors", samples.distributor(is_default=True))
    return make_lb(api, subnet)


@pytest.fixture
def stock_lb(api, subnet):
    """A load balancer of another provider, ACTIVE."""
    return make_lb(api, subnet, provider="noop_driver")


def test_ours_is_shown_with_both_names(api, lb):
    amphora_id = make_ours(api, lb["id"], 1)

    answer = api.call("GET", f"{PATH}/{amphora_id}")

    assert answer.status == 200, answer.text
    assert answer.body["amphora"] == {
        "id": amphora_id,
        "loadbalancer_id": lb["id"],
        "compute_id": "machine-1",
        "lb_network_ip": "172.31.1.1",
        "vrrp_ip": "10.1.0.1",
        "ha_ip": lb["vip_address"],
        "vrrp_port_id": str(uuid.UUID(int=501)),
        "ha_port_id": lb["vip_port_id"],
        "cert_expiration": "2026-12-22T12:00:00",
        "cert_busy": False,
        "role": "STANDALONE",
        "status": "ALLOCATED",
        "vrrp_interface": "eth1",
        "vrrp_id": None,
        "vrrp_priority": None,
        "cached_zone": "rack1",
        "created_at": "2026-11-22T12:02:00",
        "updated_at": None,
        "image_id": None,
        "compute_flavor": None,
        "frontend_ip": "10.1.0.1",
        "frontend_subnet_id": str(uuid.UUID(int=901)),
        "frontend_port_id": str(uuid.UUID(int=501)),
        "frontend_interface": "eth1",
        "frontend_id": None,
        "frontend_priority": None,
        "service_type": "combined",
    }


def test_one_that_just_boots_has_nothing_yet(api, lb):
    amphora_id = make_ours(
        api,
        lb["id"],
        1,
        status=AmphoraStatus.BOOTING,
        compute_id=None,
        lb_network_ip=None,
        cert_expiration=None,
        frontend=None,
        frontend_port_id=None,
        frontend_interface=None,
        availability_zone=None,
        service_type=ServiceType.COMBINED,
    )

    shown = api.call("GET", f"{PATH}/{amphora_id}").body["amphora"]

    assert shown["status"] == "BOOTING"
    assert shown["frontend_ip"] is shown["vrrp_ip"] is None
    assert listed(api) == [amphora_id]


def test_octavias_is_shown_with_both_names(api, stock_lb):
    amphora_id = make_stock(stock_lb["id"], 1)

    shown = api.call("GET", f"{PATH}/{amphora_id}").body["amphora"]

    assert shown["vrrp_ip"] == shown["frontend_ip"] == "10.2.0.1"
    assert shown["loadbalancer_id"] == stock_lb["id"]
    assert shown["ha_ip"] == "198.51.100.200"
    assert shown["role"] == "MASTER"
    assert shown["service_type"] is None
    assert shown["frontend_subnet_id"] is None


def test_deleted_ones_are_gone(api, lb, stock_lb):
    ours = make_ours(api, lb["id"], 1, status=AmphoraStatus.DELETED)
    stock = make_stock(stock_lb["id"], 1, status="DELETED")

    assert listed(api) == []
    for amphora_id in (ours, stock, UNKNOWN, "x"):
        assert api.call("GET", f"{PATH}/{amphora_id}").status == 404


# Rights


ACTIONS = [
    ("GET", "", 200),
    ("GET", "/{id}", 200),
    ("GET", "/{id}/stats", 200),
    ("PUT", "/{id}/failover", 202),
    ("PUT", "/{id}/config", 202),
    ("DELETE", "/{id}", 409),
]


@pytest.mark.parametrize(
    ("role", "is_allowed"),
    [("admin", True), ("member", False), ("reader", False), ("no", False)],
)
@pytest.mark.parametrize(("method", "below", "status"), ACTIONS)
def test_roles(api, lb, role, is_allowed, method, below, status):
    amphora_id = make_ours(api, lb["id"], 1)
    before = record(api, amphora_id)
    with api.authenticated():
        answer = api.call(
            method,
            f"{PATH}{below.format(id=amphora_id)}",
            headers={"X-Roles": role, "X-User-Id": "somebody"},
        )

    assert answer.status == (status if is_allowed else 403), answer.text
    if not is_allowed:
        assert record(api, amphora_id) == before


# What is asked of one of ours


@pytest.fixture
def casts(monkeypatch):
    """What is sent to Octavia's worker."""
    sent = []

    class Client:
        def cast(self, context, method, **payload):
            sent.append((method, payload))

    monkeypatch.setattr(rpc, "get_client", lambda *_args, **_kwargs: Client())
    return sent


def status_of(api, load_balancer):
    answer = api.call("GET", f"{LBS}/{load_balancer['id']}")
    return answer.body["loadbalancer"]["provisioning_status"]


def test_failover_is_a_mark_and_locks_the_load_balancer(api, lb, casts):
    """As in Octavia, so that the client's --wait has what to wait for."""
    amphora_id = make_ours(api, lb["id"], 1)
    other = make_ours(api, lb["id"], 2)

    answers = [
        api.call("PUT", f"{PATH}/{amphora_id}/failover").status,
        api.call("PUT", f"{PATH}/{other}/failover").status,
    ]

    assert answers == [202, 409]
    assert record(api, amphora_id).failover_wanted
    assert not record(api, other).failover_wanted
    assert status_of(api, lb) == "PENDING_UPDATE"
    assert casts == []


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        ("ACTIVE", 202, "PENDING_UPDATE"),
        ("ERROR", 202, "PENDING_UPDATE"),
        ("PENDING_CREATE", 409, "PENDING_CREATE"),
        ("PENDING_UPDATE", 409, "PENDING_UPDATE"),
        ("PENDING_DELETE", 409, "PENDING_DELETE"),
    ],
)
def test_failover_by_status(api, lb, before, status, after):
    amphora_id = make_ours(api, lb["id"], 1)
    octavia_rows.set_status("loadbalancer", lb["id"], before)

    answer = api.call("PUT", f"{PATH}/{amphora_id}/failover")

    assert answer.status == status
    assert status_of(api, lb) == after
    assert record(api, amphora_id).failover_wanted == (status == 202)


def test_failover_of_what_goes_anyway_is_refused(api, lb):
    amphora_id = make_ours(api, lb["id"], 1)
    orphan = make_ours(api, UNKNOWN, 2)
    octavia_rows.set_status("loadbalancer", lb["id"], "PENDING_DELETE")

    first = api.call("PUT", f"{PATH}/{amphora_id}/failover")
    second = api.call("PUT", f"{PATH}/{orphan}/failover")

    assert first.status == 409
    assert "immutable" in first.fault
    assert second.status == 404
    assert not record(api, amphora_id).failover_wanted


def test_config_is_a_mark(api, lb, casts):
    amphora_id = make_ours(api, lb["id"], 1)

    assert api.call("PUT", f"{PATH}/{amphora_id}/config").status == 202

    assert record(api, amphora_id).agent_update_wanted
    assert status_of(api, lb) == "ACTIVE"
    assert casts == []


@pytest.mark.parametrize("status", ["BOOTING", "ALLOCATED", "PENDING_DELETE"])
def test_one_of_a_cluster_cannot_be_deleted(api, lb, casts, status):
    amphora_id = make_ours(api, lb["id"], 1, status=AmphoraStatus(status))

    answer = api.call("DELETE", f"{PATH}/{amphora_id}")

    assert answer.status == 409
    assert f"is {status}: only one in ERROR can be deleted" in answer.fault
    assert record(api, amphora_id).status == status
    assert casts == []


def test_one_in_error_is_deleted(api, lb, casts):
    amphora_id = make_ours(api, lb["id"], 1, status=AmphoraStatus.ERROR)

    assert api.call("DELETE", f"{PATH}/{amphora_id}").status == 204

    assert record(api, amphora_id).status == "PENDING_DELETE"
    assert casts == []


@pytest.mark.parametrize("below", ["failover", "config", "stats"])
def test_nothing_below_what_is_not_there(api, lb, below):
    deleted = make_ours(api, lb["id"], 1, status=AmphoraStatus.DELETED)
    method = "GET" if below == "stats" else "PUT"

    for amphora_id in (deleted, UNKNOWN, "x"):
        answer = api.call(method, f"{PATH}/{amphora_id}/{below}")
        assert answer.status == 404, answer.text
    assert api.call("DELETE", f"{PATH}/{deleted}").status == 404
    assert api.call("DELETE", f"{PATH}/{UNKNOWN}").status == 404


# Statistics


def beat(amphora_id, listener, **counted):
    return Heartbeat(
        amphora_id=amphora_id,
        listeners=(
            ListenerBeat(listener_id=listener, status="OPEN", **counted),
        ),
    )


def add(api, *beats):
    with api.database.transaction() as session:
        amphora_statistics.add(session, beats)


def stats(api, amphora_id):
    answer = api.call("GET", f"{PATH}/{amphora_id}/stats")
    assert answer.status == 200, answer.text
    return answer.body["amphora_stats"]


def test_statistics_are_what_heartbeats_brought(api, lb):
    one = make_ours(api, lb["id"], 1)
    other = make_ours(api, lb["id"], 2)
    assert stats(api, one) == []

    add(
        api,
        beat(one, LISTENERS[0], bytes_in=5, bytes_out=7, active_connections=3),
        beat(one, LISTENERS[0], bytes_in=1, active_connections=2),
        beat(other, LISTENERS[0], bytes_in=100, total_connections=1),
    )
    add(api, beat(one, LISTENERS[0], request_errors=1, total_connections=4))
    add(api, beat(one, LISTENERS[1], bytes_out=2**40, active_connections=1))

    assert stats(api, one) == [
        {
            "id": one,
            "loadbalancer_id": lb["id"],
            "listener_id": LISTENERS[0],
            "bytes_in": 6,
            "bytes_out": 7,
            "active_connections": 0,
            "total_connections": 4,
            "request_errors": 1,
        },
        {
            "id": one,
            "loadbalancer_id": lb["id"],
            "listener_id": LISTENERS[1],
            "bytes_in": 0,
            "bytes_out": 2**40,
            "active_connections": 1,
            "total_connections": 0,
            "request_errors": 0,
        },
    ]
    assert [s["bytes_in"] for s in stats(api, other)] == [100]


def test_what_failed_is_known_once_an_image_counts_it(api, lb):
    """Octavia's answer does not have it: it is for fleet changes."""
    one = make_ours(api, lb["id"], 1)

    def failed(*counts):
        beats = [
            beat(one, LISTENERS[0], total_connections=1, failed_requests=count)
            for count in counts
        ]
        add(api, *beats)
        with api.database.transaction() as session:
            key = one, LISTENERS[0]
            return session.get(AmphoraListenerStatistics, key).failed_requests

    assert failed(None) is None
    assert failed(None, None) is None
    assert failed(0) == 0
    assert failed(3, None, 2) == 5
    assert failed(None) == 5
    assert "failed_requests" not in stats(api, one)[0]


def test_statistics_of_an_idle_amphora_are_not_written_again(api, lb):
    one = make_ours(api, lb["id"], 1)
    add(api, beat(one, LISTENERS[0]))
    statements = []

    def count(connection, cursor, statement, *_):
        statements.append(statement.split()[0])

    event.listen(Engine, "before_cursor_execute", count)
    try:
        add(api, beat(one, LISTENERS[0]))
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert "UPDATE" not in statements
    assert "INSERT" not in statements


def test_statistics_go_with_the_amphora(api, lb):
    one = make_ours(api, lb["id"], 1)
    add(api, beat(one, LISTENERS[0], bytes_in=1))
    with api.database.transaction() as session:
        amphorae.mark_deleted(session, one, START)
    add(api, beat(one, LISTENERS[0], bytes_in=1))  # it was on its way
    with api.database.transaction() as session:
        assert amphora_statistics.list_for(session, one) == []


# Octavia's own


def test_what_concerns_octavias_is_octavias(api, stock_lb, casts):
    failing = make_stock(stock_lb["id"], 1, status="ERROR")
    busy = make_stock(stock_lb["id"], 2)
    session = octavia_db.get_session()
    with session.begin():
        session.add(
            models.ListenerStatistics(
                listener_id=LISTENERS[0],
                amphora_id=busy,
                bytes_in=1,
                bytes_out=2,
                active_connections=3,
                total_connections=4,
                request_errors=5,
            )
        )

    assert api.call("PUT", f"{PATH}/{busy}/config").status == 202
    assert api.call("PUT", f"{PATH}/{busy}/failover").status == 202
    assert casts == [
        ("update_amphora_agent_config", {"amphora_id": busy}),
        ("failover_amphora", {"amphora_id": busy}),
    ]
    assert status_of(api, stock_lb) == "PENDING_UPDATE"
    assert [s["total_connections"] for s in stats(api, busy)] == [4]
    # Its client is made with the application, so the cast is not seen here.
    assert api.call("DELETE", f"{PATH}/{failing}").status == 204
    assert api.call("DELETE", f"{PATH}/{busy}").status == 409
    shown = api.call("GET", f"{PATH}/{failing}").body["amphora"]
    assert shown["status"] == "PENDING_DELETE"
