# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Lists of our resources: filters, order, pages, fields, and what they cost.

Paths come from what agents report; the reports are written by the test.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from sqlalchemy import event

from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    PathReport,
    PathState,
    Report,
    SessionReport,
)
from octavia_anycast.testing import samples

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
HOST = "http://localhost"
LB = "51c7a1f2-0000-4000-8000-000000000001"


def listed(api, path, status=200):
    answer = api.call("GET", path)
    assert answer.status == status, answer.text
    (items,) = (v for k, v in answer.body.items() if not k.endswith("_links"))
    return items


def links(api, path):
    answer = api.call("GET", path)
    (found,) = (v for k, v in answer.body.items() if k.endswith("_links"))
    return {link["rel"]: link["href"].removeprefix(HOST) for link in found}


def names(items):
    return "".join(item["name"] for item in items)


@pytest.fixture
def three(api):
    for name, text, version in (
        ("b", "old", 4),
        ("c", "new", 6),
        ("a", "old", 4),
    ):
        speaker = samples.speaker(ip_version=version, peers=[])
        api.create(
            DISTRIBUTORS,
            samples.distributor(
                name=name, description=text, speakers=[speaker]
            ),
        )
        api.create(
            PEERS,
            {
                "bgp_peer": samples.peer(
                    name=name,
                    med=None if text == "old" else 7,
                    availability_zone=text,
                )
            },
        )
    return api


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        (DISTRIBUTORS, "", "bca"),
        (DISTRIBUTORS, "name=c", "c"),
        (DISTRIBUTORS, "description=old", "ba"),
        (DISTRIBUTORS, "description=old&name=b", "b"),
        (DISTRIBUTORS, "name=b&name=c", "bc"),
        (DISTRIBUTORS, "name=%F0%9F%95%B8", ""),
        (DISTRIBUTORS, "is_default=false", "bca"),
        (DISTRIBUTORS, "is_default=True", ""),
        (DISTRIBUTORS, "provisioning_status=PENDING_CREATE", "bca"),
        (DISTRIBUTORS, "provisioning_status=ACTIVE", ""),
        (DISTRIBUTORS, "created_at=2001-01-01T00:00:00", ""),
        (DISTRIBUTORS, "enabled=true&limit=2", "bc"),
        (DISTRIBUTORS, "sort=name", "abc"),
        (DISTRIBUTORS, "sort=name:desc", "cba"),
        (DISTRIBUTORS, "sort=description:desc,name:asc", "abc"),
        (DISTRIBUTORS, "sort_key=name&sort_dir=desc&limit=1", "c"),
        (DISTRIBUTORS, "sort=is_default,name", "abc"),
        (DISTRIBUTORS, "limit=0", "bca"),
        (PEERS, "", "bca"),
        (PEERS, "name=a", "a"),
        (PEERS, "med=7", "c"),
        (PEERS, "remote_as=65001&availability_zone=old", "ba"),
        (PEERS, "peer_ip=172.31.0.11", "bca"),
        (PEERS, "peer_ip=::1", ""),
        (PEERS, "sort=med,name", "abc"),
        (PEERS, "sort=med:desc,name:desc", "cba"),
    ],
)
def test_list_is_filtered_sorted_and_limited(three, path, query, wanted):
    assert names(listed(three, f"{path}?{query}")) == wanted


