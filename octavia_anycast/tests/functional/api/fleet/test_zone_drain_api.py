# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/zone-drains``: asked for, shown, ended, refused."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.db import models
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.fleet import zone_drains
from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ClusterSize,
    DrainLimits,
)
from octavia_anycast.model.fleet.zone_drain import Holder, Place
from octavia_anycast.model.wire import PathCounts
from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.amphora_rows import (
    PATH as AMPHORAE,
)
from octavia_anycast.tests.functional.amphora_rows import (
    UNKNOWN,
    make_lb,
    make_ours,
)
from octavia_anycast.tests.functional.api.amphora.test_drain_api import say
from octavia_anycast.tests.functional.deployment_rows import report

PATH = "/v2/lbaas/zone-drains"
ZONES = [{"availability_zone": f"rack{n}"} for n in (1, 2, 3)]


@pytest.fixture
def subnet(api):
    return api.neutron.add_network("198.51.100.0/24")[1][0]


@pytest.fixture
def distributor(api):
    return api.create(
        "/v2/lbaas/distributors",
        samples.distributor(is_default=True, zones=ZONES),
    )


@pytest.fixture
def lb(api, distributor, subnet):
    """A load balancer of ours with an amphora in rack1 and one in rack2."""
    made = make_lb(api, subnet)
    for number in (1, 2):
        id_ = make_ours(api, made["id"], number, compute_host=f"host{number}")
        say(api, made, id_)
    return made


def body(**changes):
    wanted = {"availability_zone": "rack1", "duration": 7200} | changes
    return {"zone_drain": {k: v for k, v in wanted.items() if v is not None}}


def ask(api, **changes):
    return api.call("POST", PATH, body(**changes))


def show(api, id_):
    answer = api.call("GET", f"{PATH}/{id_}")
    assert answer.status == 200, answer.text
    return answer.body["zone_drain"]


def refused(api, status, sentence, **changes):
    answer = ask(api, **changes)
    assert answer.status == status, answer.text
    assert sentence in answer.fault
    with api.database.transaction() as session:
        assert not [
            d
            for d in zone_drains.active(session)
            if d.reason == changes.get("reason", "")
        ]


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def mark(api, drain_id, amphora_id, **marks):
    """What the controller does."""
    with api.database.transaction() as session:
        amphorae.update(
            session,
            amphora_id,
            zone_drain_id=drain_id,
            drain_wanted_since=datetime.now(UTC),
            drain_deadline=datetime.now(UTC),
            **marks,
        )


def in_place(lb, api):
    with api.database.transaction() as session:
        found = amphorae.list_for(session, lb["id"])
    return next(r.id for r in found if r.availability_zone == "rack1")


def test_it_is_stored_shown_listed_and_ended(api, lb):
    answer = ask(api, reason="ToR upgrade", timeout=30)

    assert answer.status == 201, answer.text
    made = answer.body["zone_drain"]
    assert made == show(api, made["id"])
    assert made["availability_zone"] == "rack1"
    assert made["compute_host"] is made["peer_id"] is None
    assert made["reason"] == "ToR upgrade"
    assert made["timeout"] == 30
    assert made["boot_elsewhere"] is made["force"] is False
    assert made["ended_at"] is None
    lasting = moment(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=7100) < lasting <= timedelta(seconds=7200)
    listed = api.call("GET", f"{PATH}?availability_zone=rack1").body
    assert [one["id"] for one in listed["zone_drains"]] == [made["id"]]
    nothing = api.call("GET", f"{PATH}?availability_zone=rack2").body
    assert nothing["zone_drains"] == []

    assert api.call("DELETE", f"{PATH}/{made['id']}").status == 204
    with api.database.transaction() as session:
        stored = zone_drains.get(session, made["id"])
        assert stored.end_wanted_at is not None
    assert api.call("DELETE", f"{PATH}/{made['id']}").status == 204


def test_progress_is_counted_from_the_amphorae(api, lb):
    made = ask(api).body["zone_drain"]
    assert made["state"] == "DRAINING", "nobody is asked to drain yet"
    assert made["amphora_count"] == 0
    assert made["announcing_count"] == 1
    id_ = in_place(lb, api)
    now = datetime.now(UTC)
    for marks, state, count in (
        ({}, "DRAINING", "waiting_count"),
        ({"draining_since": now}, "DRAINING", "draining_count"),
        ({"drained_at": now}, "DRAINING", "drained_count"),
    ):
        mark(api, made["id"], id_, **marks)
        shown = show(api, made["id"])
        assert shown["state"] == state
        assert shown["amphora_count"] == shown[count] == 1
    say(api, lb, id_, vips=())
    assert show(api, made["id"])["state"] == "DRAINING", "not looked yet"
    finish_marking(api, made["id"])
    shown = show(api, made["id"])
    assert shown["state"] == "DRAINED"
    assert shown["announcing_count"] == 0


