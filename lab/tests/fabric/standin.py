# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Stand-ins for amphorae: BIRD and a small HTTP server in a namespace.

They let tests of the fabric run without images and without a control plane:
management leg, front-end leg, VIPs on ``lo``, a BGP session over management
with the front-end address as next hop, as an amphora has.
"""

import dataclasses
import functools
import ipaddress
import pathlib
import shutil
import sys

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process

VIP_V4 = ipaddress.ip_address("198.51.100.10")
VIP_V6 = ipaddress.ip_address("2001:db8:100::10")
PORT = 80
ANSWER_SECONDS = 30.0

_BIRD = """
router id {router_id};
log "{home}/bird.log" all;
protocol device {{ }}
protocol static anycast4 {{
  ipv4;
{routes_v4}
}}
protocol static anycast6 {{
  ipv6;
{routes_v6}
}}
protocol bgp leaf {{
  local {mgmt} as {asn};
  neighbor {leaf} as {leaf_as};
  hold time {hold};
  keepalive time {keepalive};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ttl security on;
  password "{password}";
  ipv4 {{
    import none;
    export filter {{ bgp_next_hop = {next_hop_v4}; {attributes}accept; }};
  }};
  ipv6 {{
    import none;
    export filter {{ bgp_next_hop = {next_hop_v6}; {attributes}accept; }};
  }};
}}
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standin:
    """One stand-in: ``index`` makes its addresses, 1 to 8."""

    lab: settings.Lab
    registry: registry_lib.Registry
    index: int
    rack: str
    password: str = settings.BGP_PASSWORD

    @property
    def name(self) -> str:
        return f"amp-{self.index:08x}"

    @property
    def namespace(self) -> str:
        return self.lab.namespace(self.name)

    @property
    def leaf(self) -> settings.Leaf:
        return settings.rack_leaf(self.rack)

    @property
    def mgmt(self) -> ipaddress.IPv4Interface:
        return ipaddress.IPv4Interface(f"172.31.1.{self.index}/22")

    @property
    def front_end_v4(self) -> ipaddress.IPv4Interface:
        subnet = self.leaf.gateway_v4.network
        return ipaddress.IPv4Interface(
            f"{subnet[100 + self.index]}/{subnet.prefixlen}"
        )

    @property
    def front_end_v6(self) -> ipaddress.IPv6Interface:
        subnet = self.leaf.gateway_v6.network
        return ipaddress.IPv6Interface(
            f"{subnet[0x100 + self.index]}/{subnet.prefixlen}"
        )

    @property
    def home(self) -> pathlib.Path:
        return self.lab.run_dir / "standin" / self.name

    @property
    def bridge_port(self) -> str:
        return f"p{self.index}"

    def up(self, prefixes: tuple[str, ...] | None = None) -> None:
        """Make it and announce the VIPs (or these prefixes instead)."""
        netns.create(self.registry, self.namespace)
        self._wire()
        self.home.mkdir(parents=True, exist_ok=True)
        self.start_server()
        self.configure(prefixes or (f"{VIP_V4}/32", f"{VIP_V6}/128"))
        self.start_speaker()

    def down(self) -> None:
        """Remove all of it."""
        for label in (self.speaker_label, self.server_label):
            process.stop(self.registry, label)
        netns.delete(self.registry, self.namespace)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def speaker_label(self) -> str:
        return f"speaker-{self.name}"

    @property
    def server_label(self) -> str:
        return f"server-{self.name}"

    def reannounce(self, prefixes: tuple[str, ...], attributes: str) -> None:
        """Have the running speaker announce them with other attributes."""
        self.configure(prefixes, attributes)
        control = str(self.home / "bird.ctl")
        netns.run(self.namespace, ["birdc", "-s", control, "configure"])

    def configure(
        self, prefixes: tuple[str, ...], attributes: str = ""
    ) -> None:
        """Write what the speaker announces when it starts.

        :param attributes: statements of BIRD's export filter
        """
        networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
        text = _BIRD.format(
            router_id=self.mgmt.ip,
            home=self.home,
            mgmt=self.mgmt.ip,
            asn=settings.AMPHORA_AS,
            leaf=self.leaf.mgmt.ip,
            leaf_as=self.leaf.asn,
            hold=settings.HOLD_TIME_SECONDS,
            keepalive=settings.KEEPALIVE_SECONDS,
            password=self.password,
            attributes=attributes,
            next_hop_v4=self.front_end_v4.ip,
            next_hop_v6=self.front_end_v6.ip,
            routes_v4=_routes(networks, 4),
            routes_v6=_routes(networks, 6),
        )
        (self.home / "bird.conf").write_text(text, "utf-8")

    def start_speaker(self) -> None:
        process.spawn(
            self.registry,
            self.speaker_label,
            [
                *("bird", "-f", "-c", str(self.home / "bird.conf")),
                *("-s", str(self.home / "bird.ctl")),
            ],
            namespace=self.namespace,
            log=self.home / "bird.out",
        )

    def start_server(self) -> None:
        process.spawn(
            self.registry,
            self.server_label,
            [
                *(sys.executable, "-m", "octavia_anycast_lab.traffic.members"),
                *(self.name, str(PORT)),
            ],
            namespace=self.namespace,
            log=self.home / "server.out",
        )

    def _wire(self) -> None:
        netns.veth(
            netns.Port(
                namespace=self.lab.namespace("mgmt"),
                interface=f"m{self.index}",
                bridge=settings.MGMT_BRIDGE,
            ),
            netns.Port(
                namespace=self.namespace,
                interface="eth0",
                addresses=(self.mgmt,),
            ),
        )
        netns.veth(
            netns.Port(
                namespace=self.lab.namespace(self.leaf.name),
                interface=self.bridge_port,
                bridge=settings.FRONT_END_BRIDGE,
            ),
            netns.Port(
                namespace=self.namespace,
                interface="eth1",
                addresses=(self.front_end_v4, self.front_end_v6),
            ),
        )
        netns.ip_batch(
            self.namespace,
            [
                f"route add default via {self.leaf.gateway_v4.ip}",
                f"route add default via {self.leaf.gateway_v6.ip}",
                f"address add {VIP_V4}/32 dev lo",
                f"address add {VIP_V6}/128 dev lo nodad",
            ],
        )
        self._tell_the_leaf()

    def _tell_the_leaf(self) -> None:
        """Ask the gateways, as an amphora's agent does.

        The leaf may still know the link address of an earlier one with these
        addresses: it would send there for eight seconds.
        """
        for gateway in (self.leaf.gateway_v4.ip, self.leaf.gateway_v6.ip):
            process.wait_until(
                functools.partial(self._hears, gateway),
                ANSWER_SECONDS,
                f"an answer of the gateway {gateway}",
            )

    def _hears(self, address: settings.Address) -> bool:
        words = ["ping", "-c", "1", "-W", "1", str(address)]
        done = netns.run(self.namespace, words, check=False)
        return done.returncode == 0


def _routes(networks: list[settings.Network], version: int) -> str:
    return "\n".join(
        f"  route {network} unreachable;"
        for network in networks
        if network.version == version
    )
