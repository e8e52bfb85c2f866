# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events, as the commands print them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.db.monitoring import events
from octavia_anycast.model.monitoring.event import Event, EventKind, Owner
from octavia_anycast.testing import octavia_rows

NOW = datetime(2026, 11, 30, 12, 0, 0, 250, tzinfo=UTC)
AMPHORA = "6e1a8bd0-0000-4000-8000-000000000001"


@pytest.fixture
def web(api, cloud, show, fabric, tor):
    """A load balancer with three events, the last one of a session."""
    network_id, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    cloud.name_network(network_id, "public")
    cloud.name_subnet(subnet_id, "public-v4")
    made = show(
        "create --provider anycast --vip-subnet-id public-v4 --name web",
        *("--distributor", "fabric"),
    )
    octavia_rows.settle()
    owner = Owner(distributor_id=fabric.id, load_balancer_id=made["id"])
    scale, gate, session = (
        Event(
            kind=kind,
            at=NOW + timedelta(seconds=number),
            owner=owner,
            from_state=before,
            to_state=after,
            cause=cause,
            amphora_id=AMPHORA if number else None,
            peer_id=tor["id"] if number == 2 else None,
            peer_ip=ip_address("192.0.2.1") if number == 2 else None,
        )
        for number, (kind, before, after, cause) in enumerate(
            (
                (EventKind.SCALE, "2", "3", "its size was changed"),
                (EventKind.GATE_CLOSED, "open", "closed", "process"),
                (EventKind.SESSION_DOWN, "up", "down", "Hold timer expired"),
            )
        )
    )
    with api.database.transaction() as stored:
        events.add(stored, [scale, gate, session])
    return made


def kinds(rows):
    return [row["kind"] for row in rows]


@pytest.mark.parametrize(
    "words", ["event list web", "distributor event list fabric"]
)
def test_lists_print_the_newest_first(web, show, words):
    rows = show(words)
    assert kinds(rows) == ["session.down", "gate.closed", "scale"]
    assert rows[0] == {
        "created_at": "2026-11-30T12:00:02.000250",
        "kind": "session.down",
        "amphora_id": AMPHORA,
        "peer_ip": "192.0.2.1",
        "from_state": "up",
        "to_state": "down",
        "cause": "Hold timer expired",
    }
    (first,) = show(f"{words} --long --kind scale")
    assert first["load_balancer_id"] == web["id"]
    assert first["change_count"] == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--kind scale --kind gate.closed", ["gate.closed", "scale"]),
        (f"--amphora {AMPHORA}", ["session.down", "gate.closed"]),
        ("--since 2026-11-30T12:00:02", ["session.down"]),
        ("--until 2026-11-30T12:00:01", ["scale"]),
        ("--limit 1", ["session.down"]),
        ("--sort created_at:asc --limit 1", ["scale"]),
    ],
)
def test_filters(web, show, options, expected):
    assert kinds(show(f"event list web {options}")) == expected


@pytest.mark.parametrize(
    "words", ["event list web", "distributor event list fabric"]
)
def test_a_list_without_a_limit_is_not_endless(api, web, fabric, show, words):
    owner = Owner(distributor_id=fabric.id, load_balancer_id=web["id"])
    with api.database.transaction() as stored:
        events.add(
            stored,
            [
                Event(
                    kind=EventKind.SCALE,
                    at=NOW - timedelta(seconds=number),
                    owner=owner,
                )
                for number in range(1, 101)
            ],
        )
    rows = show(words)
    assert len(rows) == 100
    assert kinds(rows)[:3] == ["session.down", "gate.closed", "scale"]
    assert len(show(f"{words} --limit 200")) == 103


def test_filters_of_a_distributor(web, show):
    words = "distributor event list fabric"
    assert kinds(show(f"{words} --peer tor-1")) == ["session.down"]
    assert len(show(f"{words} --load-balancer web")) == 3


def test_what_the_api_refuses_is_said(web, command):
    refused = command("event list web --since yesterday", code=1)
    assert "since: 'yesterday' is no time" in refused.err
    assert "(HTTP 400)" in refused.err
    unknown = command("event list nothing", code=1)
    assert "No load balancer found for nothing" in unknown.err