def finish_marking(api, drain_id):
    with api.database.transaction() as session:
        zone_drains.record_marked(session, drain_id, datetime.now(UTC))


@pytest.mark.parametrize(
    "who",
    [
        {"drain_wanted_since": datetime.now(UTC)},
        {"drain_wanted_since": datetime.now(UTC), "stand_in_wanted": True},
        {"leaving_since": datetime.now(UTC)},
        {"drain_wanted_since": datetime.now(UTC), "drained_at": None},
    ],
)
def test_who_announces_there_counts_whoever_drains_it(api, lb, who):
    """An operator or a canary has it, or it leaves: it announces still."""
    id_ = in_place(lb, api)
    with api.database.transaction() as session:
        amphorae.update(session, id_, **who)
    made = ask(api).body["zone_drain"]
    finish_marking(api, made["id"])
    with api.database.transaction() as session:
        place = zone_drains.get(session, made["id"]).place
        assert zone_drains.unmarked(session, place) == {}
    shown = show(api, made["id"])
    assert shown["state"] == "DRAINING"
    assert shown["announcing_count"] == 1
    assert shown["amphora_count"] == 0
    say(api, lb, id_, vips=())
    assert show(api, made["id"])["state"] == "DRAINED"


def test_what_boots_there_is_waited_for(api, lb):
    made = ask(api, availability_zone="rack3").body["zone_drain"]
    finish_marking(api, made["id"])
    assert show(api, made["id"])["state"] == "DRAINED", "nobody is there"
    booting = make_ours(
        api,
        lb["id"],
        8,
        availability_zone="rack3",
        status=AmphoraStatus.BOOTING,
    )
    assert show(api, made["id"])["state"] == "DRAINING"
    with api.database.transaction() as session:
        amphorae.mark_deleted(session, booting, datetime.now(UTC))
    assert show(api, made["id"])["state"] == "DRAINED"


def test_one_that_has_ended_is_not_ended_again(api, lb):
    made = ask(api).body["zone_drain"]
    with api.database.transaction() as session:
        now = datetime.now(UTC)
        zone_drains.begin_end(session, made["id"], "so it is", now)
    assert show(api, made["id"])["state"] == "ENDING"
    with api.database.transaction() as session:
        zone_drains.finish(session, made["id"], now)

    assert show(api, made["id"])["state"] == "ENDED"
    assert show(api, made["id"])["end_reason"] == "so it is"
    answer = api.call("DELETE", f"{PATH}/{made['id']}")
    assert answer.status == 409
    assert "has ended: so it is." in answer.fault
    assert ask(api).status == 201, "the zone may be drained again"


def test_those_that_have_not_ended_are_a_list(api, lb):
    ended, active = (
        ask(api, availability_zone=zone).body["zone_drain"]["id"]
        for zone in ("rack3", "rack1")
    )
    with api.database.transaction() as session:
        zone_drains.finish(session, ended, datetime.now(UTC))
    found = api.call("GET", f"{PATH}?ended_at=null").body["zone_drains"]
    assert [one["id"] for one in found] == [active]
    assert api.call("GET", f"{PATH}?created_at=null").status == 400


def test_what_is_not_there(api, lb):
    assert api.call("GET", f"{PATH}/{UNKNOWN}").status == 404
    assert api.call("DELETE", f"{PATH}/{UNKNOWN}").status == 404


