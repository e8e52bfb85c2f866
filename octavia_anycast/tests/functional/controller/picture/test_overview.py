# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The overview: each value, its bound, the number of its queries."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from octavia_anycast.controller.picture.document import (
    BYTES_MAX,
    cut,
    encoded,
)
from octavia_anycast.controller.picture.history import EVENTS_MAX, History
from octavia_anycast.controller.picture.overview import (
    PEERS_MAX,
    WORDS,
    Overview,
)
from octavia_anycast.controller.picture.rates import ConnectionRates
from octavia_anycast.db.monitoring.pictured import Counted
from octavia_anycast.model.monitoring.event import EventKind
from octavia_anycast.testing.planted_picture import (
    DISTRIBUTOR,
    PROJECTS,
    UP,
    PlantedAmphora,
    ago,
    id_of,
)
from octavia_anycast.tests.functional import deployment_rows
from octavia_anycast.tests.functional.controller.picture.conftest import (
    HOSTILE,
    racks,
)

ESTABLISHED = WORDS["sessions"].index("Established")
ACTIVE = WORDS["sessions"].index("Active")


def overview(planted):
    return Overview(planted.world, planted.shown).make()


@contextmanager
def counted_queries(planted):
    queries = []

    def count(*arguments):
        if "FROM" in arguments[2]:
            queries.append(arguments[2])

    engine = planted.database.engine()
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield queries
    finally:
        event.remove(engine, "before_cursor_execute", count)


def test_each_value(busy):
    found = overview(busy)
    web, mail = found["clusters"]
    assert web[:7] == [
        id_of("web1"),
        "web",
        0,
        ["198.51.100.2", "2001:db8:100::1"],
        "ACTIVE",
        "DEGRADED",
        4,
    ]
    assert found["projects"] == list(PROJECTS)
    assert mail[2] == 1
    assert found["peers"][0][1:] == [
        "leaf1",
        "172.31.0.1",
        "rack1",
    ]
    by_short = {row[0]: row for row in web[7]}
    fine, half, _, ill = (
        by_short[id_of(f"web{number}")[:8]] for number in range(1, 5)
    )
    zones = found["zones"]
    assert fine[1:] == [
        zones.index("rack1"),
        WORDS["phases"].index("serving"),
        WORDS["gates"].index("UP"),
        1 | 8,
        -1,
        [0, ESTABLISHED, 1, ESTABLISHED],
    ]
    assert half[6] == [0, ESTABLISHED, 1, ACTIVE]
    assert ill[2:5] == [
        WORDS["phases"].index("sick"),
        WORDS["gates"].index("DOWN"),
        8,
    ]
    assert found["totals"] == {"clusters": 2, "amphorae": 6}
    assert found["left_out"] == 0


def test_rows_in_many_states(planted):
    """Spares, drains, old reports, a distributor's own amphorae."""
    with planted.database.transaction() as session:
        deployment_rows.fill(session)
    at = deployment_rows.NOW
    planted.world.now = lambda: at
    found = overview(planted)
    rows = {row[0]: row for row in found["clusters"]}
    amphorae = {row[0]: row for one in rows.values() for row in one[7]}
    assert set(amphorae) == {f"a{n}" for n in range(1, 9)}
    assert amphorae["a3"][4] & 2  # a spare
    assert amphorae["a4"][4] & 4  # drains
    unknown = WORDS["sessions"].index("Unknown")
    assert set(amphorae["a5"][6][1::2]) == {unknown}  # it said so long ago
    assert amphorae["a5"][3] == -1
    assert amphorae["a8"][1] == found["zones"].index("")


def test_a_distributors_own_amphorae_are_a_cluster_too(planted):
    with planted.database.transaction() as session:
        deployment_rows.fill(session)
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor SET dedicated_count = 1, name = 'own' "
            "WHERE id = 'd1'"
        )
    found = overview(planted)
    (own,) = [row for row in found["clusters"] if row[2] is None]
    assert own[:2] == ["d1", "own"]
    assert [row[0] for row in own[7]] == ["a9"]


def test_a_thousand_clusters_fit(planted):
    """As many octets as a page may ask for, and none is left out."""
    one = planted.add_balancer("a load balancer of somebody", racks("n"))
    planted.add_copies(one, 999)
    with counted_queries(planted) as queries:
        found = overview(planted)
    assert len(queries) == 7
    assert found["left_out"] == 0
    assert len(found["clusters"]) == 1000
    assert {len(row[7]) for row in found["clusters"]} == {4}
    assert len({row[0] for one in found["clusters"] for row in one[7]}) == 4000
    assert len(encoded(found)) <= BYTES_MAX


def test_what_does_not_fit_is_counted_and_those_in_trouble_are_not(planted):
    """Names as long as they may be, of characters that JSON escapes."""
    with planted.together():
        for number in range(1200):
            planted.add_balancer(
                f"{number}" + "\x01" * 250,
                (),
                number=number,
                project="\U0001f33f" * 36 + f"{number}",
                operating="ERROR" if number == 1199 else "ONLINE",
            )
    found = overview(planted)
    assert len(encoded(found)) <= BYTES_MAX
    assert found["left_out"] == 1200 - len(found["clusters"]) > 0
    assert found["clusters"][0][0] == id_of("1199" + "\x01" * 250 + "1199")


