# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is an orphan, and above all what is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.housekeeping import (
    AnnouncedPath,
    Census,
    Inventory,
    OrphanKind,
    Seen,
)
from octavia_anycast.planning import housekeeping

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BORN = NOW - timedelta(hours=2)
GONE = NOW - timedelta(hours=1)
VIP = ip_address("198.51.100.10")
STRANGE = ip_address("203.0.113.1")


def amphora(identifier="a", load_balancer_id="lb", **changes):
    values = {
        "status": AmphoraStatus.ALLOCATED,
        "status_since": GONE,
        "compute_id": f"server-{identifier}",
        **changes,
    }
    return AmphoraRecord(
        id=identifier, load_balancer_id=load_balancer_id, **values
    )


DELETED = {"status": AmphoraStatus.DELETED}


def cluster(identifier="lb"):
    return ClusterRecord(
        load_balancer_id=identifier,
        project_id="p",
        distributor_id="d",
        size=ClusterSize(desired=1),
        created_at=BORN,
    )


def server(amphora_id="a", identifier=None):
    return Seen(
        id=identifier or f"server-{amphora_id}",
        amphora_id=amphora_id,
        created_at=BORN,
    )


def port(amphora_id="a"):
    return Seen(
        id=f"port-{amphora_id}",
        amphora_id=amphora_id,
        is_named_by_us=True,
        created_at=BORN,
    )


def of_load_balancer(prefix, identifier="lb"):
    return Seen(
        id=f"{prefix}-{identifier}",
        load_balancer_id=identifier,
        created_at=BORN,
    )


# A load balancer in use with all that it has.
WHOLE = Inventory(
    clusters=(cluster(),),
    amphorae=(amphora(),),
    octavia=Census(live=frozenset({"lb"}), vips={"lb": frozenset({VIP})}),
    servers=(server(),),
    ports=(port(), of_load_balancer("vip")),
    security_groups=(of_load_balancer("sg"),),
    paths=(AnnouncedPath(amphora_id="a", vip_ip=VIP),),
)


def found(inventory):
    return {(o.kind.value, o.id) for o in housekeeping.find(inventory)}


def test_nothing_of_a_living_load_balancer():
    assert found(WHOLE) == set()


def test_all_of_a_load_balancer_that_is_gone():
    gone = replace(WHOLE, octavia=Census())
    assert found(gone) == {
        ("amphora", "a"),
        ("port", "vip-lb"),
        ("security_group", "sg-lb"),
        ("cluster", "lb"),
        ("path", f"{VIP} of a"),
    }


def test_deleted_in_octavia_is_gone_as_well():
    """Also when no row of ours is left to claim anything."""
    left = Inventory(
        octavia=Census(deleted=frozenset({"lb"})),
        ports=(of_load_balancer("vip"),),
        security_groups=(of_load_balancer("sg"),),
    )
    assert found(left) == {("port", "vip-lb"), ("security_group", "sg-lb")}


def test_they_are_removed_in_an_order_that_works():
    gone = replace(WHOLE, octavia=Census())
    kinds = [orphan.kind for orphan in housekeeping.find(gone)]
    assert kinds == sorted(kinds, key=list(OrphanKind).index)


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ((amphora(),), set()),
        ((amphora(compute_id=None, status=AmphoraStatus.BOOTING),), set()),
        ((amphora(status=AmphoraStatus.ERROR),), set()),
        ((amphora(status=AmphoraStatus.PENDING_DELETE),), set()),
        ((amphora(**DELETED),), {("server", "server-a"), ("port", "port-a")}),
        # The port is what says that the server is ours: it stays until then.
        ((), {("server", "server-a")}),
        # A call to the compute service that was made twice.
        ((amphora(compute_id="another"),), {("server", "server-a")}),
    ],
)
def test_server_and_port_of_an_amphora(records, wanted):
    inventory = replace(WHOLE, amphorae=records, paths=())
    assert found(inventory) == wanted