def at(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"availability_zone": "rack9"},
            "availability_zone: there is no availability zone rack9; those "
            "there are: rack1, rack2, rack3",
        ),
        (
            {"availability_zone": None, "compute_host": "host7"},
            "compute_host: there is no compute host host7; those there are: "
            "host1, host2",
        ),
        (
            {"availability_zone": None, "peer_id": UNKNOWN},
            f"peer_id: there is no BGP peer {UNKNOWN}",
        ),
        (
            {"availability_zone": None, "peer_id": "leaf1"},
            "peer_id: 'leaf1' is not a UUID",
        ),
        ({"availability_zone": None}, "give exactly one of"),
        ({"compute_host": "host1"}, "compute_host: give exactly one of"),
        ({"availability_zone": ""}, "availability_zone: it is empty"),
        ({"availability_zone": " "}, "availability_zone: it is empty"),
        ({"availability_zone": 7}, "availability_zone: 7 is not of type str"),
        ({"availability_zone": "x" * 256}, "longer than 255 characters"),
        ({"duration": None}, "give exactly one of duration and expires_at"),
        ({"expires_at": at(600)}, "give exactly one of duration and"),
        ({"duration": 0}, "duration: 0 is not in 60..2678400"),
        ({"duration": -5}, "duration: -5 is not in"),
        ({"duration": 2_678_401}, "duration: 2678401 is not in"),
        ({"duration": "2h"}, "duration: '2h' is not of type int"),
        ({"duration": 3600.5}, "duration: 3600.5 is not of type int"),
        ({"duration": True}, "duration: True is not of type int"),
        ({"duration": None, "expires_at": at(-60)}, "is past"),
        ({"duration": None, "expires_at": at(1e8)}, "is not in 60.."),
        ({"duration": None, "expires_at": "soon"}, "'soon' is not an ISO"),
        (
            {"duration": None, "expires_at": "2099-01-01T00:00:00"},
            "has no time zone",
        ),
        ({"timeout": -1}, "timeout: -1 is not in 0..86400"),
        ({"timeout": 86_401}, "timeout: 86401 is not in"),
        ({"reason": "a\nb"}, "reason: it has a control character"),
        ({"reason": "x" * 256}, "reason: it is longer than 255"),
        ({"force": "yes"}, "force: 'yes' is not of type bool"),
        ({"boot_elsewhere": 1}, "boot_elsewhere: 1 is not of type bool"),
        ({"until": 5}, "until: unknown attribute"),
        ({"id": UNKNOWN}, "id: unknown attribute"),
    ],
)
def test_bad_input(api, lb, changes, sentence):
    refused(api, 400, sentence, **changes)


def test_an_end_that_is_too_soon(api, lb):
    refused(api, 400, "is not in 60..", duration=None, expires_at=at(40))


@pytest.mark.parametrize("wrong", [None, {}, [], {"zone": "rack1"}, "x"])
def test_a_body_without_its_root(api, lb, wrong):
    answer = api.call("POST", PATH, wrong)
    assert answer.status == 400, answer.text


def test_an_overlap(api, lb):
    made = ask(api).body["zone_drain"]
    refused(
        api,
        409,
        f"The availability zone rack1 is drained already, by zone drain "
        f"{made['id']} until {made['expires_at'].replace('T', ' ')} UTC",
        reason="again",
        force=True,
    )
    mark(api, made["id"], in_place(lb, api))
    refused(
        api,
        409,
        "is drained with the availability zone rack1, by zone drain "
        f"{made['id']}",
        availability_zone=None,
        compute_host="host1",
        reason="again",
        force=True,
    )


def test_two_at_once_are_refused_before_anything_is_marked(api, lb):
    """No controller has looked between the two."""
    made = ask(api).body["zone_drain"]
    refused(
        api,
        409,
        f"is drained with the availability zone rack1, by zone drain "
        f"{made['id']}",
        availability_zone=None,
        compute_host="host1",
        reason="overlap",
        force=True,
    )
    refused(
        api,
        409,
        "none of its other amphorae is in service",
        availability_zone="rack2",
        reason="capacity",
    )
    with api.database.transaction() as session:
        found = amphorae.list_for(session, lb["id"])
    other = next(r.id for r in found if r.availability_zone == "rack2")
    answer = api.call("PUT", f"{AMPHORAE}/{other}/drain")
    assert answer.status == 409, answer.text
    with api.database.transaction() as session:
        zone_drains.begin_end(
            session, made["id"], "so it is", datetime.now(UTC)
        )
    assert ask(api, availability_zone="rack2").status == 201


def test_all_zones(api, lb):
    assert ask(api).status == 201
    assert ask(api, availability_zone="rack3").status == 201
    refused(
        api,
        409,
        "The availability zone rack2 cannot be drained: it is the only one "
        "that is not drained.",
        availability_zone="rack2",
        reason="all",
        force=True,
    )


def test_capacity_is_missing_and_it_is_said_where(api, lb, subnet):
    other = make_lb(api, subnet)
    for number in (4, 5):
        id_ = make_ours(
            api, other["id"], number, availability_zone=f"rack{number - 3}"
        )
        say(api, other, id_)
    with api.database.transaction() as session:
        clusters.update(
            session, lb["id"], size=ClusterSize(desired=2, minimum=2)
        )

    sentence = (
        "1 load balancer would lack capacity: "
        f"{lb['id']} (only 1 others announce {lb['vip_address']}, and "
        "min_size is 2)"
    )
    refused(api, 409, sentence)

    assert ask(api, force=True).status == 201


