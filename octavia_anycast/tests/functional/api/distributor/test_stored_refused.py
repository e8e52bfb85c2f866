# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows that an older release stored and this one refuses.

They are shown, listed, changed and deleted; what is beside them goes on.
"""

import pytest

from octavia_anycast.cmd import manage_state
from octavia_anycast.model.errors import Permanent
from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.balancers import post
from octavia_anycast.tests.functional.bgp_resources import (
    DISTRIBUTORS,
    PEERS,
    SPEAKERS,
    make_peer,
    put_peer,
    status_of,
)

PEER_TABLE = "anycast_distributor_l3_bgp_peer"
SPEAKER_TABLE = "anycast_distributor_l3_bgp_speaker"
ZONE_TABLE = "anycast_distributor_zone"
DISTRIBUTOR_TABLE = "anycast_distributor"
# column, value, what mends it, the attribute that is named
SPOILT_PEERS = [
    ("remote_as", 0, 65001, "remote_as"),
    ("remote_as", 23456, 65001, "remote_as"),
    ("remote_as", 65535, 65001, "remote_as"),
    ("remote_as", 4294967295, 65001, "remote_as"),
    ("peer_ip", "127.0.0.1", "172.31.0.11", "peer_ip"),
    ("peer_ip", "169.254.0.1", "172.31.0.11", "peer_ip"),
    ("peer_ip", "240.0.0.1", "172.31.0.11", "peer_ip"),
    ("peer_ip", "255.255.255.255", "172.31.0.11", "peer_ip"),
    ("peer_ip", "fe80::1", "172.31.0.11", "peer_ip"),
    ("peer_ip", "fe80::1%eth0", "172.31.0.11", "peer_ip"),
    ("peer_ip", "::ffff:10.0.0.1", "172.31.0.11", "peer_ip"),
    ("peer_ip", "2001:db8::1", "172.31.0.11", "peer_ip"),
    ("availability_zone", "", "rack1", "availability_zone"),
    ("compute_host", " ", None, "compute_host"),
    ("hold_time", 2, 3, "hold_time"),
    ("ttl_hops", 255, 1, "ttl_hops"),
    ("bfd_multiplier", 1, None, "multiplier"),
    ("communities", '["65100"]', ["65100:1"], "communities"),
    ("name", "leaf\n1", "leaf1", "name"),
]


def spoil(api, table, column, value):
    """Write into each row what the API would refuse."""
    with api.database.transaction() as session:
        connection = session.connection()
        if column == "bfd_multiplier":
            connection.exec_driver_sql(
                f"UPDATE {table} SET bfd_min_tx_ms = 50, bfd_min_rx_ms = 50"
            )
        connection.exec_driver_sql(
            f"UPDATE {table} SET {column} = ?", (value,)
        )


def complaints(api, capsys):
    """What the operator's command says: its rows."""
    capsys.readouterr()
    try:
        manage_state.distributor_check(api.database)
    except Permanent:
        return capsys.readouterr().out.splitlines()[1:]
    return []


def listed(api, path):
    answer = api.call("GET", path)
    assert answer.status == 200, answer.text
    (found, *_) = answer.body.values()
    return found


def the_peer(api):
    (found,) = listed(api, PEERS)
    return found


def expect_all_shown(api):
    """Lists and each of them alone."""
    for path in (PEERS, SPEAKERS, DISTRIBUTORS):
        for one in listed(api, path):
            answer = api.call("GET", f"{path}/{one['id']}")
            assert answer.status == 200, answer.text
    for one in listed(api, DISTRIBUTORS):
        for below in ("paths", "amphorae", "vips"):
            listed(api, f"{DISTRIBUTORS}/{one['id']}/{below}")


@pytest.mark.parametrize(("column", "value", "right", "name"), SPOILT_PEERS)
def test_a_peer_is_shown_named_and_mended(
    api, fabric, capsys, column, value, right, name
):
    assert complaints(api, capsys) == []
    spoil(api, PEER_TABLE, column, value)
    peer_id = the_peer(api)["id"]

    expect_all_shown(api)
    (line,) = complaints(api, capsys)
    assert f"BGP peer  {peer_id}  {name} " in line
    assert f"openstack loadbalancer bgp peer set {peer_id}" in line
    attribute = "bfd" if column.startswith("bfd") else column
    answer = put_peer(api, peer_id, **{attribute: right})
    assert answer.status == 200, answer.text
    assert complaints(api, capsys) == []
    assert status_of(api, fabric) == "PENDING_UPDATE"


