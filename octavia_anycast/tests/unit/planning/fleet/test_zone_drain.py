# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains: what is refused, who is asked, and that somebody announces."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterSize,
    DrainLimits,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.errors import Conflict, InvalidRequest
from octavia_anycast.model.fleet.zone_drain import (
    Holder,
    Place,
    Progress,
    ZoneDrain,
    ZoneDrainRequest,
    ZoneDrainState,
    state_of,
)
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    is_settled,
    operating_verdict,
)
from octavia_anycast.planning.fleet.zone_drain import (
    NAMED_MAX,
    Known,
    Standing,
    StandingCluster,
    avoided_zones,
    check,
    given_back,
    marks,
    progress,
    shortage,
    taken_back,
)
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import (
    desired_cluster,
    distributor,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
VIP = ip_address("198.51.100.10")
V6 = ip_address("2001:db8:100::10")
LIMITS = DrainLimits(drain_timeout=300.0, stale_after=60.0, silent_after=30.0)
RACKS = tuple(
    Zone(availability_zone=f"rack{n}", frontend_network_id=f"fe{n}")
    for n in (1, 2, 3)
)
RACK1 = frozenset({"rack1"})
DRAIN = ZoneDrain(
    id="drain",
    availability_zone="rack1",
    expires_at=NOW + timedelta(hours=2),
    revision=3,
)


def standing(name, zone="rack1", *, vips=(VIP,), **changes):
    of_standing = {
        key: changes.pop(key)
        for key in (
            "fleet_revision",
            "is_fresh",
            "could_serve",
            "expected",
            "has_paths",
        )
        if key in changes
    }
    record = AmphoraRecord(
        **{
            "id": name,
            "load_balancer_id": "lb",
            "status": AmphoraStatus.ALLOCATED,
            "status_since": NOW,
            "availability_zone": zone,
        }
        | changes
    )
    return Standing(
        **{
            "record": record,
            "fleet_revision": 2,
            "announced": frozenset(vips),
            "is_fresh": True,
        }
        | of_standing
    )


def cluster(*amphorae, id_="lb", minimum=1, zones=RACKS, **changes):
    return StandingCluster(
        holder=Holder(load_balancer_id=id_),
        minimum=minimum,
        distributor=Distributor(id="d", zones=zones),
        amphorae=amphorae,
        **changes,
    )


def in_place(*clusters):
    return frozenset(
        one.record.id
        for found in clusters
        for one in found.amphorae
        if one.record.availability_zone == "rack1"
    )


def lacks(found, *, boot_elsewhere=False):
    return shortage(
        found, in_place(found), RACK1, boot_elsewhere=boot_elsewhere
    )


# What is left


@pytest.mark.parametrize(
    ("others", "minimum", "why"),
    [
        ([], 1, "none of its other amphorae is in service"),
        ([{}], 1, ""),
        ([{}], 2, f"only 1 others announce {VIP}, and min_size is 2"),
        ([{}, {}], 2, ""),
        ([{"vips": ()}], 1, f"it is the last one that announces {VIP}"),
        ([{"is_fresh": False}], 1, "none of its other"),
        ([{"drain_wanted_since": NOW}], 1, "none of its other"),
        ([{"leaving_since": NOW}], 1, "none of its other"),
        ([{"status": AmphoraStatus.BOOTING}], 1, "none of its other"),
        ([{"vips": (), "spare_since": NOW, "could_serve": True}], 1, ""),
        ([{"vips": (), "spare_since": NOW}], 1, "it is the last one"),
    ],
)
def test_capacity_without_the_place(others, minimum, why):
    found = cluster(
        standing("a"),
        standing("b"),
        *(
            standing(f"other{n}", "rack2", **changes)
            for n, changes in enumerate(others)
        ),
        minimum=minimum,
    )
    said = lacks(found)
    assert said.startswith(why) if why else said == ""


def test_each_family_counts():
    found = cluster(standing("a", vips=(VIP, V6)), standing("b", "rack2"))
    assert lacks(found) == f"it is the last one that announces {V6}"


@pytest.mark.parametrize(
    "changes", [{"vips": ()}, {"status": AmphoraStatus.BOOTING}]
)
def test_what_serves_nothing_is_not_missed(changes):
    assert lacks(cluster(standing("a", **changes))) == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"is_managed": False}, "its cluster manager is off"),
        ({"zones": RACKS[:1]}, "its amphorae may boot in no other"),
        ({"frontend_network_id": "fe1"}, "its amphorae may boot in no other"),
        ({"frontend_network_id": "fe2"}, ""),
        ({"frontend_network_id": "own"}, ""),
    ],
)
def test_capacity_where_others_boot(changes, why):
    found = cluster(standing("a"), minimum=1, **changes)
    assert lacks(found, boot_elsewhere=True).startswith(why)
    if not why:
        assert lacks(found, boot_elsewhere=True) == ""