@pytest.mark.parametrize("how", ["dead", "mute", "drained", "absent"])
def test_others_that_do_not_announce_are_no_capacity(api, lb, how):
    with api.database.transaction() as session:
        others = amphorae.list_for(session, lb["id"])
        other = next(r for r in others if r.availability_zone == "rack2")
        if how == "dead":
            amphorae.update(
                session,
                other.id,
                status=AmphoraStatus.ERROR,
                now=datetime.now(UTC),
            )
        elif how == "drained":
            amphorae.update(
                session, other.id, drain_wanted_since=datetime.now(UTC)
            )
        elif how == "absent":
            amphorae.mark_deleted(session, other.id, datetime.now(UTC))
    if how == "mute":
        say(api, lb, other.id, age=3600)
    refused(api, 409, "none of its other amphorae is in service")


def test_elsewhere_nothing_is_missing(api, lb):
    with api.database.transaction() as session:
        clusters.update(
            session, lb["id"], size=ClusterSize(desired=2, minimum=2)
        )
    assert ask(api, boot_elsewhere=True).status == 201


def test_elsewhere_needs_a_manager(api, lb):
    with api.database.transaction() as session:
        clusters.update(session, lb["id"], is_enabled=False)
    refused(api, 409, "its cluster manager is off", boot_elsewhere=True)


def test_all_that_peer_with_one_router(api, lb, distributor):
    (found,) = distributor["speakers"][0]["peers"]
    peer = api.call("GET", f"/v2/lbaas/bgp-peers/{found['id']}").body[
        "bgp_peer"
    ]
    assert peer["availability_zone"] == "rack1"

    answer = ask(api, availability_zone=None, peer_id=peer["id"])

    assert answer.status == 201, answer.text
    made = answer.body["zone_drain"]
    with api.database.transaction() as session:
        place = zone_drains.get(session, made["id"]).place
        assert zone_drains.unmarked(session, place) == {
            Holder(load_balancer_id=lb["id"]): {in_place(lb, api)}
        }


def test_elsewhere_of_a_router_is_another_zone_or_nowhere(
    api, lb, distributor
):
    (found,) = distributor["speakers"][0]["peers"]
    with api.database.transaction() as session:
        made = zone_drains.known(
            session,
            Place(peer_id=found["id"]),
            DrainLimits(drain_timeout=1, stale_after=60, silent_after=30),
            datetime.now(UTC),
        )
        assert made.peer_zones == {found["id"]: "rack1"}
    at_peer = {"availability_zone": None, "peer_id": found["id"]}
    with api.database.transaction() as session:
        session.get(models.Peer, found["id"]).availability_zone = None
    refused(
        api,
        409,
        f"boot_elsewhere: the BGP peer {found['id']} has no availability "
        "zone and no compute host",
        boot_elsewhere=True,
        **at_peer,
    )


def test_elsewhere_of_the_only_host_is_nowhere(api, lb):
    with api.database.transaction() as session:
        for record in amphorae.list_for(session, lb["id"]):
            amphorae.update(session, record.id, compute_host="only")
    at_host = {"availability_zone": None, "compute_host": "only"}
    refused(
        api,
        409,
        "boot_elsewhere: the compute host only is the only one that has",
        boot_elsewhere=True,
        **at_host,
    )
    assert ask(api, boot_elsewhere=True, force=True, **at_host).status == 201


def test_a_distributors_own_are_named(api, lb, distributor):
    own = make_ours(
        api,
        None,
        7,
        availability_zone="rack1",
        distributor_id=distributor["id"],
    )
    counted = PathCounts(peer_id="p", wanted=1, advertised=1)
    body = {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}}
    with api.database.transaction() as session:
        distributors.update(session, distributor["id"], dedicated_count=1)
    api.create(f"/v2/lbaas/distributors/{distributor['id']}/vips", body)
    with api.database.transaction() as session:
        said = report(own, path_counts=(counted,))
        reports.save(session, own, said, datetime.now(UTC))
    refused(
        api,
        409,
        "1 distributor would lack capacity: "
        f"distributor {distributor['id']} (none of its other amphorae is in "
        "service)",
    )
    made = ask(api, force=True)
    assert made.status == 201
    assert show(api, made.body["zone_drain"]["id"])["announcing_count"] == 2


def test_one_that_it_drains_is_not_undrained_alone(api, lb):
    made = ask(api).body["zone_drain"]
    id_ = in_place(lb, api)
    mark(api, made["id"], id_)

    answer = api.call("DELETE", f"{AMPHORAE}/{id_}/drain")
    assert answer.status == 409
    assert (
        f"is drained by zone drain {made['id']}: it announces again when "
        "that ends." in answer.fault
    )

    assert api.call("PUT", f"{AMPHORAE}/{id_}/drain").status == 202
    assert show(api, made["id"])["amphora_count"] == 0, "it is his own now"
    assert api.call("DELETE", f"{AMPHORAE}/{id_}/drain").status == 204