@pytest.mark.parametrize(
    ("table", "column", "value", "kind", "path", "change"),
    [
        (
            SPEAKER_TABLE,
            "local_as",
            23456,
            "BGP speaker",
            SPEAKERS,
            {"bgp_speaker": {"local_as": 65100}},
        ),
        (
            ZONE_TABLE,
            "availability_zone",
            " ",
            "zone of distributor",
            DISTRIBUTORS,
            {"distributor": {"zones": [{"availability_zone": "rack1"}]}},
        ),
        (
            DISTRIBUTOR_TABLE,
            "name",
            "fab\nric",
            "distributor",
            DISTRIBUTORS,
            {"distributor": {"name": "fabric"}},
        ),
        (
            DISTRIBUTOR_TABLE,
            "dedicated_count",
            9,
            "distributor",
            DISTRIBUTORS,
            {"distributor": {"dedicated_count": 0}},
        ),
    ],
)
def test_what_is_beside_peers_too(
    api, fabric, capsys, table, column, value, kind, path, change
):
    zones = {"zones": [{"availability_zone": "rack1"}]}
    own = f"{DISTRIBUTORS}/{fabric['id']}"
    assert api.call("PUT", own, {"distributor": zones}).status == 200
    api.settle()
    spoil(api, table, column, value)

    expect_all_shown(api)
    (line,) = complaints(api, capsys)
    assert line.startswith(f"{kind} ")
    (wrong,) = listed(api, path)
    answer = api.call("PUT", f"{path}/{wrong['id']}", change)
    assert answer.status == 200, answer.text
    assert complaints(api, capsys) == []


def test_other_distributors_take_load_balancers(api, default, vip):
    spoil(api, PEER_TABLE, "remote_as", 23456)
    other = api.create(DISTRIBUTORS, samples.distributor(name="other"))

    assert post(api, vip, distributor_id=other["id"]).status == 201


def test_each_of_two_is_mended_alone(api, fabric, capsys):
    second = make_peer(api, peer_ip="172.31.0.12")
    (speaker,) = listed(api, SPEAKERS)
    path = f"{SPEAKERS}/{speaker['id']}/bgp-peers/{second['id']}"
    assert api.call("PUT", path).status == 200
    api.settle()
    spoil(api, PEER_TABLE, "remote_as", 65535)
    assert len(complaints(api, capsys)) == 2

    for left, peer in enumerate(reversed(listed(api, PEERS))):
        answer = put_peer(api, peer["id"], remote_as=65001)
        assert answer.status == 200, answer.text
        assert len(complaints(api, capsys)) == 1 - left
        api.settle()


def test_what_is_beside_it_can_be_changed(api, fabric):
    spoil(api, PEER_TABLE, "remote_as", 65535)
    own = f"{DISTRIBUTORS}/{fabric['id']}"

    for change in ({"description": "x"}, {"enabled": False}):
        answer = api.call("PUT", own, {"distributor": change})
        assert answer.status == 200, answer.text
        api.settle()


def test_it_is_not_made_worse(api, fabric):
    """Nor spread: a wrong peer gets no further speaker."""
    spoil(api, PEER_TABLE, "remote_as", 65535)
    peer_id = the_peer(api)["id"]
    own = {"distributor": {"name": "x", "speakers": [samples.speaker()]}}
    own["distributor"]["speakers"][0]["peers"] = [{"id": peer_id}]
    bare = api.create(DISTRIBUTORS, samples.distributor(speakers=[]))
    api.settle()
    speaker = {
        "distributor_id": bare["id"],
        "ip_version": 4,
        "local_as": 65100,
    }

    answers = [
        put_peer(api, peer_id, med=7),
        put_peer(api, peer_id, remote_as=23456),
        api.call("POST", DISTRIBUTORS, own),
        api.call(
            "POST",
            SPEAKERS,
            {"bgp_speaker": speaker | {"peers": [{"id": peer_id}]}},
        ),
    ]
    made = api.create(SPEAKERS, {"bgp_speaker": speaker})
    api.settle()
    path = f"{SPEAKERS}/{made['id']}/bgp-peers/{peer_id}"
    answers.append(api.call("PUT", path))

    for answer in answers:
        assert answer.status == 400, answer.text
        assert "remote_as: " in answer.fault
    assert len(listed(api, DISTRIBUTORS)) == 2


def test_it_is_unregistered_and_deleted(api, fabric, capsys):
    spoil(api, PEER_TABLE, "peer_ip", "fe80::1")
    peer_id = the_peer(api)["id"]
    (speaker,) = listed(api, SPEAKERS)

    path = f"{SPEAKERS}/{speaker['id']}/bgp-peers/{peer_id}"
    assert api.call("DELETE", path).status == 204
    assert api.call("DELETE", f"{PEERS}/{peer_id}").status == 204
    assert complaints(api, capsys) == []


@pytest.mark.parametrize("is_unused", [True, False])
def test_a_peer_that_nobody_uses_is_named_as_well(api, capsys, is_unused):
    if is_unused:
        make_peer(api)
    else:
        api.create(DISTRIBUTORS, samples.distributor())
    spoil(api, PEER_TABLE, "hold_time", 1)

    assert len(complaints(api, capsys)) == 1
