# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Lists of events: of a load balancer, of a distributor, for whom."""

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.api import event
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.monitoring.event import Event, EventKind, Owner
from octavia_anycast.testing.api_server import PROJECT_ID
from octavia_anycast.tests.functional.balancers import (
    DISTRIBUTORS,
    LBS,
    OTHER_PROJECT,
    UNKNOWN,
)

NOW = datetime(2026, 11, 30, 12, 0, 0, 250, tzinfo=UTC)
AMPHORA, OTHER_AMPHORA, PEER = (str(uuid.UUID(int=n)) for n in (1, 2, 3))
LEAF = "172.31.0.11"
TENANT = {"X-Roles": "member,reader", "X-Project-Id": PROJECT_ID}
STRANGER = {"X-Roles": "member,reader", "X-Project-Id": OTHER_PROJECT}
OPERATOR = {"X-Roles": "admin", "X-Project-Id": OTHER_PROJECT}


def happened(balancer, distributor):
    """Four events of one load balancer, and one of the distributor's own."""
    owner = Owner(
        distributor_id=distributor["id"],
        load_balancer_id=balancer["id"],
        project_id=PROJECT_ID,
    )
    about = Event(
        kind=EventKind.SCALE,
        at=NOW,
        owner=owner,
        from_state="2",
        to_state="3",
        cause="its size was changed",
    )
    of_amphora = replace(
        about, amphora_id=AMPHORA, availability_zone="rack1", cause="because"
    )
    return [
        about,
        replace(
            of_amphora,
            kind=EventKind.SESSION_DOWN,
            at=NOW + timedelta(seconds=1),
            peer_id=PEER,
            peer_ip=ip_address(LEAF),
            cause=f"{LEAF}: Hold timer expired",
        ),
        replace(
            of_amphora,
            kind=EventKind.GATE_CLOSED,
            at=NOW + timedelta(seconds=2),
            cause="process: haproxy",
        ),
        replace(
            of_amphora,
            kind=EventKind.DRAIN_BEGIN,
            at=NOW + timedelta(seconds=3),
            amphora_id=OTHER_AMPHORA,
        ),
        replace(
            of_amphora,
            owner=Owner(distributor_id=distributor["id"]),
            kind=EventKind.AMPHORA_PHASE,
            at=NOW + timedelta(seconds=4),
        ),
    ]


@pytest.fixture
def place(api, fabric, load_balancer):
    """The API with these; the paths of the two lists."""
    with api.database.transaction() as session:
        events.add(session, happened(load_balancer, fabric))
    return (
        api,
        f"{LBS}/{load_balancer['id']}/events",
        f"{DISTRIBUTORS}/{fabric['id']}/events",
    )


def kinds(answer):
    assert answer.status == 200, answer.text
    return [event["kind"] for event in answer.body["events"]]


def test_the_newest_comes_first(place):
    api, of_balancer, of_distributor = place
    of_one = ["drain.begin", "gate.closed", "session.down", "scale"]
    assert kinds(api.call("GET", of_balancer)) == of_one
    assert kinds(api.call("GET", of_distributor)) == ["amphora.phase", *of_one]
    asked = api.call("GET", f"{of_balancer}?sort=created_at:asc")
    assert kinds(asked) == of_one[::-1]


def test_an_event_is_shown_whole(place, load_balancer, fabric):
    api, of_balancer, _ = place
    answer = api.call("GET", f"{of_balancer}?kind=session.down")
    (event,) = answer.body["events"]
    assert event.pop("id")
    assert event == {
        "created_at": "2026-11-30T12:00:01.000250",
        "kind": "session.down",
        "load_balancer_id": load_balancer["id"],
        "distributor_id": fabric["id"],
        "amphora_id": AMPHORA,
        "availability_zone": "rack1",
        "peer_id": PEER,
        "peer_ip": LEAF,
        "from_state": "2",
        "to_state": "3",
        "cause": f"{LEAF}: Hold timer expired",
        "change_count": 1,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=scale", ["scale"]),
        ("kind=scale&kind=drain.begin", ["drain.begin", "scale"]),
        (f"amphora_id={OTHER_AMPHORA}", ["drain.begin"]),
        (f"peer_ip={LEAF}", ["session.down"]),
        ("availability_zone=rack2", []),
        ("to_state=3&kind=scale", ["scale"]),
        ("since=2026-11-30T12:00:02", ["drain.begin", "gate.closed"]),
        ("until=2026-11-30T12:00:01", ["scale"]),
        (
            "since=2026-11-30T12:00:01&until=2026-11-30T12:00:03Z",
            ["gate.closed", "session.down"],
        ),
        ("since=2026-11-30T13:00:02%2B01:00", ["drain.begin", "gate.closed"]),
        ("fields=kind&kind=scale", ["scale"]),
    ],
)
def test_filters(place, query, expected):
    api, of_balancer, _ = place
    assert kinds(api.call("GET", f"{of_balancer}?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("kind=reboot", "kind: 'reboot' is none of amphora.phase, "),
        ("amphora_id=7", "amphora_id: '7' is no UUID"),
        ("since=yesterday", "since: 'yesterday' is no time such as 2026-"),
        ("until=9999-12-31", "until: '9999-12-31' is no time such as 2026-"),
        (
            "since=2026-11-30&since=2026-11-29",
            "since: it is given more than once",
        ),
        (
            "since=2026-11-30&until=2026-11-30",
            "until: it is not later than since",
        ),
        ("cause=because", "cause: the list cannot be filtered by it"),
        ("peer_ip=leaf1", "peer_ip: 'leaf1' cannot be its value"),
        ("sort=cause", "sort: there is no attribute 'cause'"),
        (f"marker={UNKNOWN}", f"marker: there is no '{UNKNOWN}' in the list"),
    ],
)
def test_a_bad_filter_is_named(place, query, sentence):
    for path in place[1:]:
        answer = place[0].call("GET", f"{path}?{query}")
        assert answer.status == 400, answer.text
        assert sentence in answer.fault


