# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The flows of amphorae through the rules that the controller makes.

Two front-end ports of a load balancer, made by our network adapter and
Octavia's driver, behind the filter of ``test_port_filter.py``.
"""

import contextlib

import port_filter_bench
import pytest
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm.network.nft import Reason

from octavia_anycast.agent.frontend import frontend
from octavia_anycast.testing import made_ports

pytestmark = pytest.mark.lab

# A sender waits for its fourth time out before it looks: a second and a half.
PATIENCE_SECONDS = 60
VIP = {4: "198.51.100.20", 6: "2001:db8:100::20"}
CLOSED = {
    "BGP": ("tcp", 179),
    "BFD": ("udp", 3784),
    "agent": ("tcp", 9443),
    "speakerd": ("tcp", 9444),
    "SSH": ("tcp", 22),
    "stick tables": ("tcp", 1025),
    "flow rescue": ("udp", 14789),
    "metrics": ("tcp", 1024),
    "heartbeat": ("udp", 5555),
    "our heartbeat": ("udp", 5556),
    "VRRP": ("112", 0),
    "IPIP": ("4", 0),
}


@pytest.fixture(scope="module")
def bench(lab):
    """Two amphorae of a load balancer with a TCP and a UDP listener."""
    made = made_ports.MadePorts(
        *VIP.values(),
        listeners=[
            made_ports.listener(80, "HTTP"),
            made_ports.listener(53, "UDP"),
            made_ports.listener(81, "HTTP", "192.0.2.0/24"),
            made_ports.listener(8088, "PROMETHEUS", "192.0.2.0/24"),
        ],
    )
    with port_filter_bench.Bench(lab).running() as running:
        for machine in running.machines:
            port = made.proxy.raw_port(made.plug().id)
            running.neutron.set_port(
                machine,
                security_groups=port["security_groups"],
                allowed_address_pairs=port["allowed_address_pairs"],
            )
        running.has(*made.proxy.raw_rules())
        with contextlib.ExitStack() as stack:
            for vip in VIP.values():
                stack.enter_context(running.one.having(vip))
            routes(running.out, running.one)
            yield running


def routes(sender, machine, extra=""):
    """Lead packets to the VIPs to one of the amphorae, as a leaf does."""
    netns.ip_batch(
        sender.namespace,
        [
            f"route replace {VIP[v]} via {machine.address(v)} {extra}"
            for v in (4, 6)
        ],
    )


@contextlib.contextmanager
def narrow(bench):
    """A link to the user for 1280 bytes, of which neither side is told."""
    whole = "link set eth0 gso_max_segs {}"
    netns.ip_batch(bench.one.namespace, [whole.format(1)])
    netns.ip_batch(bench.hypervisor, ["link set uplink mtu 1280"])
    routes(bench.out, bench.one, "mtu 1280 advmss 1400")
    try:
        yield
    finally:
        routes(bench.out, bench.one)
        netns.ip_batch(bench.hypervisor, ["link set uplink mtu 1500"])
        netns.ip_batch(bench.one.namespace, [whole.format(65535)])


@pytest.mark.parametrize("version", [4, 6])
class TestUsers:
    def test_listener_of_tcp_answers(self, bench, version):
        with bench.held(bench.one, bench.out, 80, VIP[version]) as connection:
            assert connection.echoes("a request")

    def test_connection_goes_on_where_the_host_has_not_seen_its_beginning(
        self, bench, version
    ):
        """As when the fabric, or flow rescue, brings it from elsewhere."""
        with bench.held(bench.one, bench.out, 80, VIP[version]) as connection:
            assert connection.echoes("first")
            netns.run(bench.hypervisor, ["conntrack", "-F"])
            assert connection.echoes("second")

    def test_answers_find_a_narrow_link_without_icmp(self, bench, version):
        """A bridge drops what is too big, and says nothing, as a filter may
        that takes the ICMP error for invalid."""
        settings = dict(text.split("=") for text in frontend.SYSCTLS)
        netns.sysctls(bench.one.namespace, settings)
        with (
            narrow(bench),
            bench.held(
                bench.one, bench.out, 80, VIP[version], PATIENCE_SECONDS
            ) as connection,
        ):
            assert connection.echoes("x" * 100_000)

    def test_listener_of_udp_is_reached(self, bench, version):
        assert bench.arrives(bench.out, bench.one, "udp", 53, to=VIP[version])

    @pytest.mark.parametrize("port", [81, 8088])
    def test_allowed_cidrs_keep_others_out(self, bench, version, port):
        assert not bench.arrives(
            bench.out, bench.one, "tcp", port, to=VIP[version]
        )

    @pytest.mark.parametrize("to_vip", [True, False])
    @pytest.mark.parametrize(("kind", "port"), CLOSED.values(), ids=CLOSED)
    def test_nothing_else_is_open(self, bench, version, kind, port, to_vip):
        to = VIP[version] if to_vip else bench.one.address(version)
        assert not bench.arrives(bench.out, bench.one, kind, port, to=to)


@pytest.mark.parametrize("version", [4, 6])
class TestAmphorae:
    @pytest.mark.parametrize(
        ("kind", "port"), [("tcp", 1025), ("tcp", 1024), ("udp", 14789)]
    )
    def test_reach_each_other(self, bench, version, kind, port):
        to = bench.one.address(version)
        assert bench.arrives(bench.two, bench.one, kind, port, to=to)

    @pytest.mark.parametrize(
        ("kind", "port"), [("tcp", 179), ("udp", 3784), ("udp", 5556)]
    )
    def test_reach_leaf_and_controller(self, bench, version, kind, port):
        to = bench.out.address(version)
        assert bench.arrives(bench.one, bench.out, kind, port, to=to)

    def test_answer_as_the_vip_from_either(self, bench, version):
        """Flow rescue hands a packet over; the owner answers itself."""
        vip = VIP[version]
        for machine in bench.machines:
            with machine.having(vip, once=True):
                assert bench.arrives(
                    machine,
                    bench.out,
                    "udp",
                    4000,
                    to=bench.out.address(version),
                    source=vip,
                )
        assert bench.dropped(bench.one, Reason.SPOOFED) == 0
