# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BIRD's syntax: golden files, answers."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.bird import bird_syntax as syntax
from octavia_anycast.model.bgp import BfdTimers, SessionState, SpeakerDriver
from octavia_anycast.tests.unit.agent.states import PEER4, PEER6
from octavia_anycast.tests.unit.agent.states import (
    speaker as any_speaker,
)

HOME = "/var/lib/bird"
GOLDEN = """
ipv4 table peer_p4_4;
ipv6 table peer_p4_6;

protocol static peer_p4_routes4 {
    ipv4 { table peer_p4_4; };
include "/var/lib/bird/peer_p4_4.route[s]";
}

protocol static peer_p4_routes6 {
    ipv6 { table peer_p4_6; };
include "/var/lib/bird/peer_p4_6.route[s]";
}

protocol bgp peer_p4 {
    local as 65100;
    neighbor 172.31.0.11 port 179 as 65001;
    direct;
    # RFC 5082: sent with 255, accepted down to 256 - ttl_hops.
    ttl security on;
    password "s;e{c}r#et";
    hold time 3;
    startup hold time 10;
    connect delay time 1;
    connect retry time 5;
    error wait time 1, 4;
    graceful restart off;
    long lived graceful restart off;
    ipv4 {
        table peer_p4_4;
        import none;
        # The route's own: the front-end address, a third party's.
        next hop keep;
        export filter {
            accept;
        };
    };
"""


def speaker(*peers, **attributes):
    return any_speaker(*peers, driver=SpeakerDriver.BIRD, **attributes)


def render(*speakers, routes=None):
    return syntax.render("172.31.1.5", speakers, routes or {}, HOME)


def main(*speakers):
    return render(*speakers).files[syntax.MAIN_FILE]


def path(address="198.51.100.1", next_hop="10.1.0.5", **attributes):
    return Path(
        **{
            "vip_ip": ip_address(address),
            "nexthop_ip": ip_address(next_hop),
            "peer_id": "p4",
            **attributes,
        }
    )


def render_routes(*paths, files=(), **options):
    """The files of these paths, over those that are there."""
    targets = syntax.channels((speaker(PEER4),), frozenset(paths))
    slots = syntax.assign(targets, dict(files))
    return syntax.render_routes(targets, slots, **options)


def test_golden_file():
    made = render(speaker(PEER4))
    text = made.files[syntax.MAIN_FILE]
    assert GOLDEN in text
    assert "router id 172.31.1.5;" in text
    assert f'define anycast_generation = "{made.generation}";' in text
    assert "bfd" not in text


def test_the_generation_names_peers_and_paths():
    routes = render_routes(path())
    found = {
        made.generation
        for made in (
            render(speaker(PEER4)),
            render(speaker(replace(PEER4, password="other"))),
            render(speaker(PEER4), routes=routes),
        )
    }
    assert len(found) == 3
    again = render(speaker(PEER4), routes=routes)
    assert again == render(speaker(PEER4), routes=routes)


def test_the_port_of_the_peer():
    text = main(speaker(replace(PEER4, peer_port=1790)))
    assert "neighbor 172.31.0.11 port 1790 as 65001;" in text


def test_attributes_of_the_peer_are_in_its_filter():
    text = main(speaker(replace(PEER6, local_pref=7)))
    for statement in (
        "bgp_path.prepend(65100);\n            bgp_path.prepend(65100);",
        "bgp_med = 50;",
        "bgp_community.add((65001, 7));",
        "bgp_large_community.add((1, 2, 3));",
    ):
        assert text.count(statement) == 2, statement  # for each family
    assert "local_pref" not in text  # RFC 4271, 5.1.5: iBGP only


def test_towards_its_own_as():
    text = main(speaker(replace(PEER6, local_pref=7), local_as=65001))
    assert text.count("bgp_local_pref = 7;") == 2
    assert "prepend" not in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ttl_hops": None}, "multihop;"),
        ({"ttl_hops": 3}, "multihop 3;"),
        ({"ttl_hops": 1}, "direct;"),
        ({"ttl_hops": None, "bfd": BfdTimers()}, "direct;"),
    ],
)
def test_hops(changes, expected):
    text = main(speaker(replace(PEER4, **changes)))
    words = [line.strip() for line in text.splitlines()]
    kinds = [w for w in words if w.startswith(("multihop", "direct"))]
    assert kinds == [expected]
    assert ("ttl security on;" in words) is (changes["ttl_hops"] is not None)