# What is asked for


def request(**changes):
    wanted = {"availability_zone": "rack1", "duration": 7200} | changes
    return ZoneDrainRequest(**wanted)


def known(*clusters, **changes):
    return Known(
        clusters=clusters,
        in_place=in_place(*clusters),
        places=frozenset({"rack1", "rack2", "rack3"}),
        **changes,
    )


def test_a_refusal_names_some_and_counts_the_rest():
    alone = [
        cluster(standing(f"a{n}"), id_=f"lb{n:02}")
        for n in range(NAMED_MAX + 3)
    ]
    with pytest.raises(Conflict) as refusal:
        check(request(), known(*alone))
    said = str(refusal.value)
    assert f"{NAMED_MAX + 3} load balancers would lack capacity" in said
    assert "lb00 (none of" in said
    assert "lb09 (none of" in said
    assert "lb10" not in said
    assert "and 3 more" in said
    check(request(force=True), known(*alone))
    check(request(boot_elsewhere=True), known(*alone))


def own(*zones, **changes):
    """A distributor's own amphorae, one in each of these zones."""
    amphorae = [
        standing(
            f"own{n}",
            zone,
            load_balancer_id=None,
            distributor_id="d",
            **changes,
        )
        for n, zone in enumerate(zones)
    ]
    return replace(cluster(*amphorae), holder=Holder(distributor_id="d"))


def test_a_distributors_own_count_as_well():
    check(request(), known(own("rack1", "rack2")))
    check(request(), known(replace(own("rack2"), minimum=1)))
    found = known(own("rack1"), cluster(standing("a")))
    with pytest.raises(Conflict) as refusal:
        check(request(), found)
    said = str(refusal.value)
    assert "1 load balancer and 1 distributor would lack capacity" in said
    assert "distributor d (none of its other amphorae is in service)" in said
    check(request(force=True), found)
    check(request(boot_elsewhere=True), found)
    with pytest.raises(Conflict, match="1 distributor would lack capacity"):
        check(request(), known(own("rack1", "rack2", is_fresh=False)))


def test_the_only_vip_is_named_where_others_have_nothing_to_announce():
    mine, other = own("rack1", "rack2").amphorae
    pair = (mine, replace(other, announced=frozenset()))
    there = replace(own(), amphorae=pair)
    assert lacks(there) == f"it is the last one that announces {VIP}"


ONE_RACKS = ExternalVip(
    id="v", vip_ip=VIP, nexthop_ip=ip_address("10.1.0.77"), peer_id="leaf1"
)


def two_leaves(*, zones=RACKS, **of_peers):
    """A distributor with a router in each of two racks."""
    (speaker,) = distributor().speakers
    peers = tuple(
        replace(
            peer,
            id=f"leaf{n}",
            availability_zone=f"rack{n}",
            **{name: f"{value}{n}" for name, value in of_peers.items()},
        )
        for n in (1, 2)
        for peer in speaker.peers
    )
    speakers = (replace(speaker, peers=peers),)
    return Distributor(id="d", zones=zones, speakers=speakers)


