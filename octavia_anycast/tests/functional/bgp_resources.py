# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP peers and speakers, as the tests of the API make and read them."""

from octavia_anycast.db.distributor import peers
from octavia_anycast.octavia_adapter.secrets import FernetCipher
from octavia_anycast.testing import samples

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
NOBODY = "6a1f2f60-0000-4000-8000-000000000001"


def make_peer(api, **changes):
    return api.create(PEERS, {"bgp_peer": samples.peer(**changes)})


def peer_of(api, peer_id):
    return api.call("GET", f"{PEERS}/{peer_id}").body["bgp_peer"]


def put_peer(api, peer_id, **changes):
    return api.call("PUT", f"{PEERS}/{peer_id}", {"bgp_peer": changes})


def password_of(api, peer_id):
    with api.database.transaction() as session:
        return peers.find(session, [peer_id], FernetCipher())[peer_id].password


def status_of(api, distributor):
    path = f"{DISTRIBUTORS}/{distributor['id']}"
    return api.call("GET", path).body["distributor"]["provisioning_status"]


def make_speaker(api, distributor, **changes):
    body = {
        "distributor_id": distributor["id"],
        "ip_version": 4,
        "local_as": 65100,
    } | changes
    return api.call("POST", SPEAKERS, {"bgp_speaker": body})


def speaker_of(api, speaker_id):
    return api.call("GET", f"{SPEAKERS}/{speaker_id}").body["bgp_speaker"]
