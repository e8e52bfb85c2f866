# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A rack's last paths drain: no packet may go in circles (ADR 0169).

Two stand-ins in each rack; those of one drain together, and come back, under
new requests. The control tells GRACEFUL_SHUTDOWN at once: the leaf sends
packets back to spines that still send them to the leaf, until their TTL ends.
"""

import collections
import ipaddress

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record
from standin import PORT, VIP_V4, Standin

pytestmark = pytest.mark.lab

PREFIX = ipaddress.ip_network(f"{VIP_V4}/32")
PREFIXES = (str(PREFIX),)
YIELDING = "bgp_origin = ORIGIN_INCOMPLETE; "
DRAINING = f"{YIELDING}bgp_community.add((65535, 0)); "
RATE = 60.0
ROUNDS = 5
ROUNDS_MAX = 40
SECONDS = 30.0
ROUTERS = tuple(
    node.name for node in (*settings.SPINES, *settings.RACK_LEAVES)
)


@pytest.fixture(scope="module")
def standins(fabric):
    made = [
        Standin(lab=fabric.lab, registry=fabric.registry, index=i, rack=rack)
        for i, rack in enumerate(("rack1", "rack1", "rack2", "rack2"), 1)
    ]
    for one in made:
        one.up(PREFIXES)
    process.wait_until(
        lambda: len(observe.announcers(fabric.lab, PREFIXES[0])) == len(made),
        SECONDS,
        "all stand-ins' paths",
    )
    yield made
    for one in made:
        one.down()


@pytest.fixture(params=["rack1", "rack2"])
def rack(standins, request):
    """The stand-ins of one rack: a spine may prefer either leaf."""
    found = [one for one in standins if one.rack == request.param]
    come_back(found)
    yield found
    come_back(found)


def used(one, router):
    """The AS paths that a router uses."""
    return {
        p.as_path for p in observe.paths(one.lab, router, PREFIX) if p.is_used
    }


def do_spines_use(one):
    return [
        any(one.leaf.asn in path for path in used(one, spine.name))
        for spine in settings.SPINES
    ]


def announce(rack, attributes):
    for one in rack:
        one.reannounce(PREFIXES, attributes)


def come_back(rack):
    announce(rack, "")
    one = rack[0]
    own = {(settings.AMPHORA_AS,)}
    process.wait_until(
        lambda: all(do_spines_use(one)) and used(one, one.leaf.name) == own,
        SECONDS,
        "the rack's paths everywhere",
    )


def make_yield(rack):
    """Until the spines have left; the rack's own leaf goes on."""
    announce(rack, YIELDING)
    one = rack[0]
    process.wait_until(
        lambda: not any(do_spines_use(one)), SECONDS, "spines that left"
    )
    assert used(one, one.leaf.name) == {(settings.AMPHORA_AS,)}


def drain(rack):
    announce(rack, DRAINING)
    one = rack[0]
    process.wait_until(
        lambda: (
            not any(do_spines_use(one))
            and (settings.AMPHORA_AS,) not in used(one, one.leaf.name)
        ),
        SECONDS,
        "no router that uses the rack's paths",
    )


def expired(lab):
    """How many packets ended in the fabric because they went in circles."""
    words = ["nstat", "-asz", "IcmpOutTimeExcds"]
    return sum(
        int(netns.run(lab.namespace(name), words).stdout.split()[-2])
        for name in ROUTERS
    )


def streaming(one):
    target = http_probe.Target(address=str(VIP_V4), port=PORT)
    return clients.streaming(one.lab, one.registry, target, RATE, 300.0)


def losses(records):
    """Second of the stream -> SYNs that got no answer in time."""
    began = min(r.start for r in records)
    lost = collections.Counter()
    for record in records:
        lost[int(record.start - began)] += record.lost_syns
    return +lost


def failed(records):
    return [r for r in records if r.outcome is not traffic_record.Outcome.OK]


def test_routers_further_off_leave_first(rack):
    """In each round no packet goes in circles, and no request fails."""
    lab = rack[0].lab
    before = expired(lab)
    with streaming(rack[0]) as stream:
        for _ in range(ROUNDS):
            make_yield(rack)
            drain(rack)
            come_back(rack)
        records = stream.stop()
    assert len(records) > RATE
    assert expired(lab) == before
    unreachable = traffic_record.Outcome.UNREACHABLE
    assert not [r for r in failed(records) if r.outcome is unreachable]
    assert losses(records) == {}


def test_told_at_once_packets_go_in_circles(rack):
    """The control."""
    lab = rack[0].lab
    before = expired(lab)
    with streaming(rack[0]) as stream:
        for _ in range(ROUNDS_MAX):
            drain(rack)
            come_back(rack)
            if expired(lab) > before and failed(stream.records()):
                break
        records = stream.stop()
    assert expired(lab) > before
    assert failed(records)
