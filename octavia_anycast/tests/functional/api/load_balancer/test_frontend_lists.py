# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers listed by what they chose; their clusters."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from octavia.db import api as octavia_db
from oslo_config import cfg
from sqlalchemy import Engine, event

from octavia_anycast import options
from octavia_anycast.api.load_balancer import (
    BALANCER,
    LoadBalancersController,
)
from octavia_anycast.db import schema
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Report,
)
from octavia_anycast.tests.functional.amphora_rows import START, make_ours
from octavia_anycast.tests.functional.balancers import (
    LBS,
    OTHER_PROJECT,
    UNKNOWN,
    chosen,
    made,
    post,
)

# Lists


@pytest.fixture
def four(api, vip, front, other):
    """Two plain ones, one with a front end, one of another provider."""
    return [
        made(post(api, vip, **attributes))
        for attributes in (
            {"name": "a"},
            {"name": "b", "distributor_id": other["id"]},
            {"name": "c", "frontend_subnet_id": front[1][0]},
            {"name": "d", "provider": "noop_driver"},
        )
    ]


def names(answer):
    assert answer.status == 200, answer.text
    return "".join(lb["name"] for lb in answer.body["loadbalancers"])


def test_list_shows_them(api, four):
    answer = api.call("GET", f"{LBS}?sort=name")

    listed = answer.body["loadbalancers"]
    assert [chosen(lb) for lb in listed] == [chosen(lb) for lb in four]


def test_list_is_filtered_by_them(api, four, front, other, default):
    def listed(query):
        return names(api.call("GET", f"{LBS}?sort=name&{query}"))

    assert listed(f"distributor_id={other['id']}") == "b"
    assert listed(f"distributor_id={default['id']}") == "ac"
    assert (
        listed(f"distributor_id={default['id']}&distributor_id={other['id']}")
        == "abc"
    )
    assert listed(f"frontend_network_id={front[0]}") == "c"
    assert listed(f"frontend_subnet_id={front[1][0]}") == "c"
    assert listed(f"frontend_subnet_id={front[1][1]}") == ""
    assert listed(f"distributor_id={default['id']}&name=a") == "a"
    assert listed("frontend_network_id=nonsense") == ""
    assert listed(f"distributor_id={default['id']}&limit=1") == "a"
    assert api.call("GET", f"{LBS}?frontend_ip=x").status == 400


def test_fields_select_them(api, four):
    one = api.call("GET", f"{LBS}/{four[2]['id']}?fields=frontend_subnet_id")
    many = api.call("GET", f"{LBS}?fields=distributor_id&fields=id")

    assert one.body["loadbalancer"] == {
        "frontend_subnet_id": four[2]["frontend_subnet_id"]
    }
    assert all(
        set(lb) == {"distributor_id", "id"}
        for lb in many.body["loadbalancers"]
    )


def test_projects_see_their_own_only(api, vip, four, other):
    with api.authenticated():
        answer = api.call(
            "GET",
            f"{LBS}?distributor_id={other['id']}",
            headers={
                "X-Roles": "member",
                "X-User-Id": "somebody",
                "X-Project-Id": OTHER_PROJECT,
            },
        )

    assert names(answer) == ""


def test_a_page_costs_one_query_of_ours(api, vip, four):
    counted = []

    def count(connection, cursor, statement, *_):
        if "anycast_cluster" in statement:
            counted.append(statement)

    # Of every engine: the API has one of its own, on the same file.
    event.listen(Engine, "before_cursor_execute", count)
    try:
        api.call("GET", LBS)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(counted) == 1
    assert "IN (" in counted[0]


def test_within_octavias_transaction_if_the_database_is_one(api, vip, other):
    """As deployed; the other tests have two databases, for SQLite's sake."""
    made(post(api, vip, distributor_id=other["id"]))
    with api.database.transaction() as session:
        (record,) = clusters.list_all(session)
    engine = octavia_db.get_engine()
    schema.METADATA.create_all(engine)
    with octavia_db.session().begin() as session:
        distributors.create(
            session, Distributor(id=other["id"]), WithoutPasswords()
        )
        clusters.create(session, record)
    controller = LoadBalancersController(
        api.database, options.read(cfg.CONF), is_shared=True
    )
    response = BALANCER.type(id=record.load_balancer_id, provider="anycast")
    counted = []

    def count(connection, *_):
        counted.append(connection.engine.url)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        with octavia_db.session().begin() as session:
            controller._add_choices([response], session)
    finally:
        event.remove(Engine, "before_cursor_execute", count)

    assert response.distributor_id == other["id"]
    assert set(counted) == {engine.url}


# The cluster


def cluster_of(api, load_balancer, headers=None):
    return api.call(
        "GET", f"{LBS}/{load_balancer['id']}/cluster", headers=headers
    )


