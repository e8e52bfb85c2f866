# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The filter of a hypervisor's ports, with packets."""

import contextlib

import port_filter_bench
import pytest
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm.network.nft import Reason
from octavia_anycast_lab.vm.network.rules import Direction
from port_filter_bench import GROUP

pytestmark = pytest.mark.lab

OUT = (
    {"direction": "egress"},
    {"direction": "egress", "ethertype": "IPv6"},
)
VIP = {4: "198.51.100.20", 6: "2001:db8:100::20"}
LEAF = "10.9.0.1/32"

# A rule, what is sent to the machine, and whether the rule is for that.
INGRESS = {
    "9443 from the controllers": (
        {"protocol": "tcp", "port": 9443, "remote_ip_prefix": LEAF},
        ("tcp", 9443),
        True,
    ),
    "9443 from elsewhere": (
        {"protocol": "tcp", "port": 9443, "remote_ip_prefix": "10.8.0.0/24"},
        ("tcp", 9443),
        False,
    ),
    "another port": ({"protocol": "tcp", "port": 9443}, ("tcp", 22), False),
    "another protocol": (
        {"protocol": "tcp", "port": 3784},
        ("udp", 3784),
        False,
    ),
    "BFD": ({"protocol": "udp", "port": 3784}, ("udp", 3784), True),
    "BFD control, range": (
        {"protocol": "udp", "port_range_min": 3784, "port_range_max": 3785},
        ("udp", 3785),
        True,
    ),
    "beside a range": (
        {"protocol": "udp", "port_range_min": 3784, "port_range_max": 3785},
        ("udp", 3786),
        False,
    ),
    "BGP from the leaf": (
        {"protocol": "tcp", "port": 80},
        ("tcp", 179),
        False,
    ),
    "heartbeat": ({"protocol": "tcp", "port": 5556}, ("udp", 5556), False),
    "VRRP": ({"protocol": "112"}, ("112", 0), True),
    "VRRP by its name": ({"protocol": "vrrp"}, ("112", 0), True),
    "VRRP without": ({"protocol": "51"}, ("112", 0), False),
    "IPIP without": ({"protocol": "udp"}, ("4", 0), False),
    "SCTP": ({"protocol": "sctp", "port": 80}, ("sctp", 80), True),
    "SCTP, another port": (
        {"protocol": "sctp", "port": 80},
        ("sctp", 81),
        False,
    ),
    "any": ({}, ("udp", 5555), True),
    "IPv6 only": ({"ethertype": "IPv6"}, ("udp", 5555), False),
    "the group": (
        {"protocol": "udp", "port": 14789, "remote_group_id": GROUP},
        ("udp", 14789),
        False,
    ),
    "nobody's group": ({"remote_group_id": "other"}, ("udp", 53), False),
}


@pytest.fixture(scope="module")
def bench(lab):
    """Two machines behind one filter."""
    with port_filter_bench.Bench(lab).running() as made:
        yield made


@pytest.fixture(autouse=True)
def plain(bench):
    """Each test begins without rules, and with ports as they were made."""
    bench.neutron.reset(bench.machines)
    bench.has()


def arrives(bench, sender, receiver, kind, port=0, source=None, version=4):
    to = receiver.address(version)
    return bench.arrives(sender, receiver, kind, port, to=to, source=source)


@pytest.mark.parametrize(
    ("rule", "packet", "passes"), INGRESS.values(), ids=INGRESS
)
def test_what_comes_in_is_what_a_rule_allows(bench, rule, packet, passes):
    bench.has(*OUT, rule)
    assert arrives(bench, bench.out, bench.one, *packet) is passes


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("kind", "port"),
    [("udp", 5555), ("udp", 5556), ("tcp", 179), ("udp", 3784), ("tcp", 8080)],
)
def test_what_goes_out_is_what_a_rule_allows(bench, kind, port, version):
    """Heartbeats, BGP, BFD and members' servers."""
    assert not arrives(
        bench, bench.one, bench.out, kind, port, version=version
    )
    bench.has(*OUT)
    assert arrives(bench, bench.one, bench.out, kind, port, version=version)


def test_what_is_dropped_is_told(bench):
    before = bench.dropped(bench.one, Reason.DENIED)
    assert not arrives(bench, bench.out, bench.one, "udp", 3784)
    assert not arrives(bench, bench.out, bench.one, "112")
    assert bench.dropped(bench.one, Reason.DENIED) >= before + 2
    told = {
        (flow.protocol, flow.port)
        for flow in bench.flows()
        if flow.direction is Direction.INGRESS
        and flow.tap == bench.one.tap
        and flow.source == bench.out.v4
        and flow.destination == bench.one.v4
        and flow.packets
    }
    assert {("17", 3784), ("112", 0)} <= told


