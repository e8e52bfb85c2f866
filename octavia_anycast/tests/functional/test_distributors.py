# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors`` as its users see it."""

import logging

import pytest

from octavia_anycast.db import distributors
from octavia_anycast.model.errors import Retryable
from octavia_anycast.octavia_adapter.secrets import FernetCipher
from octavia_anycast.testing import samples

PATH = "/v2/lbaas/distributors"
LONG = "x" * 256


def ids(answer):
    assert answer.status == 200, answer.text
    return [one["id"] for one in answer.body["distributors"]]


def test_create_answers_all_that_was_given_but_the_password(api):
    network_id, (v4, v6) = api.neutron.add_network(
        "10.1.0.0/24", "fd00:10:1::/64"
    )
    body = samples.distributor(
        description="Zwei Blätter, ein Rückgrat 🕸",
        is_default=True,
        zones=[
            {
                "availability_zone": "rack1",
                "frontend_network_id": network_id,
                "frontend_subnet_ids": [v4, v6],
            },
            {"availability_zone": "rack2"},
        ],
    )

    created = api.create(PATH, body)

    (speaker,) = created["speakers"]
    (peer,) = speaker["peers"]
    assert created["description"] == "Zwei Blätter, ein Rückgrat 🕸"
    assert created["is_default"] is True
    assert created["enabled"] is True
    assert created["distributor_type"] == "L3_BGP"
    assert created["provisioning_status"] == "ACTIVE"
    assert created["zones"] == [
        body["distributor"]["zones"][0],
        {
            "availability_zone": "rack2",
            "frontend_network_id": None,
            "frontend_subnet_ids": [],
        },
    ]
    assert (speaker["ip_version"], speaker["local_as"]) == (4, 65100)
    wanted = samples.peer()
    del wanted["password"]
    assert {name: peer[name] for name in wanted} == wanted
    assert "password" not in peer
    assert api.call("GET", f"{PATH}/{created['id']}").body == {
        "distributor": created
    }


def test_both_version_paths_serve_it(api):
    created = api.create(PATH, samples.distributor())

    answer = api.call("GET", f"/v2.0/lbaas/distributors/{created['id']}")

    assert answer.body["distributor"] == created


def test_version_discovery_is_octavias(api):
    versions = [v["id"] for v in api.call("GET", "/").body["versions"]]

    assert versions[0] == "v2.0"
    assert len(versions) > 25


def test_the_password_is_nowhere_but_encrypted_in_the_database(api, caplog):
    caplog.set_level(logging.DEBUG)
    created = api.create(PATH, samples.distributor())
    shown = api.call("GET", PATH).text
    refused = api.call(
        "POST",
        PATH,
        samples.distributor(
            speakers=[samples.speaker(peers=[samples.peer(hold_time=1)])]
        ),
    ).text

    assert samples.PASSWORD not in shown + refused + caplog.text
    with api.database.transaction() as session:
        stored = distributors.get(session, created["id"], FernetCipher())
        assert stored.speakers[0].peers[0].password == samples.PASSWORD
        raw = session.connection().exec_driver_sql(
            "SELECT password FROM anycast_distributor_l3_bgp_peer"
        )
        assert samples.PASSWORD not in str(raw.scalar())


def in_distributor(**changes):
    return samples.distributor(**changes)


def in_speaker(**changes):
    return samples.distributor(speakers=[samples.speaker(**changes)])


def in_peer(**changes):
    return in_speaker(peers=[samples.peer(**changes)])


def in_zone(**zone):
    return samples.distributor(zones=[zone])


