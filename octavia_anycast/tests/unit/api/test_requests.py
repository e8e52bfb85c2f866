# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a request may not ask for, because no agent could carry it out."""

import pytest

from octavia_anycast.api.requests import distributor_from
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
        ({"speaker": {"driver": "bird"}}, "speakers[0].driver"),
        (
            {"peer": {"peering_network": "frontend"}},
            "speakers[0].peers[0].peering_network",
        ),
        (
            {"peer": {"hold_time": 90, "keepalive_interval": 10}},
            "speakers[0].peers[0].keepalive_interval",
        ),
        ({"peer": {"bfd": {}}}, "speakers[0].peers[0].bfd"),
    ],
)
def test_what_the_agent_cannot_do_is_refused(changes, field):
    with pytest.raises(InvalidRequest) as caught:
        distributor_from(body(**changes), {})
    assert caught.value.field == field
