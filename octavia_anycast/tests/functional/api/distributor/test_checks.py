# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributor-checks``: the doctor as its users see it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from oslo_config import fixture as config_fixture
from sqlalchemy import event, update
from sqlalchemy.engine import Engine

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.doctor import tables
from octavia_anycast.db.models import Amphora, AmphoraReport
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.testing.fakes.fake_network_proxy import (
    PROJECT_ID,
    FakeNetworkProxy,
)
from octavia_anycast.tests.functional.amphora_rows import make_lb, make_ours
from octavia_anycast.tests.unit.planning.doctor import healthy

PATH = "/v2/lbaas/distributor-checks"
UNKNOWN = "9f1c2a52-0000-4000-8000-00000000000f"


@pytest.fixture
def fabric(api):
    made = api.create(
        "/v2/lbaas/distributors", samples.distributor(is_default=True)
    )
    api.settle()
    return made


@pytest.fixture
def lb(api, fabric):
    """A load balancer with a listener and two amphorae without a fault."""
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    made = make_lb(api, subnet_id)
    add_listener(api, made["id"], 80)
    for number in (1, 2):
        amphora_id = make_ours(
            api,
            made["id"],
            number,
            availability_zone="rack1",
            cert_expiration=datetime.now(UTC) + timedelta(days=30),
        )
        say(api, fabric, amphora_id)
    return made


@pytest.fixture(autouse=True)
def proxy(api, monkeypatch):
    """Neutron with security groups, below the API's network driver."""
    made = FakeNetworkProxy()
    monkeypatch.setattr(api.neutron, "network_proxy", made, raising=False)
    monkeypatch.setattr(api.neutron, "project_id", PROJECT_ID, raising=False)
    return made


@pytest.fixture
def group(lb, proxy):
    """The load balancer's group, with all that it is to let in."""
    made = proxy.create_security_group(name=f"lb-{lb['id']}")
    for protocol, port, remote in (
        ("tcp", 80, None),
        ("tcp", 1025, made.id),
        ("17", 14789, made.id),
    ):
        proxy.create_security_group_rule(
            security_group_id=made.id,
            direction="ingress",
            ether_type="IPv4",
            protocol=protocol,
            port_range_min=port,
            port_range_max=port,
            remote_group_id=remote,
        )
    return made


def add_listener(api, load_balancer_id, port, **attributes):
    api.create(
        "/v2/lbaas/listeners",
        {
            "listener": {
                "name": "web-http",
                "loadbalancer_id": load_balancer_id,
                "protocol": "HTTP",
                "protocol_port": port,
            }
            | attributes
        },
    )
    octavia_rows.settle()


def say(api, fabric, amphora_id, **of_session):
    """Store the report and the heartbeat of an amphora.

    They are of later, so that they are not old, however long a test takes.
    """
    now = datetime.now(UTC) + timedelta(hours=1)
    peer_id = fabric["speakers"][0]["peers"][0]["id"]
    session = healthy.session(peer_id=peer_id, **{"bfd": None, **of_session})
    said = replace(
        healthy.report(),
        amphora_id=amphora_id,
        sessions=(session,),
        paths=tuple(
            replace(path, peer_id=peer_id) for path in healthy.report().paths
        ),
        machine=healthy.machine(clock=now, accepted={}, ttl_drops=0),
    )
    with api.database.transaction() as stored:
        reports.save(stored, amphora_id, said, now)
        heartbeat.touch(stored, amphora_id, now, is_beat=True)


def checks(api, query=""):
    answer = api.call("GET", f"{PATH}{query}")
    assert answer.status == 200, answer.text
    return answer.body["distributor_checks"]


def wrong(api, query=""):
    return [
        row
        for row in checks(api, query)
        if row["severity"] in ("warning", "error")
    ]


def test_a_healthy_cloud(api, fabric, group):
    assert wrong(api) == []
    rows = {row["check"]: row for row in checks(api)}
    assert rows["bgp-sessions"] == {
        "id": rows["bgp-sessions"]["id"],
        "check": "bgp-sessions",
        "severity": "ok",
        "distributor_id": fabric["id"],
        "load_balancer_id": None,
        "amphora_id": None,
        "peer_id": None,
        "count": 2,
        "summary": "",
        "reference": "doctor.html#bgp-sessions",
        "steps": [],
    }
    assert rows["security-groups"]["severity"] == "ok"
    assert rows["shares"]["severity"] == "unknown"
    assert {row["severity"] for row in rows.values()} == {"ok", "unknown"}


def test_a_session_that_is_down(api, fabric, lb, group):
    amphora_id = make_ours(api, lb["id"], 3, availability_zone="rack1")
    say(
        api,
        fabric,
        amphora_id,
        state=SessionState.ACTIVE,
        error="Received: Bad peer AS: 65100",
        ip_versions=None,
    )
    rows = {row["check"]: row for row in wrong(api)}
    found = rows["bgp-sessions"]
    assert found["severity"] == "error"
    assert found["amphora_id"] == amphora_id
    assert found["load_balancer_id"] == lb["id"]
    assert found["peer_id"] == fabric["speakers"][0]["peers"][0]["id"]
    assert "expects another one than 65100 from 172.31.1.3" in found["summary"]
    assert found["steps"][1] == {
        "place": "router leaf1 (FRR)",
        "command": "vtysh -c 'configure terminal' -c 'router bgp 65001' -c "
        "'neighbor GROUP remote-as 65100'",
    }


