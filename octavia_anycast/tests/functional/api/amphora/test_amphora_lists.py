# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The list of amphorae: Octavia's own and ours, merged."""

import pytest
from sqlalchemy import Engine, event

from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.amphora_rows import (
    PATH,
    UNKNOWN,
    listed,
    make_lb,
    make_ours,
    make_stock,
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


@pytest.fixture
def six(api, lb, stock_lb):
    """Ours and Octavia's, made by turns: a, B, c, D, e, F."""
    return [
        make(number)
        for number in (1, 2, 3)
        for make in (
            lambda n: make_ours(api, lb["id"], n),
            lambda n: make_stock(stock_lb["id"], n),
        )
    ]


def test_list_has_both_oldest_first(api, six):
    assert listed(api) == six


QUERIES = [
    ("role=MASTER", "BDF"),
    ("role=STANDALONE", "ace"),
    ("role=STANDALONE&role=MASTER", "aBcDeF"),
    ("status=ALLOCATED", "aBcDeF"),
    ("status=ERROR", ""),
    ("cached_zone=rack2", "c"),
    ("cached_zone=nova", "BDF"),
    ("compute_id=machine-3", "e"),
    ("lb_network_ip=172.31.1.3", "e"),
    ("lb_network_ip=172.31.2.3", "F"),
    ("vrrp_ip=10.1.0.2", "c"),
    ("frontend_ip=10.1.0.2", "c"),
    ("frontend_ip=10.2.0.2", "D"),
    ("service_type=combined", "ace"),
    ("frontend_interface=eth1", "ace"),
    ("cert_busy=false", "aBcDeF"),
    ("cert_busy=true", ""),
    ("ha_ip=198.51.100.200", "BDF"),
    ("ha_ip=192.0.2.9", ""),
    ("created_at=2026-11-22T12:04:00", "c"),
    ("cert_expiration=2026-12-22T12:00:00", "ace"),
    ("cert_expiration=2026-12-22T12:00:01", ""),
    ("sort=created_at:desc", "FeDcBa"),
    ("sort=cached_zone,id", "BDFace"),
    ("sort=cached_zone:desc,id", "ecaBDF"),
    ("sort=role:desc", "aceBDF"),
    ("sort_key=lb_network_ip&sort_dir=desc", "FDBeca"),
    ("limit=3", "aBc"),
    ("limit=0", "aBcDeF"),
    ("role=MASTER&limit=2", "BD"),
]


def letters(six, ids):
    return "".join("aBcDeF"[six.index(one)] for one in ids)


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_list_is_filtered_sorted_and_limited(api, six, query, expected):
    assert letters(six, listed(api, f"?{query}")) == expected


def test_list_is_filtered_by_load_balancer_and_project(api, six, lb, stock_lb):
    def found(query):
        return letters(six, listed(api, f"?{query}"))

    assert found(f"loadbalancer_id={lb['id']}") == "ace"
    assert found(f"loadbalancer_id={stock_lb['id']}") == "BDF"
    assert found(f"project_id={api.project_id}") == "aBcDeF"
    assert found("project_id=nobody") == ""
    assert found(f"ha_ip={lb['vip_address']}") == "ace"
    assert found(f"ha_port_id={lb['vip_port_id']}") == "ace"


def walk(api, query, way):
    """The pages from a query on, as the links lead."""
    pages = []
    path = f"{PATH}?{query}"
    while path:
        answer = api.call("GET", path.removeprefix("http://localhost"))
        assert answer.status == 200, answer.text
        ids = [one["id"] for one in answer.body["amphorae"]]
        if not ids:
            break
        pages.append(ids)
        links = {x["rel"]: x["href"] for x in answer.body["amphorae_links"]}
        path = links.get(way)
    return pages


@pytest.mark.parametrize(
    "order", ["", "&sort=cached_zone:desc", "&sort=cert_busy,role:desc"]
)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_lead_through_both_and_back(api, six, order, limit):
    whole = listed(api, f"?{order}")
    assert len(whole) == 6
    query = f"limit={limit}{order}"

    forward = walk(api, query, "next")
    back = walk(
        api, f"{query}&marker={whole[-1]}&page_reverse=True", "previous"
    )

    assert [one for page in forward for one in page] == whole
    assert [one for page in reversed(back) for one in page] == whole[:-1]
    assert {len(page) for page in forward[:-1]} <= {limit}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_marker_of_either_kind(api, six, reverse):
    for at, marker in enumerate(six):
        query = f"?marker={marker}&page_reverse={reverse}&limit=2"
        expected = six[max(0, at - 2) : at] if reverse else six[at + 1 :][:2]
        assert listed(api, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "color=red",
        "sort=color",
        "sort=id:up",
        "limit=many",
        f"marker={UNKNOWN}",
        "marker=x",
        "cert_busy=maybe",
        "vrrp_id=x",
        "vrrp_id=99999999999999999999999",
        "created_at=yesterday",
        "of_vips=x",
    ],
)
def test_bad_queries_are_refused(api, six, query):
    answer = api.call("GET", f"{PATH}?{query}")

    assert answer.status == 400, answer.text


def test_fields(api, six):
    answer = api.call("GET", f"{PATH}?fields=id&fields=frontend_ip")
    one = api.call("GET", f"{PATH}/{six[0]}?fields=status")

    assert {tuple(sorted(a)) for a in answer.body["amphorae"]} == {
        ("frontend_ip", "id")
    }
    assert one.body == {"amphora": {"status": "ALLOCATED"}}


def count_queries(api, query=""):
    statements = []

    def count(connection, cursor, statement, *_):
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        listed(api, query)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return len(statements)


def test_a_page_costs_the_same_however_many_there_are(api, six, lb, stock_lb):
    few = count_queries(api, "?limit=100")
    for number in range(4, 30):
        make_ours(api, lb["id"], number)
        make_stock(stock_lb["id"], number)

    assert count_queries(api, "?limit=100") == few <= 5
