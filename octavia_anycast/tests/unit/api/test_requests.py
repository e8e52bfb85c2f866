# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a request may not ask for, because no agent could carry it out."""

import pytest

from octavia_anycast.api.bgp.peer import NOT_GIVEN, PEER
from octavia_anycast.api.declaration import bodies
from octavia_anycast.api.distributor import distributor_from
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.errors import InvalidRequest


def body(speaker=(), peer=()):
    """A valid body, changed."""
    peers = [{"peer_ip": "172.31.0.11", "remote_as": 65001, **dict(peer)}]
    speakers = [
        {"ip_version": 4, "local_as": 65100, "peers": peers, **dict(speaker)}
    ]
    return {"distributor": {"name": "fabric", "speakers": speakers}}


def test_the_body_that_the_others_change_is_accepted():
    assert distributor_from(body(), {}).name == "fabric"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"speaker": {"driver": "frr"}}, "speakers[0].driver"),
        (
            {"peer": {"hold_time": 90, "keepalive_interval": 10}},
            "speakers[0].peers[0].keepalive_interval",
        ),
        (
            {"speaker": {"driver": "exabgp"}, "peer": {"bfd": {}}},
            "speakers[0].peers[0].bfd",
        ),
    ],
)
def test_what_the_agent_cannot_do_is_refused(changes, field):
    with pytest.raises(InvalidRequest) as caught:
        distributor_from(body(**changes), {})
    assert caught.value.field == field


SECRET = "s3cret-of-the-fabric"
MISPLACED = [
    body(speaker={"peers": {"password": SECRET}}),
    body(speaker={"peers": [[SECRET]]}),
    body(speaker={"peers": [SECRET]}),
    body(speaker={"local_as": {"password": SECRET}}),
    body(peer={"name": {"password": SECRET}}),
    body(peer={"communities": {"password": SECRET}}),
    body(peer={"auth_type": ["md5", SECRET]}),
    body(peer={"bfd": [SECRET]}),
    {"distributor": {"speakers": {"peers": [{"password": SECRET}]}}},
    {"distributor": [{"password": SECRET}]},
]


@pytest.mark.parametrize("document", MISPLACED)
def test_a_complaint_repeats_no_value_that_may_hold_a_password(document):
    with pytest.raises(InvalidRequest) as caught:
        distributor_from(document, {})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", [[SECRET], {"a": SECRET}, 20240817, 1.5])
def test_a_password_of_a_wrong_type_is_not_repeated(value):
    peer = {"peer_ip": "172.31.0.11", "remote_as": 65001, "auth_type": "md5"}
    with pytest.raises(InvalidRequest) as caught:
        bodies.read(
            PEER,
            Peer,
            {"bgp_peer": {**peer, "password": value}},
            without=NOT_GIVEN,
        )
    assert caught.value.field == "password"
    assert SECRET not in str(caught.value)
    assert str(value) not in str(caught.value)