def test_bfd():
    timers = BfdTimers(min_tx_ms=50, min_rx_ms=60, multiplier=5)
    text = main(speaker(replace(PEER4, bfd=timers)))
    assert "protocol bfd {" in text
    for line in (
        "min tx interval 50 ms;",
        "min rx interval 60 ms;",
        "multiplier 5;",
    ):
        assert line in text


@pytest.mark.parametrize("hold_time", [0, 90])
def test_keepalive_interval(hold_time):
    """BIRD refuses one beside a hold time of 0."""
    peer = replace(PEER4, hold_time=hold_time, keepalive_interval=10)
    text = main(speaker(peer))
    assert ("keepalive time 10;" in text) is (hold_time == 90)


def test_paths():
    made = render_routes(
        path(is_draining=True),
        path("198.51.100.2", "10.1.0.6"),
        path("198.51.100.3", is_yielding=True),
        path("2001:db8::1", "fd00:10::5"),
        path(peer_id="nobody"),
    )
    assert made == {
        "peer_p4_4.routes": (
            "route 198.51.100.1/32 unreachable { bgp_next_hop = 10.1.0.5; "
            "bgp_origin = ORIGIN_INCOMPLETE; "
            "bgp_community.add((65535, 0)); };\n"
            "route 198.51.100.2/32 unreachable { bgp_next_hop = 10.1.0.6; };\n"
            "route 198.51.100.3/32 unreachable { bgp_next_hop = 10.1.0.5; "
            "bgp_origin = ORIGIN_INCOMPLETE; };\n"
        ),
        "peer_p4_6.routes": (
            "route 2001:db8::1/128 unreachable { "
            "bgp_next_hop = fd00:10::5; };\n"
        ),
    }


def test_paths_of_peers_that_are_gone_are_left_out():
    routes = {"peer_p4_4.routes": "one", "peer_gone_4.routes": "two"}
    made = render(speaker(PEER4), routes=routes)
    assert sorted(made.files) == ["bird.conf", "peer_p4_4.routes"]


def test_names_are_bird_symbols_whatever_the_id_is():
    uuid = "22222222-2222-4222-8222-222222222222"
    name = syntax.protocol_name(uuid)
    assert name == "peer_22222222_2222_4222_8222_222222222222"
    odd = [syntax.protocol_name(x) for x in ('"; }', "x" * 300, "ü", "")]
    assert len(set(odd)) == 4
    assert all(
        n.isascii() and n.replace("_", "a").isalnum() and len(n) < 60
        for n in odd
    )


def test_read_generation():
    assert syntax.generation_from(reply((23, "abc"))) == "abc"
    assert syntax.generation_from(reply((9001, "no symbol"))) == ""


def reply(*lines):
    return syntax.Reply(lines=lines)


DETAILS = """  BGP state:          {state}
    Neighbor address: 172.31.0.11
    Session:          external AS4
  Channel ipv4
    State:          {channel}
    Table:          peer_p4_4
    Routes:         0 imported, 3 exported, 0 preferred
  Channel ipv6
    State:          DOWN
    Table:          peer_p4_6"""


def read(state, channel="UP"):
    details = DETAILS.format(state=state, channel=channel)
    protocol = f"peer_p4    BGP        ---        up     1000    {state}"
    static = "peer_p4_routes4 Static peer_p4_4  up     1000"
    return syntax.sessions_from(
        reply(
            (2002, "Name       Proto      Table      State  Since  Info"),
            (1002, static),
            (1006, "  Channel ipv4\n    State:          UP"),
            (1002, protocol),
            (1006, details),
            (0, ""),
        )
    )


def test_read_sessions():
    assert read("Established") == {
        "peer_p4": syntax.Session(
            state=SessionState.ESTABLISHED,
            since=datetime.fromtimestamp(1000, UTC),
            exported={4: 3},
        )
    }