def test_since_is_when_the_later_condition_came_true():
    (orphan,) = (
        o
        for o in housekeeping.find(
            replace(WHOLE, amphorae=(amphora(**DELETED),), ports=(), paths=())
        )
        if o.kind is OrphanKind.SERVER
    )
    assert orphan.since == GONE


def test_a_server_that_nobody_knows_is_only_reported():
    inventory = replace(WHOLE, servers=(server(), server("unknown")))
    (orphan,) = housekeeping.find(inventory)
    assert orphan.id == "server-unknown"
    assert not orphan.is_ours


def test_a_server_without_record_is_ours_by_its_port():
    inventory = Inventory(servers=(server(),), ports=(port(),))
    assert all(orphan.is_ours for orphan in housekeeping.find(inventory))
    assert found(inventory) == {("server", "server-a")}
    assert found(replace(inventory, servers=())) == {("port", "port-a")}


@pytest.mark.parametrize(
    ("changes", "is_orphan"),
    [
        ({}, True),
        ({"external_vips": {"a": frozenset({STRANGE})}}, False),
        ({"external_vips": {"b": frozenset({STRANGE})}}, True),
        ({"amphorae": (amphora(load_balancer_id=None),)}, False),
        (
            {
                "octavia": Census(
                    live=frozenset({"lb"}),
                    vips={"lb": frozenset({VIP, STRANGE})},
                )
            },
            False,
        ),
        # Another load balancer's VIP is not this amphora's.
        (
            {
                "octavia": Census(
                    live=frozenset({"lb", "other"}),
                    vips={
                        "lb": frozenset({VIP}),
                        "other": frozenset({STRANGE}),
                    },
                )
            },
            True,
        ),
    ],
)
def test_a_path_that_is_no_vip(changes, is_orphan):
    paths = (AnnouncedPath(amphora_id="a", vip_ip=STRANGE),)
    inventory = replace(WHOLE, paths=paths, **changes)
    assert found(inventory) == (
        {("path", f"{STRANGE} of a")} if is_orphan else set()
    )


def test_a_dedicated_amphora_has_no_load_balancer_and_is_none():
    dedicated = amphora("d", load_balancer_id=None)
    inventory = replace(
        WHOLE,
        amphorae=(amphora(), dedicated),
        servers=(server(), server("d")),
        ports=(port(), port("d")),
    )
    assert found(inventory) == set()


IDS = st.sampled_from([f"stock-{n}" for n in range(4)])
OURS = st.sampled_from(["a", "b", "c"])


@given(
    servers=st.sets(IDS),
    balancers=st.sets(IDS),
    known=st.sets(IDS),
    records=st.lists(
        st.tuples(OURS, st.sampled_from(list(AmphoraStatus))),
        unique_by=lambda r: r[0],
    ),
    live=st.sets(st.sampled_from(["lb", "lb2"])),
)
def test_what_stock_octavia_has_is_never_taken(
    servers, balancers, known, records, live
):
    """With whatever of ours beside it, and whether Octavia has rows of it.

    Stock Octavia's servers, VIP ports and groups have names as ours.
    """
    inventory = Inventory(
        clusters=(cluster(), cluster("lb2")),
        amphorae=tuple(
            amphora(identifier, status=status)
            for identifier, status in records
        ),
        octavia=Census(live=frozenset(live), stock_amphorae=frozenset(known)),
        servers=tuple(map(server, sorted(servers))),
        ports=tuple(of_load_balancer("vip", i) for i in sorted(balancers)),
        security_groups=tuple(
            of_load_balancer("sg", i) for i in sorted(balancers)
        ),
    )
    taken = {o.id for o in housekeeping.find(inventory) if o.is_ours}
    assert not any("stock" in identifier for identifier in taken)
    reported = {
        o.amphora_id for o in housekeeping.find(inventory) if not o.is_ours
    }
    assert reported == servers - known