def test_members_of_a_group_are_let_in(bench):
    """Flow rescue: from one amphora to the other, and from nobody else."""
    bench.has(
        *OUT,
        {"protocol": "17", "port": 14789, "remote_group_id": GROUP},
    )
    assert arrives(bench, bench.two, bench.one, "udp", 14789)
    assert not arrives(bench, bench.out, bench.one, "udp", 14789)
    bench.has(
        *(rule | {"security_group_id": "other"} for rule in OUT),
        {"protocol": "17", "port": 14789, "remote_group_id": GROUP},
        machine=bench.two,
        security_groups=["other"],
    )
    before = bench.dropped(bench.one, Reason.DENIED)
    assert not arrives(bench, bench.two, bench.one, "udp", 14789)
    assert bench.dropped(bench.one, Reason.DENIED) > before


class TestSpoofing:
    @pytest.mark.parametrize("version", [4, 6])
    def test_vip_is_a_source_only_with_its_address_pair(self, bench, version):
        bench.has(*OUT)
        vip = VIP[version]
        with bench.one.having(vip):
            for pairs in ([], [{"ip_address": vip}], []):
                bench.has(*OUT, machine=bench.one, allowed_address_pairs=pairs)
                before = bench.dropped(bench.one, Reason.SPOOFED)
                assert arrives(
                    bench, bench.one, bench.out, "udp", 7, vip, version
                ) is bool(pairs)
                spoofed = bench.dropped(bench.one, Reason.SPOOFED) - before
                assert (spoofed > 0) is not bool(pairs)
            assert vip in {
                flow.source
                for flow in bench.flows()
                if (flow.direction, flow.tap, flow.protocol, flow.port)
                == (Direction.EGRESS, bench.one.tap, "17", 7)
            }

    @pytest.mark.parametrize("version", [4, 6])
    def test_answers_too_have_their_own_source(self, bench, version):
        """To a VIP without its pair: what comes in is never answered."""
        ethertype = f"IPv{version}"
        bench.has(*OUT, {"protocol": "udp", "ethertype": ethertype})
        vip = VIP[version]
        before = bench.dropped(bench.one, Reason.SPOOFED)
        bench.out.forget()
        with bench.one.having(vip):
            bench.one.send("udp", bench.out.address(version), 53, source=vip)
            bench.wait(
                lambda: bench.dropped(bench.one, Reason.SPOOFED) > before,
                "dropped",
            )
        assert not bench.out.has_seen(vip, 17, 53)

    @pytest.mark.parametrize(
        ("kind", "mine", "other"),
        [
            ("arp", "10.9.0.11", "10.9.0.12"),
            ("advertisement", "fd00:9::11", "fd00:9::12"),
        ],
    )
    def test_nobody_answers_for_another(self, bench, kind, mine, other):
        bench.has(*OUT)
        frame = {"interface": "eth0", "mac": bench.one.mac}
        before = bench.dropped(bench.one, Reason.SPOOFED)
        own = mine if kind == "arp" else "fe80::f816:3eff:fe00:b"
        bench.one.send(kind, mine, source=own, **frame)
        # An own one before it: what follows is counted after that.
        spoofed = other if kind == "arp" else own
        bench.one.send(kind, other, source=spoofed, **frame)
        bench.wait(
            lambda: bench.dropped(bench.one, Reason.SPOOFED) > before,
            "dropped",
        )
        assert bench.dropped(bench.one, Reason.SPOOFED) == before + 1

    def test_mac_is_the_ports_own(self, bench):
        bench.has(*OUT)
        before = bench.dropped(bench.one, Reason.SPOOFED)
        frame = {"interface": "eth0", "mac": bench.two.mac}
        bench.one.send("arp", bench.one.v4, source=bench.one.v4, **frame)
        bench.wait(
            lambda: bench.dropped(bench.one, Reason.SPOOFED) > before,
            "dropped",
        )

    def test_pair_with_a_mac(self, bench):
        """It allows that MAC with that address, and no other address."""
        pair = {"ip_address": VIP[4], "mac_address": "fa:16:3e:00:00:aa"}
        bench.has(*OUT, machine=bench.one, allowed_address_pairs=[pair])
        frame = {"interface": "eth0", "mac": pair["mac_address"]}
        before = bench.dropped(bench.one, Reason.SPOOFED)
        bench.one.send("arp", VIP[4], source=VIP[4], **frame)
        bench.one.send("arp", bench.one.v4, source=bench.one.v4, **frame)
        bench.wait(
            lambda: bench.dropped(bench.one, Reason.SPOOFED) > before,
            "dropped",
        )
        assert bench.dropped(bench.one, Reason.SPOOFED) == before + 1


def test_neighbours_are_found_without_a_rule(bench):
    """IPv6 neighbour discovery and ARP: no rule is about them."""
    for machine, to in ((bench.out, bench.one), (bench.one, bench.two)):
        for version in (4, 6):
            flush = ["ip", "neigh", "flush", "dev", "eth0"]
            netns.run(machine.namespace, flush)
            machine.send("udp", to.address(version), 9)
            bench.wait(
                lambda m=machine, t=to, v=version: is_neighbour(m, t, v),
                "a neighbour",
            )


def is_neighbour(machine, other, version):
    shown = netns.run(
        machine.namespace, ["ip", "neigh", "show", other.address(version)]
    )
    return other.mac in shown.stdout and "FAILED" not in shown.stdout