def test_a_channel_that_is_down_carries_nothing():
    assert read("Established", "DOWN")["peer_p4"].exported == {}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Active", SessionState.ACTIVE),
        ("OpenSent", SessionState.OPEN_SENT),
        ("Close", SessionState.IDLE),
        ("Down", SessionState.IDLE),
    ],
)
def test_states(word, state):
    assert read(word)["peer_p4"].state is state


def test_read_bfd_sessions():
    answer = reply(
        (1020, "bfd1:"),
        (1020, "IP address  Interface  State  Since  Interval  Timeout"),
        (1020, "172.31.0.11  eth0  Up  1764489600  0.100  0.300"),
        (1020, "fd00::1  ---  Init  1764489600  1.000  0.000"),
        (0, ""),
    )
    assert syntax.bfd_states_from(answer) == {
        ip_address("172.31.0.11"): "Up",
        ip_address("fd00::1"): "Init",
    }


def test_without_a_protocol_there_is_no_bfd_session():
    answer = reply((9001, "There is no BFD protocol running"))
    assert syntax.bfd_states_from(answer) == {}


A, B, C = (path(next_hop=f"10.1.0.{n}") for n in (5, 6, 7))
FILES = ("peer_p4_4.routes", "peer_p4_4.1.routes", "peer_p4_4.2.routes")


def held(files):
    """File name -> the next hops in it."""
    return {
        name: [line.split()[6].rstrip(";") for line in text.splitlines()]
        for name, text in files.items()
    }


def test_each_next_hop_of_a_vip_has_a_slot():
    assert held(render_routes(A, B)) == {
        FILES[0]: ["10.1.0.5"],
        FILES[1]: ["10.1.0.6"],
    }


def test_a_path_keeps_its_slot_whatever_comes_and_goes():
    files = render_routes(A, B, C)
    files = render_routes(B, C, files=files)
    assert held(files) == {FILES[1]: ["10.1.0.6"], FILES[2]: ["10.1.0.7"]}
    # In the free slot, in place of the one that has gone.
    other = path(next_hop="10.1.0.4")
    files = render_routes(B, C, other, files=files)
    assert held(files)[FILES[0]] == ["10.1.0.4"]
    # The last one of several stays where it is, too.
    assert held(render_routes(C, files=files)) == {FILES[2]: ["10.1.0.7"]}
    drained = replace(C, is_draining=True)
    assert held(render_routes(drained, files=files)) == {
        FILES[2]: ["10.1.0.7"]
    }


def test_a_spoiled_file_gives_no_slot():
    (text,) = render_routes(A).values()
    for name in ("peer_p4_4.64.routes", "peer_x_4.1.routes", "peer_p4_4.1"):
        assert held(render_routes(A, files={name: text})) == {
            FILES[0]: ["10.1.0.5"]
        }


def test_slots_are_protocols_of_one_table():
    files = render_routes(A, B)
    text = render(speaker(PEER4), routes=files).files[syntax.MAIN_FILE]
    assert (
        """protocol static peer_p4_routes4_1 {
    ipv4 {
        table peer_p4_4;
        preference 199;
    };
include "/var/lib/bird/peer_p4_4.1.route[s]";
}"""
        in text
    )
    assert "peer_p4_routes4 {" in text
    assert "peer_p4_routes6_1" not in text


def test_add_paths_is_offered_to_each_family_and_only_when_asked():
    made = syntax.render(
        "172.31.1.5", (speaker(PEER4),), {}, HOME, adds_paths=True
    )
    assert made.files[syntax.MAIN_FILE].count("add paths tx;") == 2
    assert "add paths" not in main(speaker(PEER4))


def test_a_peer_that_takes_one_path_gets_one_that_does_not_drain():
    drained = replace(A, is_draining=True)
    made = render_routes(drained, B, adds_paths=True)
    assert "preference = 136;" in made[FILES[0]]
    assert "preference" not in made[FILES[1]]
    assert "preference" not in "".join(render_routes(drained).values())