@pytest.fixture
def of_leaf1():
    """Two of a distributor's own, of which one has a VIP for its leaf."""
    mine, other = own("rack1", "rack2").amphorae
    return replace(
        own(),
        distributor=two_leaves(),
        amphorae=(mine, replace(other, announced=frozenset({V6}))),
        external_vips=(ONE_RACKS,),
    )


def test_a_vip_for_one_racks_router_is_that_racks(of_leaf1):
    assert lacks(of_leaf1) == f"it is the last one that announces {VIP}"
    assert lacks(of_leaf1, boot_elsewhere=True) == (
        f"{VIP} is for BGP peer leaf1 alone, which an amphora elsewhere might "
        "not have"
    )
    forced = replace(DRAIN, boot_elsewhere=True, is_forced=True)
    (marked,) = marks(
        forced, of_leaf1, {"own0"}, LIMITS, NOW, avoided=RACK1
    ).values()
    assert not marked["stand_in_wanted"], "it could never take its place"


def test_a_stand_in_has_to_have_a_peer_wherever_it_boots(of_leaf1):
    of_all = replace(ONE_RACKS, peer_id=None)
    there = replace(of_leaf1, external_vips=(of_all,))
    assert lacks(there, boot_elsewhere=True) == (
        f"an amphora elsewhere might have no peer for {VIP}"
    ), "rack3 has no router"
    without_rack3 = two_leaves(zones=RACKS[:2])
    there = replace(there, distributor=without_rack3)
    assert lacks(there, boot_elsewhere=True) == ""


@pytest.mark.parametrize(
    ("place", "is_refused"),
    [
        ({"compute_host": "host1"}, True),
        ({"peer_id": "leaf1"}, True),
        ({"availability_zone": "rack2"}, False),
    ],
)
def test_peers_of_the_place_are_not_elsewhere(of_leaf1, place, is_refused):
    there = replace(
        of_leaf1, distributor=two_leaves(zones=RACKS[:2], compute_host="host")
    )
    drained = Place(**place)
    avoided = frozenset(filter(None, [drained.availability_zone]))
    why = shortage(
        there, {"own0"}, avoided, boot_elsewhere=True, place=drained
    )
    assert bool(why) is is_refused


def test_a_distributors_own_drain_for_seconds():
    """Nobody's connections go through them."""
    (marked,) = marks(
        replace(DRAIN, timeout=600), own("rack1"), {"own0"}, LIMITS, NOW
    ).values()
    assert marked["drain_deadline"] - NOW == timedelta(seconds=5)
    drained = own("rack1", **marked | {"stand_in_wanted": True})
    given = given_back(DRAIN, drained, is_late=False)
    assert given.changes["own0"]["drain_wanted_since"] is None
    assert not given.is_over, "its stand-in waits for it"


@pytest.mark.parametrize(
    ("announced", "expected", "is_over"),
    [
        ((), (), True),
        ((VIP,), (VIP,), True),
        ((VIP,), (VIP, V6), False),
        ((), (VIP,), False),
    ],
)
def test_a_distributors_own_is_back_with_what_it_has_peers_for(
    announced, expected, is_over
):
    """Whatever those of other racks announce."""
    asked = {"zone_drain_id": DRAIN.id, "stand_in_wanted": True}
    back = own("rack1", **asked, vips=announced, expected=frozenset(expected))
    there = replace(back, amphorae=(*back.amphorae, standing("o", "rack2")))
    assert given_back(DRAIN, there, is_late=False).is_over is is_over


def test_a_distributors_own_with_paths_of_others_only():
    alone = own("rack1", vips=(), has_paths=True)
    assert lacks(alone) == "none of its other amphorae is in service"
    pair = own("rack1", "rack2", vips=(), has_paths=True)
    assert lacks(pair) == ""
    mine, other = pair.amphorae
    pair = replace(pair, amphorae=(mine, replace(other, has_paths=False)))
    assert lacks(pair) == "none of its other amphorae is in service"


def test_an_unknown_place_is_named_with_those_there_are():
    with pytest.raises(InvalidRequest) as refusal:
        check(request(availability_zone="rack9"), known())
    assert refusal.value.field == "availability_zone"
    assert "those there are: rack1, rack2, rack3" in refusal.value.reason