def test_speakers_are_found_by_their_distributor(three):
    for distributor in listed(three, DISTRIBUTORS):
        (found,) = listed(
            three, f"{SPEAKERS}?distributor_id={distributor['id']}"
        )
        assert found["distributor_id"] == distributor["id"]
        assert found["id"] == distributor["speakers"][0]["id"]
    assert len(listed(three, f"{SPEAKERS}?ip_version=4")) == 2
    assert len(listed(three, f"{SPEAKERS}?local_as=1")) == 0


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        (DISTRIBUTORS, "color=red", "color"),
        (DISTRIBUTORS, "speakers=x", "speakers"),
        (DISTRIBUTORS, "is_default=maybe", "is_default"),
        (DISTRIBUTORS, "created_at=yesterday", "created_at"),
        (DISTRIBUTORS, "created_at=9999-12-31T23:59:59", "created_at"),
        (DISTRIBUTORS, "created_at=0001-01-01T00:00:00%2B14:00", "created_at"),
        (DISTRIBUTORS, "sort=color", "color"),
        (DISTRIBUTORS, "sort=name:up", "up"),
        (DISTRIBUTORS, "sort=a:b:c", "a"),
        (DISTRIBUTORS, "limit=many", "many"),
        (DISTRIBUTORS, "marker=nobody", "nobody"),
        (PEERS, "password=x", "password"),
        (PEERS, "sort=password", "password"),
        (PEERS, "remote_as=x", "remote_as"),
        (PEERS, "remote_as=99999999999999999999", "remote_as"),
        (PEERS, "peer_ip=leaf1", "peer_ip"),
        (SPEAKERS, "ip_version=four", "ip_version"),
        (SPEAKERS, "marker=", "marker"),
    ],
)
def test_bad_queries_are_refused(three, path, query, named):
    answer = three.call("GET", f"{path}?{query}")

    assert answer.status == 400, answer.text
    assert named in answer.text  # Octavia's own hook answers without fault


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (DISTRIBUTORS, ""),
        (DISTRIBUTORS, "&sort=description:desc,name"),
        (DISTRIBUTORS, "&enabled=true&sort_key=name&sort_dir=desc"),
        (DISTRIBUTORS, "&sort=enabled:desc,is_default,name"),
        (DISTRIBUTORS, "&sort=created_at:desc"),
        (PEERS, "&sort=peer_ip,name:desc"),
        (PEERS, "&sort=med"),
        (PEERS, "&sort=med:desc"),
        (PEERS, "&sort=local_pref:desc,med"),
        (SPEAKERS, "&sort=ip_version:desc"),
    ],
)
def test_pages_lead_through_the_list_and_back(three, path, query):
    whole = listed(three, f"{path}?limit=10{query}")
    first = f"{path}?limit=1{query}"
    there, back = [], []

    page = first
    while page:
        found = listed(three, page)
        there += found
        last, page = page, links(three, page).get("next")
    assert there == whole
    assert len(whole) == 3
    # The last link of all leads to an empty page, as in Octavia.
    assert found == []
    page = f"{path}?limit=1{query}&marker={whole[-1]['id']}&page_reverse=True"
    while page:
        found = listed(three, page)
        back = found + back
        page = links(three, page).get("previous") if found else None
    assert back == whole[:-1]
    assert last


def test_links_keep_the_filters(three):
    link = links(three, f"{DISTRIBUTORS}?description=old&limit=1")["next"]

    assert names(listed(three, link)) == "a"


def test_a_whole_list_has_no_links(three):
    assert links(three, DISTRIBUTORS) == {}


@pytest.mark.parametrize("path", [DISTRIBUTORS, PEERS])
def test_fields_select_attributes(three, path):
    for item in listed(three, f"{path}?fields=name&fields=id"):
        assert set(item) == {"name", "id"}
        one = three.call("GET", f"{path}/{item['id']}?fields=name").body
        assert list(one.values()) == [{"name": item["name"]}]


# -- paths ------------------------------------------------------------------

SINCE = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def report_of(amphora_id, peer_ids, vips, state=PathState.ADVERTISED):
    return Report(
        amphora_id=amphora_id,
        digest="",
        revision="",
        gate=GateReport(state=GateState.UP, reason="", since=SINCE),
        speaker_is_running=True,
        frontend_is_up=True,
        sessions=tuple(
            SessionReport(
                peer_id=peer_id,
                peer_ip=ip_address("172.31.0.11"),
                state=SessionState.ESTABLISHED,
                since=SINCE,
            )
            for peer_id in peer_ids
        ),
        paths=tuple(
            PathReport(
                vip_ip=ip_address(vip),
                nexthop_ip=ip_address("10.1.0.5"),
                peer_id=peer_id,
                state=state,
                reason="" if state is PathState.ADVERTISED else "it drains",
            )
            for vip in vips
            for peer_id in peer_ids
        ),
    )


def store(api, distributor, amphora_id, vips, age=0.0, **changes):
    """Do as the controller does with an amphora and its report."""
    peer_ids = [p["id"] for s in distributor["speakers"] for p in s["peers"]]
    with api.database.transaction() as session:
        now = datetime.now(UTC)
        amphorae.create(
            session,
            AmphoraRecord(
                id=amphora_id,
                load_balancer_id=LB,
                status=AmphoraStatus.ALLOCATED,
                status_since=now,
            ),
        )
        registrations.register(
            session,
            amphora_id,
            load_balancer_id=LB,
            distributor_id=distributor["id"],
            speaker_ids=[],
        )
        reports.save(
            session,
            amphora_id,
            report_of(amphora_id, peer_ids, vips, **changes),
            now - timedelta(seconds=age),
        )


def amphora(number):
    return f"b7a1d2e0-0000-4000-8000-{number:012}"


@pytest.fixture
def fabric(api):
    return api.create(DISTRIBUTORS, samples.distributor())


@pytest.fixture
def paths(api, fabric):
    return f"{DISTRIBUTORS}/{fabric['id']}/paths"