def test_a_rule_that_somebody_deleted(api, proxy, lb, group):
    (rule,) = (
        rule
        for rule in proxy.security_group_rules(security_group_id=group.id)
        if rule.port_range_min == 80
    )
    proxy.delete_security_group_rule(rule.id)
    (found,) = wrong(api)
    assert found["check"] == "security-groups"
    assert found["load_balancer_id"] == lb["id"]
    assert (
        "does not let in TCP 80 over IPv4 (listener web-http)"
        in (found["summary"])
    )


def test_a_group_that_is_gone(api, lb):
    (found,) = wrong(api)
    assert "does not exist" in found["summary"]


def test_a_load_balancer_that_is_being_changed_is_left_alone(api, lb):
    octavia_rows.set_status("loadbalancer", lb["id"], "PENDING_UPDATE")
    assert wrong(api) == []


def test_a_neutron_that_does_not_answer_is_no_fault(api, lb, monkeypatch):
    monkeypatch.setattr(api.neutron, "network_proxy", None)
    assert wrong(api) == []
    (found,) = checks(api, "?check=security-groups")
    assert found["severity"] == "unknown"
    assert "cannot list security groups" in found["summary"]


def test_no_default_distributor(api, bare):
    (found,) = wrong(api)
    assert found["check"] == "default-distributor"
    assert found["steps"][0]["command"] == (
        "openstack loadbalancer distributor set fabric --default --wait"
    )


def test_a_short_certificate_that_is_not_due_is_well(api, lb, group):
    """Of ten days, eight: it is replaced when five are left."""
    fresh = datetime.now(UTC) + timedelta(days=8)
    with api.database.transaction() as stored:
        stored.execute(update(Amphora).values(cert_expiration=fresh))
    assert [row["check"] for row in wrong(api)] == ["certificates"] * 2
    with config_fixture.Config() as conf:
        conf.config(group="certificates", cert_validity_time=10 * 86_400)
        assert wrong(api) == []


def test_of_one_distributor_others_are_not_told(api, fabric, lb, group):
    other = api.create(
        "/v2/lbaas/distributors", samples.distributor(name="other")
    )
    rows = checks(api, f"?distributor_id={other['id']}")
    assert [row for row in rows if row["check"] == "bgp-sessions"] == []
    rows = checks(api, f"?distributor_id={fabric['id']}&check=bgp-sessions")
    assert [row["count"] for row in rows] == [2]


def statements(api):
    """How many statements one look takes."""
    counted = []

    def count(_connection, _cursor, statement, *_):
        counted.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        checks(api)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return len(counted)


def test_statements_do_not_grow_with_load_balancers(api, lb):
    few = statements(api)
    _, (subnet_id,) = api.neutron.add_network("203.0.113.0/24")
    for _ in range(3):
        made = make_lb(api, subnet_id)
        for port in (80, 81):
            add_listener(api, made["id"], port, allowed_cidrs=["192.0.2.0/24"])
    rows = [row for row in wrong(api) if row["check"] == "security-groups"]
    assert len(rows) == 4
    assert statements(api) == few


def test_filters_pages_and_fields(api, group):
    assert len(checks(api, "?limit=2")) == 2
    first, second = checks(api, "?limit=2")
    assert checks(api, f"?marker={first['id']}&limit=1") == [second]
    assert {row["severity"] for row in checks(api, "?severity=ok")} == {"ok"}
    assert checks(api, "?limit=1&fields=check") == [
        {"check": "default-distributor"}
    ]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"?distributor_id={UNKNOWN}", 404, UNKNOWN),
        (
            f"?distributor_id={UNKNOWN}&distributor_id={UNKNOWN}",
            400,
            "given more than once",
        ),
        ("?colour=red", 400, "colour"),
    ],
)
def test_refused(api, query, status, words):
    answer = api.call("GET", f"{PATH}{query}")
    assert answer.status == status
    assert words in answer.text


def test_old_reports_say_only_that_they_are_old(api, fabric, lb, group):
    late = datetime.now(UTC) - timedelta(hours=1)
    amphora_id = make_ours(api, lb["id"], 3, availability_zone="rack1")
    with api.database.transaction() as stored:
        said = replace(healthy.report(), amphora_id=amphora_id)
        reports.save(stored, amphora_id, said, late)
    found = {
        row["check"] for row in wrong(api) if row["amphora_id"] == amphora_id
    }
    assert found <= {"agents", "certificates"}
    assert "agents" in found


def changed_at(api, lb):
    with api.database.transaction() as session:
        return clusters.get(session, lb["id"]).changed_at


def test_agents_that_answered_a_while_ago_are_asked_again(api, lb, fabric):
    """Whoever asks wants to know what is so now; twice in a row is once."""
    api.call("GET", PATH)
    assert changed_at(api, lb) is None, "they answered just now"
    answer_before(api, tables.LOOKED_AT_WITHIN)
    api.call("GET", f"{PATH}?distributor_id={fabric['id']}")
    asked = changed_at(api, lb)
    assert asked is not None
    api.call("GET", PATH)
    assert changed_at(api, lb) == asked


def test_other_distributors_agents_are_not_asked(api, lb):
    other = api.create("/v2/lbaas/distributors", samples.distributor())
    api.settle()
    answer_before(api, tables.LOOKED_AT_WITHIN)
    api.call("GET", f"{PATH}?distributor_id={other['id']}")
    assert changed_at(api, lb) is None


def answer_before(api, ago):
    with api.database.transaction() as session:
        session.execute(
            update(AmphoraReport).values(
                updated_at=datetime.now(UTC) - ago - timedelta(seconds=1)
            )
        )
