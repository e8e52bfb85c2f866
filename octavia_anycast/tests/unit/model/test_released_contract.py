# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a controller sends is taken by the agents of the last release.

They refuse a document with a field that they do not know. So a field that is
newer than they are is sent only if its value is not the default.
"""

import dataclasses
import typing
from ipaddress import ip_address

from octavia_anycast.model import bgp, codec, wire

# The fields that the last release knows. A new release may add its own here
# once nobody upgrades from the one before.
RELEASED = {
    "DesiredState": (
        "amphora_id revision router_id driver speakers vips frontend"
        " load_balancer_id listeners lvs_listener_ids gate keeps_speakers"
        " kept_peer_ids is_distributor version"
    ),
    "Speaker": "id ip_version local_as driver peers",
    "Peer": (
        "id peer_ip remote_as name auth_type password ttl_hops hold_time"
        " keepalive_interval bfd peering_network availability_zone"
        " compute_host max_prefixes communities as_path_prepend med local_pref"
    ),
    "BfdTimers": "min_tx_ms min_rx_ms multiplier",
    "VipState": (
        "vip_ip nexthop_ip load_balancer_id intent peer_ids amphora_id"
    ),
    "Frontend": "mac_address mtu addresses",
    "FrontendAddress": "ip_address prefix_length gateway subnet_id",
    "ListenerSocket": "listener_id ip_address port scheme",
    "GateSettings": (
        "is_enabled interval_ms rise_count fall_count unknown_hold_ms"
        " answer_interval_ms answer_timeout_ms accept_timeout_ms"
        " gateway_interval_ms request"
    ),
    "SyntheticRequest": (
        "path method host codes interval_ms timeout_ms rise_count fall_count"
    ),
}
PEER = bgp.Peer(
    id="peer", peer_ip=ip_address("10.0.0.1"), remote_as=bgp.Asn(65001)
)
SPEAKER = bgp.Speaker(
    id="speaker",
    ip_version=4,
    local_as=bgp.Asn(65100),
    driver="bird",
    peers=(PEER,),
)


def sent_always(kind, found):
    """Class name -> fields that a document of it always has."""
    for argument in typing.get_args(kind):
        sent_always(argument, found)
    if not dataclasses.is_dataclass(kind) or kind.__name__ in found:
        return found
    hints = typing.get_type_hints(kind)
    found[kind.__name__] = names = []
    for f in dataclasses.fields(kind):
        if not f.metadata.get("absent_if_default"):
            names.append(f.name)
            sent_always(hints[f.name], found)
    return found


def test_only_fields_of_the_last_release_are_sent_always():
    always = sent_always(wire.DesiredState, {})

    assert always.keys() == RELEASED.keys()
    for name, fields in always.items():
        assert set(fields) <= set(RELEASED[name].split()), name


def test_digests_are_those_of_the_last_release():
    """Its agents report them; others would be pushed for ever."""
    assert codec.speakers_digest((SPEAKER,)) == (
        "1cdbc9b63ace03086d9a973b1a7fde619c6100a651325dbf24dbcff4d2357123"
    )
    assert codec.peer_digests((SPEAKER,)) == {
        "peer": (
            "f192a613e96aadde066ac2612c3e1cc78592c5e004388d70ac35f2f219ee76fa"
        )
    }


def test_a_value_that_is_no_default_is_sent_and_counts():
    other = dataclasses.replace(PEER, peer_port=1790)

    assert "peer_port" not in codec.to_document(PEER)
    assert codec.to_document(other)["peer_port"] == 1790
    assert codec.read(bgp.Peer, codec.to_document(other)) == other
    assert codec.read(bgp.Peer, codec.to_document(PEER)) == PEER
    assert codec.speakers_digest((SPEAKER,)) != codec.speakers_digest(
        (dataclasses.replace(SPEAKER, peers=(other,)),)
    )