def test_the_last_zone_is_not_forced_either():
    others = tuple(
        replace(DRAIN, id=zone, availability_zone=zone)
        for zone in ("rack2", "rack3")
    )
    with pytest.raises(Conflict, match="the only one that is not drained"):
        check(request(force=True), known(active=others))


def test_overlaps():
    with pytest.raises(Conflict, match="is drained already, by zone drain"):
        check(request(force=True), known(active=(DRAIN,)))
    found = cluster(
        standing("a", zone_drain_id="drain", drain_wanted_since=NOW)
    )
    at_host = Known(
        clusters=(found,),
        in_place=frozenset({"a"}),
        places=frozenset({"host1", "host2"}),
        active=(DRAIN,),
    )
    wanted = request(availability_zone=None, compute_host="host1", force=True)
    with pytest.raises(Conflict, match="Zone drains overlap: amphora a"):
        check(wanted, at_host)
    unmarked = replace(
        at_host, clusters=(cluster(standing("a")),), taken={"a": "drain"}
    )
    with pytest.raises(Conflict, match="Zone drains overlap: amphora a"):
        check(wanted, unmarked)


def test_what_another_zone_drain_will_mark_is_no_capacity():
    found = cluster(standing("a"), standing("b", "rack2"))
    other = replace(DRAIN, id="other", availability_zone="rack2")
    check(request(), known(found))
    with pytest.raises(Conflict, match="none of its other amphorae"):
        check(request(), known(found, active=(other,), taken={"b": "other"}))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "availability_zone"),
        ({"availability_zone": "a", "compute_host": "b"}, "compute_host"),
        ({"compute_host": "a", "peer_id": "b"}, "peer_id"),
        ({"availability_zone": ""}, "availability_zone"),
    ],
)
def test_a_place_is_one(given, field):
    with pytest.raises(InvalidRequest) as refusal:
        Place(**given)
    assert refusal.value.field == field


@pytest.mark.parametrize("seconds", [-1, 0, 59, 31 * 86_400 + 60])
def test_an_end_in_the_past_or_too_far(seconds):
    wanted = request(
        duration=None, expires_at=NOW + timedelta(seconds=seconds)
    )
    with pytest.raises(InvalidRequest, match="expires_at"):
        wanted.end(NOW)


# Who is marked


def test_marks_are_idempotent_and_leave_others_alone():
    found = cluster(
        standing("plain"),
        standing("his", drain_wanted_since=NOW),
        standing("leaves", leaving_since=NOW),
        standing("boots", status=AmphoraStatus.BOOTING),
        standing("spare", vips=(), spare_since=NOW),
        standing("there", "rack2"),
    )
    wanted = marks(DRAIN, found, in_place(found), LIMITS, NOW)
    assert set(wanted) == {"plain", "spare"}
    assert wanted["plain"]["zone_drain_id"] == "drain"
    assert wanted["plain"]["drain_wanted_since"] == NOW
    lasting = wanted["plain"]["drain_deadline"] - NOW
    assert lasting.total_seconds() == LIMITS.drain_timeout
    assert not wanted["plain"]["stand_in_wanted"]
    after = cluster(
        *(
            replace(one, record=replace(one.record, **wanted[one.record.id]))
            if one.record.id in wanted
            else one
            for one in found.amphorae
        )
    )
    assert marks(DRAIN, after, in_place(after), LIMITS, NOW) == {}


def test_stand_ins_are_for_those_that_were_there():
    found = cluster(
        standing("old"),
        standing("new", fleet_revision=3),
    )
    elsewhere = replace(DRAIN, boot_elsewhere=True)
    wanted = marks(
        elsewhere, found, in_place(found), LIMITS, NOW, avoided=RACK1
    )
    assert wanted["old"]["stand_in_wanted"]
    assert not wanted["new"]["stand_in_wanted"], "it may be one itself"
    pinned = replace(found, frontend_network_id="fe1")
    forced = marks(
        elsewhere, pinned, in_place(pinned), LIMITS, NOW, avoided=RACK1
    )
    assert not any(one["stand_in_wanted"] for one in forced.values())