def test_more_routers_than_are_shown_are_counted(planted):
    with planted.together():
        for number in range(PEERS_MAX + 10):
            planted.add_router(f"r{number:04}", 10 + number % 200, None)
    found = overview(planted)
    assert len(found["peers"]) == PEERS_MAX
    assert found["peers_left_out"] == 14


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("bytes_max", [1, 3, 24, 10_000])
def test_a_text_is_cut_to_octets_of_json(name, bytes_max):
    found = cut(name, bytes_max)
    assert len(encoded(found)) - 2 <= max(3, bytes_max)
    assert found == name or name.startswith(found[:-1])


def test_rates_are_of_two_looks():
    rates = ConnectionRates()

    def look(seconds, connections, age=0):
        at = ago(-seconds)
        return rates.look(
            {"a": Counted(at=at, connections=connections)},
            ago(-seconds - age),
        )

    assert look(0, 100) == {}
    assert look(5, 300) == {}  # too short a time to say
    assert look(20, 300) == {"a": 10.0}
    assert look(21, 5) == {"a": 10.0}  # it began anew
    assert look(31, 5) == {"a": 0.0}
    assert look(31, 5, age=30) == {"a": 0.0}
    assert look(31, 5, age=31) == {}  # it is silent
    assert look(61, 35) == {"a": 1.0}
    assert rates.look({}, ago(-61)) == {}


def test_rates_begin_anew_after_a_long_time_without_a_look():
    rates = ConnectionRates()

    def look(seconds, connections):
        counted = {"a": Counted(at=ago(-seconds), connections=connections)}
        return rates.look(counted, ago(-seconds))

    look(0, 0)
    assert look(10, 1000) == {"a": 100.0}
    assert look(310, 1300) == {}
    assert look(315, 1300) == {}
    assert look(320, 1400) == {"a": 10.0}


def test_rates_are_shown(planted):
    planted.add_balancer("web", racks("web"))
    found = Overview(planted.world, planted.shown)
    planted.count("web1", 1, 20)
    assert {row[5] for row in found.make()["clusters"][0][7]} == {-1}
    planted.count("web1", 50, 0)
    rates = {row[0]: row[5] for row in found.make()["clusters"][0][7]}
    assert rates[id_of("web1")[:8]] == 2.5
    now = planted.world.now()
    planted.world.now = lambda: now + timedelta(seconds=31)
    assert {row[5] for row in found.make()["clusters"][0][7]} == {-1}
    assert found.rates() == {}


def test_the_last_hour_is_told_newest_first(planted):
    owner = planted.add_balancer("web", racks("web"))
    for seconds in (4000, 3000, 20, 10):
        planted.happened(
            EventKind.GATE_CLOSED,
            owner,
            seconds,
            from_state="open",
            to_state="closed",
            cause="<b>",
            amphora_id=id_of("web1"),
        )
    history = History(planted.world)
    found = history.make()
    assert len(found["events"]) == 3
    ages = [found["at"] - row[0] for row in found["events"]]
    assert ages == [10_000, 20_000, 3_000_000]
    assert found["since"] == found["at"] - 3_600_000
    assert found["events"][0][1:] == [
        "gate.closed",
        0,
        id_of("web1")[:8],
        0,
        -1,
        "open",
        "closed",
    ]
    assert found["owners"] == [owner]
    assert history.make(owner)["events"][0][8] == "<b>"
    assert history.make("nobody")["events"] == []


def test_a_distributors_own_amphorae_have_a_history(planted):
    planted.happened(
        EventKind.SESSION_DOWN, None, 10, from_state="up", to_state="down"
    )
    planted.happened(EventKind.STATUS, id_of("other"), 20)
    found = History(planted.world).make(DISTRIBUTOR)
    owners = [found["owners"][row[2]] for row in found["events"]]
    # Not those of the load balancers that it announces.
    assert owners == [DISTRIBUTOR]
    assert found["owners"] == [DISTRIBUTOR]
    assert History(planted.world).make(id_of("other"))["events"][0][8] == ""


def test_more_events_than_fit_are_told_by_since(planted):
    with planted.together():
        for number in range(EVENTS_MAX + 5):
            planted.happened(
                EventKind.STATUS,
                id_of(f"{number}"),
                number / 10,
                amphora_id=id_of(f"a{number}"),
                availability_zone="z" * 250,
                peer_id=id_of(f"p{number}"),
            )
    found = History(planted.world).make()
    assert len(encoded(found)) <= BYTES_MAX
    assert 500 < len(found["events"]) < EVENTS_MAX
    assert found["since"] == found["events"][-1][0]


def test_an_amphora_without_a_zone_and_a_router_without_a_name(planted):
    planted.add_router("", 77, None)
    one = PlantedAmphora(name="a", zone=None, sessions={"": UP})
    planted.add_balancer("x", [replace(one)])
    found = overview(planted)
    assert found["zones"] == [""]
    assert ["", "172.31.0.77", ""] in [peer[1:] for peer in found["peers"]]