def test_a_path_tells_all_that_is_known_of_it(api, fabric, paths):
    assert listed(api, paths) == []
    store(api, fabric, amphora(1), ["198.51.100.10"], age=7.5)

    (path,) = listed(api, paths)

    (speaker,) = fabric["speakers"]
    assert path.pop("id")
    assert path.pop("reported_at") > "2026"
    assert 7.5 <= path.pop("report_age") < 60
    assert path == {
        "amphora_id": amphora(1),
        "load_balancer_id": LB,
        "vip_address": "198.51.100.10",
        "prefix": "198.51.100.10/32",
        "next_hop": "10.1.0.5",
        "speaker_id": speaker["id"],
        "peer_id": speaker["peers"][0]["id"],
        "peer_name": "leaf1",
        "peer_ip": "172.31.0.11",
        "session_state": "Established",
        "session_since": "2026-11-22T20:00:00",
        "state": "advertised",
        "reason": "",
    }


def test_a_path_of_a_peer_that_is_gone_is_shown(api, fabric, paths):
    store(api, fabric, amphora(1), ["2001:db8::1"], state=PathState.DRAINING)
    api.settle()
    (speaker,) = fabric["speakers"]
    (peer,) = speaker["peers"]
    api.call("DELETE", f"{SPEAKERS}/{speaker['id']}/bgp-peers/{peer['id']}")

    (path,) = listed(api, paths)

    assert path["prefix"] == "2001:db8::1/128"
    assert (path["speaker_id"], path["peer_name"]) == (None, None)
    assert path["peer_id"] == peer["id"]
    assert (path["state"], path["reason"]) == ("draining", "it drains")


def test_paths_are_filtered_sorted_and_paged(api, fabric, paths):
    for number in (3, 1, 2):
        store(
            api,
            fabric,
            amphora(number),
            [f"198.51.100.{number}", "198.51.100.9"],
        )
    other = api.create(DISTRIBUTORS, samples.distributor())
    store(api, other, amphora(4), ["198.51.100.4"])

    whole = listed(api, paths)

    assert [p["amphora_id"][-1] for p in whole] == list("123123")
    assert [p["vip_address"][-1] for p in whole] == list("123999")
    one = listed(api, f"{paths}?amphora_id={amphora(2)}&sort=vip_address:desc")
    assert [p["vip_address"][-1] for p in one] == ["9", "2"]
    assert listed(api, f"{paths}?state=withdrawn") == []
    assert listed(api, f"{paths}?fields=state")[0] == {"state": "advertised"}
    page, found = f"{paths}?limit=4", []
    while page:
        found += listed(api, page)
        page = links(api, page).get("next")
    assert [p["id"] for p in found] == [p["id"] for p in whole]
    back = f"{paths}?limit=2&marker={whole[5]['id']}&page_reverse=True"
    assert [p["id"] for p in listed(api, back)] == [
        p["id"] for p in whole[3:5]
    ]
    for query in ("color=red", "sort=color", "marker=nobody"):
        assert api.call("GET", f"{paths}?{query}").status == 400


def test_paths_of_no_distributor_are_a_404(api):
    assert api.call("GET", f"{DISTRIBUTORS}/{LB}/paths").status == 404


# -- what it costs ----------------------------------------------------------


def queries_of(api, path):
    """How many statements a request makes, and how many items it answers."""
    found = []

    def count(*arguments):
        found.append(arguments[2])

    engine = api.database.engine()
    # The application has an engine of its own, of the same class.
    event.listen(type(engine), "before_cursor_execute", count)
    try:
        items = listed(api, path)
    finally:
        event.remove(type(engine), "before_cursor_execute", count)
    ours = [q for q in found if q.startswith("SELECT") and "anycast_" in q]
    return len(ours), len(items)


def fill(api, many):
    for number in range(many):
        made = api.create(
            DISTRIBUTORS,
            samples.distributor(
                name=str(number),
                speakers=[
                    samples.speaker(
                        peers=[
                            samples.peer(peer_ip=f"172.31.{number}.{leaf}")
                            for leaf in (1, 2)
                        ]
                    )
                ],
                zones=[{"availability_zone": zone} for zone in "ab"],
            ),
        )
    return made


@pytest.mark.parametrize("path", [DISTRIBUTORS, PEERS, SPEAKERS])
def test_a_list_takes_as_many_queries_however_long_it_is(api, path):
    fill(api, 2)
    few = queries_of(api, path)
    fill(api, 20)
    many = queries_of(api, path)
    page = queries_of(api, f"{path}?limit=5")

    assert few[1] < many[1]
    assert page[1] == 5
    assert few[0] == many[0] == page[0]
    assert 0 < many[0] <= 9


def test_paths_take_as_many_queries_however_many_they_are(api, fabric, paths):
    store(api, fabric, amphora(0), ["198.51.100.1"])
    few = queries_of(api, paths)
    for number in range(1, 30):
        store(
            api,
            fabric,
            amphora(number),
            [f"198.51.100.{last}" for last in range(10)],
        )
    many = queries_of(api, paths)

    assert (few[1], many[1]) == (1, 291)
    assert few[0] == many[0]
    assert 0 < many[0] <= 7
