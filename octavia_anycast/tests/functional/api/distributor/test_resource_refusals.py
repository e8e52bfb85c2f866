# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bad input, for every attribute of every resource of ours.

Each is refused with a sentence that names the attribute, and nothing of it is
stored.
"""

from dataclasses import fields

import pytest

from octavia_anycast.api.bgp.speaker import SpeakerRequest
from octavia_anycast.api.distributor import DistributorRequest
from octavia_anycast.db import schema
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.distributor import Zone
from octavia_anycast.testing import samples

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
TABLES = [
    table
    for table in schema.METADATA.tables
    if table.startswith("anycast_distributor")
]
NOBODY = "6a1f2f60-0000-4000-8000-000000000001"
LONG = "x" * 256
NOT_TEXT = (7, 1.5, True, [], {}, LONG, "\ud800")
NOT_NUMBER = ("1", 1.5, True, [], {}, "", float("nan"), 10**400)
NOT_AS = (0, 23456, 65535, 4294967295)
NOT_NAME = (*NOT_TEXT, "a\nb", "\x1b[31m", "a\x00b")
NOT_PLACE = (*NOT_NAME, "", " ")
NOT_FLAG = ("yes", "true", 1, 0, [], {})
NOT_LIST = ("x", 7, True, {})
NOT_OBJECT = ("x", 7, True, [])
NOT_ID = (7, True, [], {}, "", "x", LONG, "🕸", NOBODY + "0")

# attribute -> values that it cannot have. null is looked at apart.
PEER = {
    "name": NOT_NAME,
    "peer_ip": (
        *NOT_NUMBER[1:5],
        7,
        "",
        "172.31.0.256",
        "172.31.0.11/24",
        "leaf1",
        "\u0661\u0667\u0662.31.0.11",  # digits, but not of ASCII
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "fe80::1%eth0",
        "fe80::1",
        "169.254.0.1",
        "127.0.0.1",
        "::1",
        "240.0.0.1",
        "255.255.255.255",
        "::ffff:172.31.0.11",
        LONG,
    ),
    "remote_as": (*NOT_NUMBER, *NOT_AS, -1, 4294967296, "65000"),
    "auth_type": (*NOT_TEXT, "sha1", "MD5", ""),
    "password": (7, True, [], {}, "", "p" * 81, "pässwort", 'a"b', "a b"),
    "peer_port": (*NOT_NUMBER, 0, 65536),
    "ttl_hops": (*NOT_NUMBER, 0, 255),
    "hold_time": (*NOT_NUMBER, -1, 1, 2, 65536),
    "keepalive_interval": (*NOT_NUMBER, 0, 2, 21846),
    "bfd": (
        *NOT_OBJECT,
        {"min_tx_ms": 9},
        {"min_tx_ms": None},
        {"min_rx_ms": 60001},
        {"min_rx_ms": "100"},
        {"multiplier": 1},
        {"multiplier": 256},
        {"speed": 1},
    ),
    "peering_network": (*NOT_TEXT, "tenant", ""),
    "availability_zone": NOT_PLACE,
    "compute_host": NOT_PLACE,
    "max_prefixes": (*NOT_NUMBER, 0, 1000001),
    "communities": (
        *NOT_LIST,
        ["65100"],
        ["65536:1"],
        ["1:2:3:4"],
        ["4294967296:1:1"],
        [1],
        [None],
        [["1:1"]],
        ["1:1"] * 2,
        [f"1:{n}" for n in range(33)],
        ["\u0666:1"],
        ["1:1\n"],
    ),
    "as_path_prepend": (*NOT_NUMBER, -1, 11),
    "med": (*NOT_NUMBER, -1, 4294967296),
    "local_pref": (*NOT_NUMBER, -1, 4294967296),
    # What the user does not say.
    "id": (NOBODY, None, 7),
    "speakers": ([], [{"id": NOBODY}]),
    "created_at": ("2026-11-22T00:00:00",),
    "colour": ("red", None),
    "": ("red",),
    "päer": (1,),
}
SPEAKER = {
    "ip_version": (*NOT_NUMBER, 5, 0, -4, "4"),
    "local_as": (*NOT_NUMBER, *NOT_AS, -1, 4294967296, "65100"),
    "driver": (*NOT_TEXT, "frr", ""),
    "peers": (
        *NOT_LIST,
        [7],
        ["x"],
        [None],
        [{}],
        [{"id": NOBODY}],
        [{"id": None}],
        [{"id": 7}],
        [{"id": []}],
    ),
    "id": (NOBODY,),
    "colour": ("red",),
}
ZONE = {
    "availability_zone": NOT_PLACE,
    "frontend_network_id": NOT_ID,
    "frontend_subnet_ids": (
        *NOT_LIST,
        *([one] for one in NOT_ID),
        [NOBODY],  # of which network?
    ),
    "colour": ("red",),
}
DISTRIBUTOR = {
    "name": (*NOT_NAME, "", "  "),
    "description": NOT_TEXT,
    "distributor_type": (*NOT_TEXT, "L2", "l3_bgp"),
    "enabled": NOT_FLAG,
    "is_default": NOT_FLAG,
    "dedicated_count": (*NOT_NUMBER, -1, 5),
    "speakers": (*NOT_LIST, [7], [None], [[]], [{}]),
    "zones": (
        *NOT_LIST,
        [7],
        [None],
        [{"frontend_network_id": NOBODY}],  # Neutron has it not
    ),
    "id": (NOBODY,),
    "provisioning_status": ("ACTIVE",),
    "operating_status": ("ONLINE",),
    "status_reason": ("",),
    "load_balancer_count": (0,),
    "colour": ("red",),
}
# Of what a PUT can be told.
UNCHANGEABLE = ("distributor_type", "speakers")
NULLABLE = {f.name for f in fields(Peer) if f.default is None} | {
    "availability_zone",
    "driver",  # the one that fits
    "frontend_network_id",
}


def cases(table):
    return [
        (attribute, value)
        for attribute, values in table.items()
        for value in values
    ]


def with_null(table):
    """null is refused where an attribute must have a value."""
    own = {n: v for n, v in table.items() if v and n not in NULLABLE}
    return cases(table) + [(attribute, None) for attribute in own]


def test_every_attribute_is_in_a_table():
    for kind, table in (
        (Peer, PEER),
        (SpeakerRequest, SPEAKER | {"distributor_id": ()}),
        (DistributorRequest, DISTRIBUTOR),
        (Zone, ZONE),
    ):
        assert {f.name for f in fields(kind)} <= set(table)


def everything(api):
    """All that is stored of distributors, quicker than by the API."""
    with api.database.transaction() as session:
        return [
            session.connection().exec_driver_sql(f"SELECT * FROM {one}").all()
            for one in TABLES
        ]


def assert_refused(api, method, path, body, prefix, attribute):
    before = everything(api)

    answer = api.call(method, path, body)

    assert answer.status == 400, answer.text
    named, _, reason = answer.fault.removeprefix(
        "Validation failure: "
    ).partition(": ")
    assert named.startswith(prefix + attribute), answer.fault
    assert reason
    assert everything(api) == before


@pytest.fixture(scope="module")
def prepared(server):
    """A distributor with a peer, which no test of this module changes."""
    server.reset()
    made = server.create(DISTRIBUTORS, samples.distributor())
    server.settle()
    return made


@pytest.fixture
def peer_path(prepared):
    return f"{PEERS}/{prepared['speakers'][0]['peers'][0]['id']}"


@pytest.mark.parametrize(("attribute", "value"), with_null(PEER))
def test_a_new_peer(server, prepared, attribute, value):
    if attribute == "auth_type" and value is None:
        return  # with a password: see below
    body = {"bgp_peer": samples.peer() | {attribute: value}}

    assert_refused(server, "POST", PEERS, body, "", attribute)


@pytest.mark.parametrize(("attribute", "value"), cases(PEER))
def test_a_changed_peer(server, prepared, peer_path, attribute, value):
    body = {"bgp_peer": {attribute: value}}

    assert_refused(server, "PUT", peer_path, body, "", attribute)


@pytest.mark.parametrize(("attribute", "value"), cases(PEER))
def test_a_peer_within_a_distributor(server, prepared, attribute, value):
    peer = samples.peer() | {attribute: value}
    body = samples.distributor(speakers=[samples.speaker(peers=[peer])])

    assert_refused(
        server,
        "POST",
        DISTRIBUTORS,
        body,
        "speakers[0].peers[0].",
        attribute,
    )


def speaker_body(prepared, **changes):
    body = {
        "distributor_id": prepared["id"],
        "ip_version": 6,
        "local_as": 65100,
    }
    return {"bgp_speaker": body | changes}


@pytest.mark.parametrize(
    ("attribute", "value"),
    with_null(SPEAKER)
    + [("distributor_id", one) for one in (*NOT_ID, NOBODY, None)],
)
def test_a_new_speaker(server, prepared, attribute, value):
    body = speaker_body(prepared, **{attribute: value})

    assert_refused(server, "POST", SPEAKERS, body, "", attribute)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *(("local_as", value) for value in (*SPEAKER["local_as"], None)),
        ("ip_version", 4),
        *(("driver", value) for value in SPEAKER["driver"]),
        ("distributor_id", NOBODY),
        ("peers", []),
        ("colour", "red"),
    ],
)
def test_a_changed_speaker(server, prepared, attribute, value):
    path = f"{SPEAKERS}/{prepared['speakers'][0]['id']}"
    body = {"bgp_speaker": {attribute: value}}

    assert_refused(server, "PUT", path, body, "", attribute)


@pytest.mark.parametrize(("attribute", "value"), with_null(SPEAKER))
def test_a_speaker_within_a_distributor(server, prepared, attribute, value):
    if attribute == "peers" and value == [{}]:
        attribute = "peers[0].peer_ip"
        speaker = samples.speaker(peers=[{}])
    else:
        speaker = samples.speaker() | {attribute: value}
    body = samples.distributor(speakers=[speaker])

    assert_refused(
        server, "POST", DISTRIBUTORS, body, "speakers[0].", attribute
    )


@pytest.mark.parametrize(("attribute", "value"), with_null(DISTRIBUTOR))
def test_a_new_distributor(server, prepared, attribute, value):
    body = samples.distributor(**{attribute: value})

    assert_refused(server, "POST", DISTRIBUTORS, body, "", attribute)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [*cases(DISTRIBUTOR), ("distributor_type", "L3_BGP"), ("speakers", [])],
)
def test_a_changed_distributor(server, prepared, attribute, value):
    path = f"{DISTRIBUTORS}/{prepared['id']}"
    body = {"distributor": {attribute: value}}

    assert_refused(server, "PUT", path, body, "", attribute)


@pytest.mark.parametrize(("attribute", "value"), cases(ZONE))
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_zone(server, prepared, method, attribute, value):
    zone = {"frontend_network_id": NOBODY, attribute: value}
    if value == [NOBODY]:
        zone = {"frontend_subnet_ids": value}
        attribute = "frontend_network_id"
    path, body = DISTRIBUTORS, samples.distributor(zones=[zone])
    if method == "PUT":
        path += f"/{prepared['id']}"
        body = {"distributor": {"zones": [zone]}}

    assert_refused(server, method, path, body, "zones[0].", attribute)


# (who, the body, what is named): what goes together, or does not
TOGETHER = [
    (PEERS, {"bgp_peer": samples.peer(auth_type=None)}, "auth_type"),
    (PEERS, {"bgp_peer": samples.peer(password=None)}, "password"),
    (PEERS, {"bgp_peer": {"remote_as": 1}}, "peer_ip"),
    (PEERS, {"bgp_peer": {"peer_ip": "10.0.0.1"}}, "remote_as"),
    (SPEAKERS, {"bgp_speaker": {"ip_version": 4, "local_as": 1}}, "distrib"),
    (DISTRIBUTORS, samples.distributor(zones=[{}, {}]), "availability_zone"),
    (
        DISTRIBUTORS,
        samples.distributor(speakers=[samples.speaker()] * 2),
        "ip_version",
    ),
    (
        DISTRIBUTORS,
        samples.distributor(speakers=[samples.speaker(ip_version=6)]),
        "speakers[0].peers[0].peer_ip",
    ),
    (
        DISTRIBUTORS,
        samples.distributor(
            speakers=[samples.speaker(peers=[samples.peer()] * 2)]
        ),
        "speakers[0].peers[1].peer_ip",
    ),
    (
        DISTRIBUTORS,
        samples.distributor(
            speakers=[
                samples.speaker(
                    peers=[samples.peer(hold_time=90, keepalive_interval=10)]
                )
            ]
        ),
        "speakers[0].peers[0].keepalive_interval",
    ),
]


@pytest.mark.parametrize(("path", "body", "named"), TOGETHER)
def test_what_goes_together(server, prepared, path, body, named):
    assert_refused(server, "POST", path, body, "", named)


def test_a_peer_twice(server, prepared):
    (peer,) = prepared["speakers"][0]["peers"]
    body = speaker_body(prepared, ip_version=4, peers=[peer, peer])

    assert_refused(server, "POST", SPEAKERS, body, "", "peers[1].peer_ip")


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (DISTRIBUTORS, "distributor"),
        (PEERS, "bgp_peer"),
        (SPEAKERS, "bgp_speaker"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_root_element(server, prepared, method, path, root):
    if method == "PUT":
        one = {
            DISTRIBUTORS: prepared,
            SPEAKERS: prepared["speakers"][0],
            PEERS: prepared["speakers"][0]["peers"][0],
        }[path]
        path = f"{path}/{one['id']}"
    for body in ([], {}, {root: {}, "other": {}}, "null", "7", {"x": {}}):
        assert_refused(server, method, path, body, "", root)
    for inner in (None, "x", [], 7):
        assert_refused(server, method, path, {root: inner}, "", "document")


@pytest.mark.parametrize(
    "body", ["{", "", "\x00", "[1,", "[" * 50_000, '{"a":' * 20_000]
)
@pytest.mark.parametrize("path", [DISTRIBUTORS, PEERS, SPEAKERS])
def test_what_is_not_json(server, prepared, path, body):
    before = everything(server)

    assert server.call("POST", path, body).status == 400

    assert everything(server) == before


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_methods_that_there_are_not(server, prepared, method):
    path = {
        "PATCH": DISTRIBUTORS,
        "POST": f"{DISTRIBUTORS}/{prepared['id']}/paths",
        "DELETE": f"{DISTRIBUTORS}/{prepared['id']}/paths",
    }[method]

    assert server.call(method, path).status in (404, 405)


@pytest.mark.parametrize("tail", ["_database", "repositories", "paths/x"])
def test_below_a_distributor_there_is_nothing_else(server, prepared, tail):
    path = f"{DISTRIBUTORS}/{prepared['id']}/{tail}"

    assert server.call("GET", path).status in (404, 405)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "tail", ["", "/bgp-peers", f"/bgp-peers/{NOBODY}", f"/{NOBODY}"]
)
def test_an_id_that_is_in_the_body(server, prepared, method, tail):
    """Pecan takes it for the one of the path; its value is told nobody."""
    (speaker,) = prepared["speakers"]
    body = {"id": samples.peer()}
    for path in (DISTRIBUTORS, PEERS, SPEAKERS):
        one = f"{path}{tail}"
        if tail.startswith("/bgp-peers"):
            one = f"{SPEAKERS}/{speaker['id']}{tail}"

        answer = server.call(method, one, body)

        assert 400 <= answer.status < 500, answer.text
        assert samples.PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_tx_ms", 9), ("min_rx_ms", 60001), ("multiplier", 256)],
)
def test_a_timer_is_named_as_it_was_given(server, prepared, name, value):
    peer = samples.peer() | {"bfd": {name: value}}
    whole = samples.distributor(speakers=[samples.speaker(peers=[peer])])
    for path, body, prefix in (
        (PEERS, {"bgp_peer": peer}, ""),
        (DISTRIBUTORS, whole, "speakers[0].peers[0]."),
    ):
        answer = server.call("POST", path, body)
        assert answer.status == 400
        assert f" {prefix}bfd.{name}: " in answer.fault
