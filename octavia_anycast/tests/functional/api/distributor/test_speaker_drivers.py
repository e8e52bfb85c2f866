# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which BGP daemon speaks for a distributor, and how that changes."""

import pytest

from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.bgp_resources import (
    DISTRIBUTORS,
    SPEAKERS,
    make_peer,
    make_speaker,
    peer_of,
    speaker_of,
    status_of,
)


def test_bird_with_bfd(api):
    """The peer's BFD needs the driver; timers not given are the defaults."""
    body = samples.distributor(
        speakers=[
            samples.speaker(
                driver="bird",
                peers=[samples.peer(bfd={"min_tx_ms": 50}, ttl_hops=1)],
            )
        ]
    )

    made = api.create(DISTRIBUTORS, body)

    (speaker,) = made["speakers"]
    assert speaker["driver"] == "bird"
    (peer,) = speaker["peers"]
    assert peer_of(api, peer["id"])["bfd"] == {
        "min_tx_ms": 50,
        "min_rx_ms": 100,
        "multiplier": 3,
    }


def test_a_peer_with_bfd_does_not_come_to_exabgp(api, fabric):
    quick = make_peer(api, bfd={}, peer_ip="192.0.2.77")
    (speaker,) = fabric["speakers"]
    path = f"{SPEAKERS}/{speaker['id']}/bgp-peers/{quick['id']}"

    answer = api.call("PUT", path)

    assert answer.status == 400
    assert "bird" in answer.text
    assert status_of(api, fabric) == "ACTIVE"


def test_the_speakers_of_a_distributor_share_one_driver(api, fabric):
    answer = make_speaker(api, fabric, ip_version=6, driver="bird")

    assert answer.status == 400
    assert "driver" in answer.text


@pytest.mark.parametrize(("bfd", "driver"), [({}, "bird"), (None, "exabgp")])
def test_bfd_chooses_bird_where_no_driver_is_chosen(api, bfd, driver):
    """For all speakers, as they share one; with three times 100 ms."""
    speakers = [
        samples.speaker(peers=[samples.peer(bfd=bfd)]),
        samples.speaker(
            ip_version=6, peers=[samples.peer(peer_ip="2001:db8::1")]
        ),
    ]
    for speaker in speakers:
        speaker.pop("driver", None)

    made = api.create(DISTRIBUTORS, samples.distributor(speakers=speakers))

    assert {s["driver"] for s in made["speakers"]} == {driver}
    peer = peer_of(api, made["speakers"][0]["peers"][0]["id"])
    assert peer["bfd"] == (
        None
        if bfd is None
        else {"min_tx_ms": 100, "min_rx_ms": 100, "multiplier": 3}
    )


def test_exabgp_that_is_chosen_is_refused_with_bfd(api):
    body = samples.distributor(
        speakers=[
            samples.speaker(driver="exabgp", peers=[samples.peer(bfd={})])
        ]
    )

    answer = api.call("POST", DISTRIBUTORS, body)

    assert answer.status == 400
    assert "speakers[0].peers[0].bfd" in answer.text
    assert "use the bird driver" in answer.text


def test_a_new_speaker_has_the_driver_of_the_others(api, fabric, bare):
    quick = make_peer(api, bfd={}, peer_ip="192.0.2.77")
    first = make_speaker(api, bare, peers=[{"id": quick["id"]}])
    assert first.body["bgp_speaker"]["driver"] == "bird"
    api.settle()
    second = make_speaker(api, bare, ip_version=6)
    assert second.body["bgp_speaker"]["driver"] == "bird"
    other = make_speaker(api, fabric, ip_version=6)
    assert other.body["bgp_speaker"]["driver"] == "exabgp"


def test_the_driver_changes_for_all_speakers_of_a_distributor(api, fabric):
    second = make_speaker(api, fabric, ip_version=6).body["bgp_speaker"]
    api.settle()
    path = f"{SPEAKERS}/{second['id']}"

    answer = api.call("PUT", path, {"bgp_speaker": {"driver": "bird"}})

    assert answer.status == 200
    assert answer.body["bgp_speaker"]["driver"] == "bird"
    assert answer.body["bgp_speaker"]["local_as"] == second["local_as"]
    assert status_of(api, fabric) == "PENDING_UPDATE"
    shown = api.call("GET", f"{DISTRIBUTORS}/{fabric['id']}").body
    assert {s["driver"] for s in shown["distributor"]["speakers"]} == {"bird"}
    api.settle()
    again = api.call("PUT", path, {"bgp_speaker": {"driver": "bird"}})
    assert again.status == 200
    assert status_of(api, fabric) == "ACTIVE"
    back = api.call("PUT", path, {"bgp_speaker": {"driver": None}})
    assert back.body["bgp_speaker"]["driver"] == "exabgp"


def test_a_driver_that_cannot_serve_the_peers_is_refused(api, bare):
    quick = make_peer(api, bfd={}, peer_ip="192.0.2.77")
    made = make_speaker(api, bare, peers=[{"id": quick["id"]}])
    speaker = made.body["bgp_speaker"]
    api.settle()
    path = f"{SPEAKERS}/{speaker['id']}"

    for driver, word in (("exabgp", "bird"), ("frr", "driver")):
        answer = api.call("PUT", path, {"bgp_speaker": {"driver": driver}})
        assert answer.status == 400
        assert word in answer.text

    assert speaker_of(api, speaker["id"])["driver"] == "bird"
    assert status_of(api, bare) == "ACTIVE"


def test_peers_of_both_networks_are_of_one_distributor(api):
    peers = [
        samples.peer(),
        samples.peer(peer_ip="192.0.2.78", peering_network="frontend"),
    ]
    made = api.create(
        DISTRIBUTORS,
        samples.distributor(speakers=[samples.speaker(peers=peers)]),
    )
    networks = {
        peer_of(api, peer["id"])["peering_network"]
        for peer in made["speakers"][0]["peers"]
    }
    assert networks == {"management", "frontend"}
