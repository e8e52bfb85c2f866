# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A page longer than what SQLAlchemy loads in one go (500)."""

from ipaddress import ip_address

import pytest
from sqlalchemy import Engine, event

from octavia_anycast.db import models

PATH = "/v2/lbaas/distributors"
COUNT = 600


@pytest.fixture
def many(api):
    peer = models.Peer(
        id=models.new_id(),
        name="leaf1",
        peer_ip=ip_address("172.31.0.11"),
        remote_as=65001,
        hold_time=90,
        peering_network="management",
        communities=(),
        as_path_prepend=0,
    )
    with api.database.transaction() as session:
        session.add(peer)
        session.flush()
        session.add_all(_distributor(n, peer.id) for n in range(COUNT))
    return api


def _distributor(number, peer_id):
    registration = models.PeerRegistration(peer_id=peer_id)
    return models.Distributor(
        name=f"d{number:03}",
        distributor_type="L3_BGP",
        provisioning_status="ACTIVE",
        operating_status="ONLINE",
        is_enabled=True,
        speakers=[
            models.Speaker(
                ip_version=4,
                local_as=65100,
                driver="exabgp",
                registrations=[registration],
            )
        ],
        zones=[models.Zone(availability_zone=f"rack{number}")],
    )


def page(api, query):
    """A page, and how many queries it took."""
    said = []

    def note(_connection, _cursor, statement, *_):
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = api.call("GET", f"{PATH}?{query}")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert answer.status == 200, answer.text
    return answer.body["distributors"], len(said)


def test_a_long_page_takes_no_more_queries_than_a_short_one(many):
    few, short = page(many, "limit=2")
    whole, long = page(many, f"limit={COUNT}")

    assert (len(few), len(whole)) == (2, COUNT)
    assert long == short


@pytest.mark.parametrize(
    "query",
    ["limit=5&sort=name:desc", "name=d123", "limit=7&sort=name&enabled=true"],
)
def test_what_belongs_to_a_row_is_its_own(many, query):
    """Each has the zone of its number, whatever the page and its order."""
    shown, _ = page(many, query)

    assert shown
    for one in shown:
        (zone,) = one["zones"]
        assert zone["availability_zone"] == f"rack{int(one['name'][1:])}"
        ((peer,),) = (speaker["peers"] for speaker in one["speakers"])
        assert peer["id"]