def test_elsewhere_of_a_peer_is_another_zone():
    at_peer = request(
        availability_zone=None, peer_id="leaf1", boot_elsewhere=True
    )
    found = cluster(standing("a"), zones=RACKS[:1])
    facts = replace(
        known(found),
        places=frozenset({"leaf1"}),
        peer_zones={"leaf1": "rack1"},
    )
    with pytest.raises(Conflict, match="may boot in no other"):
        check(at_peer, facts)
    check(at_peer, replace(facts, clusters=(cluster(standing("a")),)))
    of_all = replace(facts, peer_zones={}, is_everywhere=True)
    with pytest.raises(Conflict, match="boot_elsewhere: the BGP peer leaf1"):
        check(at_peer, of_all)
    by_peer = replace(
        DRAIN, availability_zone=None, peer_id="leaf1", boot_elsewhere=True
    )
    assert avoided_zones([by_peer], None, {"leaf1": "rack1"}) == RACK1
    (wanted,) = marks(
        by_peer, found, {"a"}, LIMITS, NOW, is_everywhere=True
    ).values()
    assert not wanted["stand_in_wanted"], "forced: it would be there, too"


@pytest.mark.parametrize("has_stand_in", [False, True])
def test_given_back_is_as_before(has_stand_in):
    record = standing("a").record
    marked = marks(
        DRAIN, cluster(standing("a")), frozenset({"a"}), LIMITS, NOW
    )["a"]
    drained = replace(
        record,
        **(marked | {"drained_at": NOW, "stand_in_wanted": has_stand_in}),
    )
    first = taken_back(drained)
    after = replace(drained, **first)
    assert after.drain_wanted_since is after.drained_at is None
    assert after.stand_in_wanted is has_stand_in
    other = standing("b", "rack2")
    for announced, is_over in ((frozenset(), False), ({VIP}, True)):
        there = replace(standing("a"), record=after, announced=announced)
        wanted = given_back(DRAIN, cluster(there, other), is_late=False)
        assert wanted.is_over is (is_over or not has_stand_in)
    silent = replace(standing("a", vips=()), record=after)
    assert given_back(DRAIN, cluster(silent, other), is_late=True).is_over
    if has_stand_in:
        assert replace(after, **wanted.changes["a"]) == record
    else:
        assert after == record


def test_one_that_leaves_goes_on_leaving():
    record = standing(
        "a",
        drain_wanted_since=NOW,
        leaving_since=NOW,
        draining_since=NOW,
        zone_drain_id="drain",
        stand_in_wanted=True,
    ).record
    after = replace(record, **taken_back(record))
    assert after.draining_since == NOW
    assert after.zone_drain_id is None


def test_progress_and_state():
    records = [
        standing("a", drain_wanted_since=NOW).record,
        standing("b", drain_wanted_since=NOW, draining_since=NOW).record,
        standing("c", drain_wanted_since=NOW, drained_at=NOW).record,
    ]
    assert progress(records) == Progress(waiting=1, draining=1, drained=1)
    assert progress([standing("d").record]) == Progress(returning=1)
    drained = progress(records[2:])
    begun = replace(DRAIN, marked_at=NOW)
    assert state_of(begun, progress(records), 0) is ZoneDrainState.DRAINING
    assert state_of(begun, drained, 0) is ZoneDrainState.DRAINED
    assert state_of(begun, drained, 1) is ZoneDrainState.DRAINING
    assert state_of(DRAIN, drained, 0) is ZoneDrainState.DRAINING, "not yet"
    ending = replace(begun, end_wanted_at=NOW)
    assert state_of(ending, progress(records), 1) is ZoneDrainState.ENDING
    ended = replace(ending, ended_at=NOW)
    assert state_of(ended, progress(records), 0) is ZoneDrainState.ENDED


# In a cluster


def made(size, minimum=1):
    world = World(desired=desired_cluster(size=size, minimum=minimum))
    world.run(30)
    assert len(world.announcers()) == size
    return world


