# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is stored and refused now: made all the same, and named."""

from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import (
    BfdTimers,
    Peer,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.stored import (
    about_distributor,
    about_peer,
    checked,
    unchecked,
)


def peer(number=1, **changes):
    values = {
        "id": f"peer-{number}",
        "peer_ip": ip_address(f"10.0.0.{number}"),
        "remote_as": 65001,
    }
    return unchecked(Peer, **values | changes)


def speaker(*peers, **changes):
    values = {"id": "speaker", "ip_version": 4, "local_as": 65100}
    return unchecked(Speaker, **values | {"peers": peers} | changes)


def distributor(*speakers, **changes):
    return unchecked(Distributor, id="d", speakers=speakers, **changes)


def named(found):
    return [(c.id, c.field) for c in about_distributor(found)]


def test_what_is_right_is_equal_to_what_is_checked():
    values = {
        "id": "p",
        "peer_ip": ip_address("10.0.0.1"),
        "remote_as": 65001,
    }

    assert unchecked(Peer, **values) == checked(Peer, **values)
    assert list(about_peer(unchecked(Peer, **values))) == []
    assert named(distributor(speaker(peer(), peer(2)))) == []


def test_what_is_wrong_is_not_checked_but_made():
    with pytest.raises(InvalidRequest):
        checked(Zone, availability_zone=" ")

    assert unchecked(Zone, availability_zone=" ").availability_zone == " "


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            distributor(speaker(peer(remote_as=0), peer(2, ttl_hops=0))),
            [("peer-1", "remote_as"), ("peer-2", "ttl_hops")],
        ),
        (
            distributor(speaker(peer(remote_as=0), peer(2), local_as=23456)),
            [("speaker", "local_as"), ("peer-1", "remote_as")],
        ),
        (
            distributor(speaker(peer(), peer(2, peer_ip=peer().peer_ip))),
            [("peer-2", "peer_ip")],
        ),
        (
            distributor(speaker(peer(bfd=BfdTimers()))),
            [("peer-1", "bfd")],
        ),
        (
            distributor(
                speaker(peer(bfd=unchecked(BfdTimers, multiplier=1))),
            ),
            [("peer-1", "multiplier")],
        ),
        (
            distributor(
                speaker(),
                speaker(ip_version=6, driver=SpeakerDriver.BIRD),
            ),
            [("d", "driver")],
        ),
        (distributor(speaker(), speaker()), [("d", "ip_version")]),
        (
            distributor(
                zones=(
                    unchecked(Zone, availability_zone=""),
                    Zone(availability_zone="a"),
                    unchecked(Zone, frontend_subnet_ids=("s",)),
                )
            ),
            [("d", "availability_zone"), ("d", "frontend_network_id")],
        ),
        (
            distributor(zones=(Zone(), Zone()), dedicated_count=9),
            [("d", "dedicated_count")],
        ),
        (distributor(zones=(Zone(), Zone())), [("d", "availability_zone")]),
    ],
)
def test_each_row_is_named_once(found, expected):
    assert named(found) == expected