NETWORK = "6a1f2f60-0000-4000-8000-000000000001"
SPEAKER = "speakers[0]"
PEER = "speakers[0].peers[0]"
REFUSED = [
    # (the field that the answer has to name, the body)
    ("distributor", []),
    ("distributor", {}),
    ("distributor", {"distributor": {}, "other": {}}),
    ("distributor", "null"),
    ("document", {"distributor": None}),
    ("document", {"distributor": "fabric"}),
    ("document", {"distributor": []}),
    ("speakers", {"distributor": {"name": "none"}}),
    ("name", in_distributor(name=None)),
    ("name", in_distributor(name=7)),
    ("name", in_distributor(name=LONG)),
    ("name", in_distributor(name="\ud800")),
    ("description", in_distributor(description=LONG)),
    ("distributor_type", in_distributor(distributor_type="L2")),
    ("enabled", in_distributor(enabled="yes")),
    ("enabled", in_distributor(enabled=None)),
    ("is_default", in_distributor(is_default=1)),
    ("colour", in_distributor(colour="red")),
    ("id", in_distributor(id=NETWORK)),
    ("provisioning_status", in_distributor(provisioning_status="ACTIVE")),
    ("speakers", in_distributor(speakers=[])),
    ("speakers", in_distributor(speakers=None)),
    ("speakers", in_distributor(speakers={})),
    (SPEAKER, in_distributor(speakers=[7])),
    ("ip_version", in_distributor(speakers=[samples.speaker()] * 2)),
    (f"{SPEAKER}.local_as", in_speaker(local_as=0)),
    (f"{SPEAKER}.local_as", in_speaker(local_as=4294967296)),
    (f"{SPEAKER}.local_as", in_speaker(local_as=-1)),
    (f"{SPEAKER}.local_as", in_speaker(local_as="65100")),
    (f"{SPEAKER}.local_as", in_speaker(local_as=65100.0)),
    (f"{SPEAKER}.local_as", in_speaker(local_as=True)),
    (f"{SPEAKER}.local_as", in_speaker(local_as=None)),
    (f"{SPEAKER}.ip_version", in_speaker(ip_version=5)),
    (f"{SPEAKER}.driver", in_speaker(driver="frr")),
    (f"{PEER}.peer_ip", in_speaker(ip_version=6)),
    (f"{SPEAKER}.color", in_speaker(color="red")),
    (f"{PEER}.peer_ip", in_peer(peer_ip="172.31.0.256")),
    (f"{PEER}.peer_ip", in_peer(peer_ip="leaf1")),
    (f"{PEER}.peer_ip", in_peer(peer_ip=None)),
    (f"{PEER}.peer_ip", in_peer(peer_ip="224.0.0.1")),
    (f"{PEER}.remote_as", in_peer(remote_as=0)),
    (f"{PEER}.remote_as", in_peer(remote_as=4294967296)),
    (f"{PEER}.hold_time", in_peer(hold_time=1)),
    (f"{PEER}.hold_time", in_peer(hold_time=2)),
    (f"{PEER}.hold_time", in_peer(hold_time=65536)),
    (f"{PEER}.hold_time", in_peer(hold_time="3")),
    (f"{PEER}.keepalive_interval", in_peer(keepalive_interval=2)),
    (f"{PEER}.ttl_hops", in_peer(ttl_hops=0)),
    (f"{PEER}.ttl_hops", in_peer(ttl_hops=255)),
    (f"{PEER}.auth_type", in_peer(auth_type="sha1")),
    (f"{PEER}.auth_type", in_peer(auth_type=None)),
    (f"{PEER}.password", in_peer(password=None)),
    (f"{PEER}.password", in_peer(password="")),
    (f"{PEER}.password", in_peer(password="p" * 81)),
    (f"{PEER}.password", in_peer(password="pässwort")),
    (f"{PEER}.password", in_peer(password=["p"])),
    (f"{PEER}.peering_network", in_peer(peering_network="tenant")),
    (f"{PEER}.availability_zone", in_peer(availability_zone=LONG)),
    (f"{PEER}.compute_host", in_peer(compute_host=7)),
    (f"{PEER}.communities", in_peer(communities=["65100"])),
    (f"{PEER}.communities", in_peer(communities=["65536:1"])),
    (f"{PEER}.communities[0]", in_peer(communities=[1])),
    (f"{PEER}.as_path_prepend", in_peer(as_path_prepend=11)),
    (f"{PEER}.med", in_peer(med=-1)),
    (f"{PEER}.max_prefixes", in_peer(max_prefixes=0)),
    (f"{PEER}.bfd", in_peer(bfd=True)),
    (f"{PEER}.bfd.bfd_multiplier", in_peer(bfd={"multiplier": 1})),
    (f"{PEER}.bfd", in_peer(bfd={})),  # ExaBGP has none
    (f"{PEER}.id", in_peer(id=NETWORK)),
    ("zones", in_distributor(zones=None)),
    ("zones[0].frontend_network_id", in_zone(frontend_network_id="x")),
    ("zones[0].frontend_network_id", in_zone(frontend_subnet_ids=[NETWORK])),
    ("zones", in_zone(frontend_network_id=NETWORK)),  # Neutron has it not
    ("availability_zone", in_distributor(zones=[{}, {}])),
]


@pytest.mark.parametrize(("field", "body"), REFUSED)
def test_bad_input_is_refused_naming_the_field(api, field, body):
    answer = api.call("POST", PATH, body)

    assert answer.status == 400, answer.text
    assert f": {field}: " in answer.fault
    assert ids(api.call("GET", PATH)) == []


@pytest.mark.parametrize("body", ["{", "", "\x00", "[1,"])
def test_what_is_not_json_is_refused(api, body):
    assert api.call("POST", PATH, body).status == 400


def test_there_is_one_default_only(api):
    api.create(PATH, samples.distributor(is_default=True))

    answer = api.call("POST", PATH, samples.distributor(is_default=True))

    assert answer.status == 409
    assert "is_default" in answer.fault
    assert len(ids(api.call("GET", PATH))) == 1
    api.create(PATH, samples.distributor(is_default=False))