class TestConnections:
    def test_held_connection_ends_with_its_rule(self, bench):
        web = {"protocol": "tcp", "port": 80}
        bench.has(*OUT, web)
        with bench.held(bench.one, bench.out, 80) as connection:
            assert connection.echoes("first")
            # Another rule more is nothing to it.
            bench.has(*OUT, web, {"protocol": "udp", "port": 53})
            assert connection.echoes("second")
            before = bench.dropped(bench.one, Reason.DENIED)
            bench.has(*OUT, {"protocol": "udp", "port": 53})
            connection.say("third")
            bench.wait(
                lambda: bench.dropped(bench.one, Reason.DENIED) > before,
                "dropped",
            )
        assert not arrives(bench, bench.out, bench.one, "tcp", 80)

    def test_answers_need_no_rule(self, bench):
        """A machine's own connection to a server outside, BGP's for one."""
        bench.has(*OUT)
        with bench.held(bench.out, bench.one, 179) as connection:
            assert connection.echoes("an update")
        assert not arrives(bench, bench.out, bench.one, "tcp", 179)

    def test_errors_about_a_flow_come_back(self, bench):
        """ICMP: nobody listens at that port of the other side."""
        bench.has(*OUT)
        bench.one.forget()
        bench.one.send("udp", bench.out.v4, 4444)
        bench.wait(
            lambda: bench.one.has_seen(bench.out.v4, 1),
            "port unreachable",
        )

    def test_ping_needs_a_rule(self, bench):
        ping = ["ping", "-n", "-q", "-c1", "-W1"]
        for version, kind in ((4, "icmp"), (6, "icmp"), (6, "ipv6-icmp")):
            rule = {"protocol": kind, "ethertype": f"IPv{version}"}
            command = [*ping, bench.one.address(version)]
            for rules, code in (((), 1), ((rule,), 0)):
                bench.has(*OUT, *rules)
                asked = netns.run(bench.out.namespace, command, check=False)
                assert asked.returncode == code

    def test_fragments(self, bench):
        """Only the first one has ports; all of them pass, or none."""
        bench.has(*OUT, {"protocol": "udp", "port": 2000})
        bench.out.send("udp", bench.one.v4, 2000, size=4000)
        bench.wait(
            lambda: bench.one.has_seen(bench.out.v4, 17, 2000), "arrived"
        )
        before = bench.dropped(bench.one, Reason.DENIED)
        bench.out.send("udp", bench.one.v4, 2001, size=4000)
        bench.wait(
            lambda: bench.dropped(bench.one, Reason.DENIED) > before,
            "dropped",
        )


def test_port_without_port_security_is_not_filtered(bench):
    bench.has(machine=bench.one, port_security_enabled=False)
    assert arrives(bench, bench.out, bench.one, "udp", 3784)
    with bench.one.having(VIP[4]):
        assert arrives(bench, bench.one, bench.out, "udp", 7, VIP[4])


def test_tap_that_is_no_port_of_neutrons_stays_outside(bench):
    """And in a bridge, whoever puts it there, it passes nothing."""
    name = "tap00000000-00"
    with tap(bench, name):
        command = ["ip", "-o", "link", "show", name]
        shown = netns.run(bench.hypervisor, command).stdout
        assert "master" not in shown
        netns.ip_batch(bench.hypervisor, [f"link set {name} master fe up"])
        frame = {"interface": "stranger", "mac": "fa:16:3e:00:00:77"}
        machine = port_filter_bench.Machine(
            namespace=bench.hypervisor, number=0x77
        )
        before = bench.unknown()
        machine.send("arp", "10.9.0.1", source="10.9.0.77", **frame)
        bench.wait(lambda: bench.unknown() > before, "dropped")


def test_tap_that_is_plugged_again_is_filtered(bench):
    """A machine that was stopped and started has a new tap of that name."""
    netns.delete_link(bench.hypervisor, bench.one.tap)
    bench.wait(
        lambda: bench.neutron.statuses[bench.one.port_id] is False, "DOWN"
    )
    bench.connect(bench.one)
    bench.wait(lambda: bench.neutron.statuses[bench.one.port_id], "ACTIVE")
    assert not arrives(bench, bench.out, bench.one, "udp", 3784)


def test_silent_neutron_leaves_the_rules(bench):
    bench.has(*OUT, {"protocol": "udp", "port": 53})
    with bench.neutron.silence():
        bench.wait(lambda: bench.neutron.refused > 1, "asked again")
        assert arrives(bench, bench.out, bench.one, "udp", 53)
        assert not arrives(bench, bench.out, bench.one, "udp", 54)
    bench.has(*OUT)
    assert not arrives(bench, bench.out, bench.one, "udp", 53)


@contextlib.contextmanager
def tap(bench, name):
    """A tap that Neutron does not know; its other end is ``stranger``."""
    netns.ip_batch(
        bench.hypervisor,
        [
            f"link add {name} type veth peer name stranger",
            f"link set {name} up",
            "link set stranger up",
        ],
    )
    try:
        yield
    finally:
        netns.delete_link(bench.hypervisor, name)
