# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the story on virtual machines asks for and claims; pure parts."""

import ipaddress
from collections import Counter

import pytest
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo import screen
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.vm import balancers, content, served
from octavia_anycast_lab.vm.demo import judge
from octavia_anycast_lab.vm.guests import Guest

SUBNETS = {4: "subnet-4", 6: "subnet-6"}


@pytest.fixture
def shown() -> screen.Screen:
    return screen.Screen(Progress())


def _guest(rack: str, number: int = 1) -> Guest:
    return Guest(
        id=f"server{number}",
        amphora_id=f"amphora{number}",
        name=f"amphora-{number}",
        status="ACTIVE",
        rack=rack,
        host=f"{rack}-host1",
        domain=f"instance-{number}",
        management_address="172.31.1.5",
    )


def _amphora(rack: str, number: int = 1) -> balancers.Amphora:
    return balancers.Amphora(guest=_guest(rack, number), addresses=frozenset())


@pytest.mark.parametrize("service", content.SERVICES)
def test_each_listener_has_all_members_of_its_ip_versions(
    service: content.Service,
) -> None:
    pool = content.listener(service, SUBNETS)["default_pool"]
    assert pool["protocol"] == service.protocol
    found = [
        (ipaddress.ip_address(m["address"]).version, m["subnet_id"])
        for m in pool["members"]
    ]
    assert Counter(found) == {(v, SUBNETS[v]): 3 for v in service.versions}
    names = {m["name"] for m in pool["members"]}
    assert len(names) == 3 * len(service.versions)


def test_monitors_are_those_of_the_protocols() -> None:
    """Octavia refuses a path for a monitor that asks for none."""
    found = {
        s.protocol: content.listener(s, SUBNETS)["default_pool"][
            "healthmonitor"
        ]
        for s in content.SERVICES
    }
    assert {p: m["type"] for p, m in found.items()} == {
        "HTTP": "HTTP",
        "UDP": "UDP-CONNECT",
        "SCTP": "SCTP",
    }
    assert [p for p, m in found.items() if "url_path" in m] == ["HTTP"]


def test_only_the_front_end_of_the_own_server_is_a_next_hop() -> None:
    ports = [
        _port("server1", "fe-rack1", "10.1.0.100", "fd00:10:1::1000"),
        _port("server1", "lb-mgmt-net", "172.31.1.5"),
        _port("server1", "backend-net", "10.10.0.100"),
        _port("server2", "fe-rack1", "10.1.0.101"),
        _port("server1", "fe-rack2", "10.2.0.100"),
    ]
    found = balancers.amphora(_guest("rack1"), ports)
    assert set(map(str, found.addresses)) == {"10.1.0.100", "fd00:10:1::1000"}
    assert found.leaf.name == "leaf1"
    assert str(found.management) == "172.31.1.5"


def _port(server: str, network: str, *addresses: str) -> dict[str, object]:
    return {
        "device_id": server,
        "network": network,
        "fixed_ips": [{"ip_address": a} for a in addresses],
    }


def test_a_balancer_has_its_vips_by_ip_version() -> None:
    made = balancers.balancer(
        {
            "id": "1",
            "name": "demo",
            "vip_address": "198.51.100.20",
            "additional_vips": [{"ip_address": "2001:db8:100::5"}],
        },
        survey.Survey(things={}),
    )
    assert (made.v4, made.v6) == ("198.51.100.20", "2001:db8:100::5")
    assert balancers.prefix(made.vips[1]) == "2001:db8:100::5/128"


def _served(*, lost: int = 0, members: int = 3) -> served.Served:
    answered = {f"member{n}": 4 for n in range(1, members + 1)}
    return served.Served(
        service=content.SCTP,
        vip="198.51.100.20",
        asked=4 * members + lost,
        members=answered,
        errors=("timeout",) * lost,
    )


def test_all_members_have_to_answer_all(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    judge.claim_served(shown, [_served()])
    assert capsys.readouterr().out == (
        "   +  SCTP to 198.51.100.20: 12 of 12 were answered, by 3 members\n"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_served(lost=1), r"12 of 13 .* \(timeout\)"),
        (_served(members=2), "by 2 members"),
        (_served(members=0), "0 of 0"),
    ],
    ids=["a lost one", "a silent member", "nobody asked"],
)
def test_an_answer_less_is_an_error(
    answer: served.Served, said: str, shown: screen.Screen
) -> None:
    with pytest.raises(screen.NotTrueError, match=said):
        judge.claim_served(shown, [_served(), answer])


def test_servers_of_one_rack_are_an_error(shown: screen.Screen) -> None:
    judge.claim_racks(shown, [_amphora("rack1"), _amphora("rack2", 2)])
    with pytest.raises(screen.NotTrueError):
        judge.claim_racks(shown, [_amphora("rack1"), _amphora("rack1", 2)])
    with pytest.raises(screen.NotTrueError):
        judge.claim_racks(shown, [])


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [{"policies": [judge.POLICY], "members": ["server1"]}],
        [{"policies": ["affinity"], "members": ["server1", "server2"]}],
    ],
    ids=["none", "one is missing", "another policy"],
)
def test_servers_in_no_group_are_an_error(
    groups: list[dict[str, list[str]]], shown: screen.Screen
) -> None:
    wanted = [_amphora("rack1"), _amphora("rack2", 2)]
    right = {
        "policies": [judge.POLICY],
        "members": ["server1", "server2", "x"],
    }
    judge.claim_server_group(shown, [*groups, right], wanted)
    with pytest.raises(screen.NotTrueError, match="no server group"):
        judge.claim_server_group(shown, groups, wanted)


def _survey(**things: str) -> survey.Survey:
    return survey.Survey(things={k: frozenset(v) for k, v in things.items()})


def test_what_is_left_is_named(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    before, alive = _survey(servers="a"), _survey(servers="ab")
    judge.claim_nothing_left(shown, before, alive, before)
    assert capsys.readouterr().out.splitlines()[1].split() == [
        *("servers", "1", "2", "1")
    ]
    with pytest.raises(screen.NotTrueError, match="left: servers: b"):
        judge.claim_nothing_left(shown, before, alive, alive)


def test_rows_of_the_distributor_are_not_left() -> None:
    row = "anycast_distributor_zone: ('x',)"
    now = survey.Survey(things={"rows": frozenset((row, "other: 1"))})
    found = balancers.new_things(now, survey.Survey(things={}))
    assert found == {"rows": frozenset(("other: 1",))}