def test_the_database_allows_one_default_only(api):
    """Two API processes at once: the unique key decides."""
    first = api.create(PATH, samples.distributor(is_default=True))
    other = api.create(PATH, samples.distributor())
    with (
        pytest.raises(Exception, match="is_default"),
        api.database.transaction() as session,
    ):
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor SET is_default = 1 WHERE id = ?",
            (other["id"],),
        )
    found = api.call("GET", f"{PATH}?is_default=true")
    assert ids(found) == [first["id"]]


def test_delete_removes_all_of_it(api):
    created = api.create(PATH, samples.distributor())

    assert api.call("DELETE", f"{PATH}/{created['id']}").status == 204

    assert api.call("GET", f"{PATH}/{created['id']}").status == 404
    assert api.call("DELETE", f"{PATH}/{created['id']}").status == 404
    with api.database.transaction() as session:
        for table in ("speaker", "peer", "peer_registration"):
            assert (
                not session.connection()
                .exec_driver_sql(
                    f"SELECT * FROM anycast_distributor_l3_bgp_{table}"
                )
                .all()
            )


def test_delete_is_refused_while_load_balancers_use_it(api):
    created = api.create(PATH, samples.distributor(is_default=True))
    _, (subnet_id,) = api.neutron.add_network("198.51.100.0/24")
    for _ in range(2):
        api.create(
            "/v2/lbaas/loadbalancers",
            {"loadbalancer": {"vip_subnet_id": subnet_id}},
        )

    answer = api.call("DELETE", f"{PATH}/{created['id']}")

    assert answer.status == 409
    assert "2 load balancer(s) use it" in answer.fault
    assert ids(api.call("GET", PATH)) == [created["id"]]


@pytest.fixture
def three(api):
    return [
        api.create(PATH, samples.distributor(name=name, description=text))
        for name, text in (("b", "old"), ("c", "new"), ("a", "old"))
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "bca"),
        ("name=c", "c"),
        ("description=old", "ba"),
        ("description=old&name=b", "b"),
        ("name=b&name=c", "bc"),
        ("is_default=false", "bca"),
        ("is_default=True", ""),
        ("enabled=true&limit=2", "bc"),
        ("sort=name", "abc"),
        ("sort=name:desc", "cba"),
        ("sort=description:desc,name:asc", "abc"),
        ("sort_key=name&sort_dir=desc&limit=1", "c"),
        ("limit=0", "bca"),
    ],
)
def test_list_is_filtered_sorted_and_limited(api, three, query, names):
    answer = api.call("GET", f"{PATH}?{query}")

    assert "".join(d["name"] for d in answer.body["distributors"]) == names


@pytest.mark.parametrize(
    "query",
    [
        "color=red",
        "password=x",
        "is_default=maybe",
        "sort=color",
        "sort=name:up",
        "sort=a:b:c",
        "limit=many",
        "marker=nobody",
    ],
)
def test_bad_queries_are_refused(api, three, query):
    assert api.call("GET", f"{PATH}?{query}").status == 400


def test_pages_lead_through_the_list(api, three):
    first = api.call("GET", f"{PATH}?limit=2")
    (link,) = first.body["distributors_links"]
    assert link["rel"] == "next"

    second = api.call("GET", link["href"].removeprefix("http://localhost"))

    links = second.body["distributors_links"]
    assert ids(first) + ids(second) == [d["id"] for d in three]
    assert [link["rel"] for link in links] == ["previous"]
    back = api.call("GET", links[0]["href"].removeprefix("http://localhost"))
    assert ids(back) == ids(first)


def test_fields_select_attributes(api, three):
    answer = api.call("GET", f"{PATH}?fields=name&fields=id")
    one = api.call("GET", f"{PATH}/{three[0]['id']}?fields=name")

    assert all(set(d) == {"name", "id"} for d in answer.body["distributors"])
    assert one.body == {"distributor": {"name": "b"}}


ROLES = [
    ("admin", 200, 201, 204),
    ("member", 200, 403, 403),
    ("reader", 200, 403, 403),
    ("nobody", 403, 403, 403),
]


@pytest.mark.parametrize(("role", "read", "create", "remove"), ROLES)
def test_roles(api, role, read, create, remove):
    existing = api.create(PATH, samples.distributor())
    path = f"{PATH}/{existing['id']}"
    headers = {"X-Roles": role, "X-User-Id": "somebody"}
    with api.authenticated():
        statuses = [
            api.call("GET", PATH, headers=headers).status,
            api.call("GET", path, headers=headers).status,
            api.call(
                "POST", PATH, samples.distributor(), headers=headers
            ).status,
            api.call("DELETE", path, headers=headers).status,
        ]

    assert statuses == [read, read, create, remove]


def test_the_database_being_away_is_a_503(api, monkeypatch):
    def down(*_):
        raise Retryable("connection refused by db.internal")

    monkeypatch.setattr(distributors, "list_all", down)

    answer = api.call("GET", PATH)

    assert answer.status == 503
    assert "db.internal" not in answer.text