def test_the_cluster_is_shown(api, vip, front, default):
    created = made(post(api, vip, frontend_subnet_id=front[1][0]))

    answer = cluster_of(api, created)

    assert answer.status == 200, answer.text
    assert answer.body == {
        "cluster": {
            "load_balancer_id": created["id"],
            "distributor_id": default["id"],
            "frontend_network_id": front[0],
            "frontend_subnet_id": front[1][0],
            "desired_size": 2,
            "min_size": 1,
            "max_size": 8,
            "cooldown": 0,
            "enabled": True,
            "spare_count": 0,
            "flow_rescue": True,
            "autoscale": None,
            "scaled_at": None,
            "scaling_reason": "",
            "cluster_type": "ACTIVE_ACTIVE",
            "provisioning_status": "PENDING_CREATE",
            "operating_status": "OFFLINE",
            "reason": "",
            "config_revision": "",
            "amphora_count": 0,
            "stand_in_count": 0,
            "announcing_count": 0,
            "amphorae": [],
        }
    }


@pytest.mark.parametrize(
    ("age", "state", "announcing"),
    [
        (1, PathState.ADVERTISED, True),
        (1, PathState.DRAINING, True),
        (1, PathState.PENDING, False),
        (3600, PathState.ADVERTISED, False),
    ],
)
def test_what_the_agents_reported_last_counts(
    api, vip, default, age, state, announcing
):
    created = made(post(api, vip))
    amphora_id = make_ours(api, created["id"], 1)
    address = ip_address(created["vip_address"])
    report = Report(
        amphora_id=amphora_id,
        digest="",
        revision="",
        gate=GateReport(state=GateState.UP, reason="", since=START),
        speaker_is_running=True,
        frontend_is_up=True,
        paths=(
            PathReport(
                vip_ip=address,
                nexthop_ip=ip_address("10.1.0.1"),
                peer_id="leaf1",
                state=state,
                reason="",
            ),
        ),
    )
    reported_at = datetime.now(UTC) - timedelta(seconds=age)
    with api.database.transaction() as session:
        registrations.register(
            session,
            amphora_id,
            load_balancer_id=created["id"],
            distributor_id=default["id"],
            speaker_ids=(),
        )
        assert reports.save(session, amphora_id, report, reported_at)

    cluster = cluster_of(api, created).body["cluster"]

    assert cluster["amphora_count"] == 1
    assert cluster["announcing_count"] == int(announcing)
    assert cluster["amphorae"] == [
        {
            "id": amphora_id,
            "status": "ALLOCATED",
            "availability_zone": "rack1",
            "frontend_ip": "10.1.0.1",
            "applied_revision": "r1",
            "announcing": announcing,
            "spare": False,
            "flow_rescue": None,
        }
    ]


def test_stand_ins_are_counted_apart(api, vip, default):
    """Each is one more than are wanted, as long as the other one stays."""
    created = made(post(api, vip))
    drained = make_ours(api, created["id"], 1)
    make_ours(api, created["id"], 2)
    make_ours(api, created["id"], 3)
    with api.database.transaction() as session:
        amphorae.update(session, drained, stand_in_wanted=True)

    cluster = cluster_of(api, created).body["cluster"]

    assert cluster["amphora_count"] == 3
    assert cluster["stand_in_count"] == 1
    assert cluster["desired_size"] == 2


CLUSTER_ROLES = [
    # (headers, status, whether amphorae are shown)
    ({"X-Roles": "admin"}, 200, True),
    ({"X-Roles": "member"}, 200, False),
    ({"X-Roles": "reader"}, 200, False),
    ({"X-Roles": "nobody"}, 403, False),
    ({"X-Roles": "member", "X-Project-Id": OTHER_PROJECT}, 403, False),
]


@pytest.mark.parametrize(("headers", "status", "sees"), CLUSTER_ROLES)
def test_roles_of_the_cluster(api, vip, default, headers, status, sees):
    created = made(post(api, vip))
    with api.authenticated():
        answer = cluster_of(api, created, {"X-User-Id": "one"} | headers)

    assert answer.status == status
    if status == 200:
        assert ("amphorae" in answer.body["cluster"]) is sees
        assert answer.body["cluster"]["amphora_count"] == 0


def test_there_is_no_cluster_where_there_is_none(api, vip, default):
    stock = made(post(api, vip, provider="noop_driver"))

    assert cluster_of(api, stock).status == 404
    assert cluster_of(api, {"id": UNKNOWN}).status == 404
    assert cluster_of(api, {"id": "x"}).status == 404
    with api.database.transaction() as session:
        assert amphorae.list_all(session) == []


def test_what_octavia_has_below_a_load_balancer_stays(api, vip, default):
    created = made(post(api, vip))

    for below in ("status", "statuses", "stats"):
        assert api.call("GET", f"{LBS}/{created['id']}/{below}").status == 200


def test_the_other_path_of_octavia_serves_them_too(api, vip, default):
    created = made(post(api, vip))

    answer = api.call("GET", f"/v2/loadbalancers/{created['id']}")

    assert chosen(answer.body["loadbalancer"]) == chosen(created)