def drain_zone(world, zone="rack1", *, boot_elsewhere=False, seconds=5.0):
    """What the controller does with the rows of one cluster."""
    world.desired = replace(world.desired, avoided_zones=frozenset({zone}))
    for guest in list(world.guests.values()):
        record = guest.record
        if (
            record.availability_zone == zone
            and record.status is AmphoraStatus.ALLOCATED
            and record.leaving_since is None
            and record.drain_wanted_since is None
        ):
            world._change(
                record.id,
                drain_wanted_since=world.now,
                drain_deadline=world.now + timedelta(seconds=seconds),
                draining_since=None,
                drained_at=None,
                finishing_since=None,
                zone_drain_id="drain",
                stand_in_wanted=boot_elsewhere and guest.configured != "",
            )


def standing_cluster(world):
    """What the tables know of it."""
    return cluster(
        *(
            Standing(
                record=guest.record,
                announced=guest.announced(world.now),
                is_fresh=True,
            )
            for guest in world.guests.values()
        )
    )


def end_drain(world, *, is_late=False):
    """One look at its end; whether it is over."""
    world.desired = replace(world.desired, avoided_zones=frozenset())
    wanted = given_back(DRAIN, standing_cluster(world), is_late=is_late)
    for amphora_id, changes in wanted.changes.items():
        world._change(amphora_id, **changes)
    return wanted.is_over


def zones(world):
    return sorted(
        world.guests[id_].record.availability_zone or ""
        for id_ in world.announcers()
    )


def test_a_rack_goes_and_comes_back():
    world = made(4)
    drain_zone(world)
    world.run(60)
    assert zones(world) == ["rack2", "rack2"]
    assert world.boots == 4
    assert is_settled(world.desired, world.observe(), world.now)
    verdict = operating_verdict(world.desired, world.observe(), world.now)
    assert verdict.status is OperatingStatus.DEGRADED
    assert "drained by zone drain drain" in verdict.reason
    assert end_drain(world)
    world.run(20)
    assert zones(world) == ["rack1", "rack1", "rack2", "rack2"]
    assert world.boots == 4


def test_elsewhere_the_size_is_kept_all_the_time():
    world = made(4)
    drain_zone(world, boot_elsewhere=True)
    for _ in range(90):
        world.step()
        assert len(world.announcers()) >= 4
    assert zones(world) == ["rack2"] * 4
    assert is_settled(world.desired, world.observe(), world.now)
    verdict = operating_verdict(world.desired, world.observe(), world.now)
    assert verdict.status is OperatingStatus.ONLINE
    assert not end_drain(world)
    for _ in range(90):
        world.step()
        end_drain(world)
        assert len(world.announcers()) >= 4
    assert end_drain(world)
    assert len(world.guests) == 4
    assert zones(world) == ["rack1", "rack1", "rack2", "rack2"]
    assert is_settled(world.desired, world.observe(), world.now)


def test_one_that_waited_drains_for_its_whole_time():
    """Its stand-in takes longer to boot than the drain may last."""
    world = made(2)
    (held,) = (
        g
        for g in world.guests.values()
        if g.record.availability_zone == "rack1"
    )
    held.connections = 5
    world.boots_fail = True
    drain_zone(world, boot_elsewhere=True, seconds=20.0)
    world.run(60)
    assert held.record.draining_since is None
    assert len(world.announcers()) == 2
    world.boots_fail = False
    for _ in range(400):
        if held.record.drained_at:
            break
        world.step()
    assert held.record.drained_at is not None
    lasted = held.record.drained_at - held.record.draining_since
    assert 20 <= lasted.total_seconds() <= 22


def test_a_dead_one_is_replaced_where_nothing_is_drained():
    world = made(2)
    drain_zone(world)
    world.run(30)
    (gone,) = (
        g
        for g in world.guests.values()
        if g.record.availability_zone == "rack1"
    )
    gone.is_dead = gone.is_dead_known = True
    world.run(60)
    assert zones(world) == ["rack2", "rack2"]