def test_pages(place):
    api, of_balancer, _ = place
    seen, path = [], f"{of_balancer}?limit=3"
    for count in (3, 1):
        answer = api.call("GET", path)
        seen += kinds(answer)
        assert len(answer.body["events"]) == count
        marker = answer.body["events"][-1]["id"]
        path = f"{of_balancer}?limit=3&marker={marker}"
    assert seen == ["drain.begin", "gate.closed", "session.down", "scale"]
    back = api.call("GET", f"{path}&page_reverse=True")
    assert kinds(back) == seen[:3]
    (link,) = [
        one
        for one in api.call("GET", f"{of_balancer}?limit=3").body[
            "events_links"
        ]
        if one["rel"] == "next"
    ]
    assert "limit=3" in link["href"]


def test_the_user_sees_nothing_of_the_operators(place):
    api, of_balancer, _ = place
    with api.authenticated():
        answer = api.call("GET", of_balancer, None, TENANT)
    assert kinds(answer) == ["drain.begin", "gate.closed", "scale"]
    assert LEAF not in answer.text
    assert PEER not in answer.text
    assert "haproxy" not in answer.text
    assert not re.search(f"{AMPHORA}|{OTHER_AMPHORA}|rack1", answer.text)
    assert "because" not in answer.text
    assert [event["cause"] for event in answer.body["events"]] == [
        None,
        None,
        "its size was changed",
    ]


def test_the_operator_sees_it(place):
    """The control of the test above."""
    api, of_balancer, of_distributor = place
    with api.authenticated():
        for path in (of_balancer, of_distributor):
            answer = api.call("GET", path, None, OPERATOR)
            assert "session.down" in kinds(answer)
            assert LEAF in answer.text
            assert "haproxy" in answer.text
            assert "because" in answer.text
            assert AMPHORA in answer.text
            assert "rack1" in answer.text


def test_amphorae_have_a_rule_of_their_own(place, monkeypatch):
    """Whoever may see all but amphorae, as in the load balancer's cluster."""
    api, of_balancer, _ = place
    rule = event.CALLS["get_all"].rule
    monkeypatch.setattr(event, "SEE_DETAILS", rule)
    with api.authenticated():
        answer = api.call("GET", of_balancer, None, TENANT)
    assert LEAF in answer.text
    assert "haproxy" in answer.text
    assert not re.search(f"{AMPHORA}|{OTHER_AMPHORA}|rack1", answer.text)
    monkeypatch.setattr(event, "SEE_AMPHORAE", rule)
    with api.authenticated():
        shown = api.call("GET", of_balancer, None, TENANT)
    assert AMPHORA in shown.text
    assert "rack1" in shown.text


@pytest.mark.parametrize(
    "query",
    [
        f"peer_ip={LEAF}",
        f"peer_id={PEER}",
        "sort=peer_ip",
        f"amphora_id={AMPHORA}",
        "availability_zone=rack1",
        "sort=availability_zone",
    ],
)
def test_the_user_cannot_guess_it_by_a_filter(place, query):
    api, of_balancer, _ = place
    with api.authenticated():
        answer = api.call("GET", f"{of_balancer}?{query}", None, TENANT)
    assert answer.status == 400, answer.text
    assert LEAF not in answer.fault.replace(query, "")
    with api.authenticated():
        hidden = api.call(
            "GET", f"{of_balancer}?kind=session.down", None, TENANT
        )
    assert kinds(hidden) == []


def test_what_belongs_to_others_is_refused(place):
    api, of_balancer, of_distributor = place
    with api.authenticated():
        for headers, path in (
            (STRANGER, of_balancer),
            (STRANGER, of_distributor),
            (TENANT, of_distributor),
        ):
            answer = api.call("GET", path, None, headers)
            assert answer.status == 403, answer.text
            assert "events" not in answer.body


def test_what_is_not_there(place, vip):
    api, *_ = place
    for path in (f"{LBS}/{UNKNOWN}", f"{DISTRIBUTORS}/{UNKNOWN}"):
        answer = api.call("GET", f"{path}/events")
        assert answer.status == 404, answer.text
        assert UNKNOWN in answer.fault


def test_a_load_balancer_of_another_provider_has_none(place, vip):
    api, *_ = place
    body = {"vip_subnet_id": vip[1][0], "provider": "noop_driver"}
    made = api.create(LBS, {"loadbalancer": body})
    answer = api.call("GET", f"{LBS}/{made['id']}/events")
    assert answer.status == 404, answer.text
    assert made["id"] in answer.fault


def test_an_empty_list(api, load_balancer):
    assert kinds(api.call("GET", f"{LBS}/{load_balancer['id']}/events")) == []


def test_nothing_below_an_event_list(place):
    api, of_balancer, _ = place
    assert api.call("POST", of_balancer, {"event": {}}).status == 405
    assert api.call("GET", f"{of_balancer}/{UNKNOWN}").status == 405