def test_a_spare_takes_over_and_nothing_boots():
    world = World(desired=desired_cluster(size=2, spare_count=1))
    world.run(60)
    assert len(world.announcers()) == 2
    spare_zone = next(
        g.record.availability_zone
        for g in world.guests.values()
        if g.record.spare_since is not None
    )
    other = "rack1" if spare_zone == "rack2" else "rack2"
    drain_zone(world, other)
    world.run(60)
    assert len(world.announcers()) == 2
    assert zones(world) == [spare_zone, spare_zone]
    assert world.boots == 3


def test_a_failover_beside_stand_ins_keeps_the_size():
    world = made(2)
    drain_zone(world, boot_elsewhere=True)
    world.run(60)
    assert len(world.announcers()) == 2
    other = next(
        g.record.id
        for g in world.guests.values()
        if g.record.zone_drain_id is None
    )
    world.ask(other, failover_wanted=True)
    for _ in range(90):
        world.step()
        assert len(world.announcers()) >= 2
    assert other not in world.guests


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "rack1",
                "rack2",
                "elsewhere1",
                "elsewhere2",
                "end",
                "replace",
                "scale",
                "update",
                "die",
                "cut_off",
                "break_gate",
                "boots_fail",
                "connect",
            )
        ),
        st.integers(min_value=0, max_value=7),
        st.integers(min_value=0, max_value=25),
    ),
    max_size=10,
)


def happen(world, event, number):
    guests = list(world.guests.values())
    guest = guests[number % len(guests)] if guests else None
    match event:
        case "rack1" | "rack2":
            drain_zone(world, event, seconds=3.0 * number)
        case "elsewhere1" | "elsewhere2":
            zone = f"rack{event[-1]}"
            drain_zone(world, zone, boot_elsewhere=True)
        case "end":
            end_drain(world)
        case "scale":
            size = ClusterSize(desired=1 + number % 4)
            world.desired = replace(world.desired, size=size)
        case "update":
            world.desired = replace(world.desired, revision=f"r{number}")
        case "boots_fail":
            world.boots_fail = bool(number % 2)
        case "replace" if guest:
            world.ask(guest.record.id, failover_wanted=True)
        case "die" if guest:
            guest.is_dead = guest.is_dead_known = True
        case "cut_off" if guest:
            guest.is_cut_off = True
        case "break_gate" if guest:
            guest.is_gate_broken = True
            guest.gate_since = world.now
        case "connect" if guest:
            guest.connections = number % 2


@settings(max_examples=40, deadline=None)
@given(size=st.integers(min_value=1, max_value=4), events=EVENTS)
@example(size=2, events=[("rack1", 1, 20), ("rack2", 1, 20)])
@example(size=1, events=[("elsewhere1", 0, 20), ("elsewhere2", 0, 20)])
@example(
    size=4, events=[("elsewhere1", 0, 9), ("scale", 0, 20), ("end", 0, 0)]
)
def test_nobody_is_ever_without_announcers(size, events):
    """Whatever is drained: the simulation asserts it at each step.

    At the end, with all well and nothing drained, nothing is left of it.
    """
    world = World(desired=desired_cluster(size=size))
    world.run(20)
    for event, number, seconds in events:
        happen(world, event, number)
        world.run(seconds)
    world.boots_fail = False
    for guest in world.guests.values():
        guest.is_cut_off = guest.is_gate_broken = False
        guest.gate_since = world.now
    world.run(400, step=2.0)
    assert world.announcers(), "even while all zones are drained"
    end_drain(world)
    world.run(30)
    assert end_drain(world, is_late=True)
    world.run(300, step=2.0)
    assert world.step() == ()
    assert len(world.guests) == world.desired.size.desired
    assert len(world.announcers()) == world.desired.size.desired


def test_without_the_guard_the_property_would_fail():
    """The control: told to withdraw, the last one leaves nobody."""
    world = made(1)
    (guest,) = world.guests.values()
    assert guest.state is not None
    guest.state = replace(
        guest.state,
        vips=tuple(
            replace(vip, intent=Intent.WITHDRAW) for vip in guest.state.vips
        ),
    )
    assert not world.announcers()
