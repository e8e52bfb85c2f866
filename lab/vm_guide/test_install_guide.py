# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The install guide on virtual machines, each block typed as printed.

From an Octavia that works and has nothing of ours, to a load balancer on two
virtual machines of the image that the guide uploads. Blocks of the mark ``on
vms`` are typed here and nowhere else. What a reader does between the blocks,
in an editor or with the service's manager, is in ``BETWEEN``.
"""

import collections.abc
import dataclasses
import json
import re

import guide_shell
from guide_shell import guide_blocks
from host import Host
from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import distributors, rest, seed
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe

GUIDE = guide_shell.ROOT / "doc/source/operator/install.rst"
UNIT = GUIDE.with_name("octavia-anycast-controller.service")
VIP = "198.51.100.10"
# What the command line names counts, and not this one of the file.
STOCK = "octavia.wsgi.api:application"
AMPHORAE = 2
# Two virtual machines boot, and pip installs Octavia's requirements.
BLOCK_SECONDS = 1500.0
SERVED_SECONDS = 120.0
# What the guide has for "your own" -> what it is here.
SITE = {
    "192.0.2.10:5556": f"{settings.CTL_MGMT.ip}:5556",
    "etcd3+http://192.0.2.20:2379": "file:///var/lib/octavia-anycast",
}


@dataclasses.dataclass(slots=True, kw_only=True)
class Typist(guide_shell.Reader):
    """Types at the controller host of the guide, not in the lab's shell."""

    host: Host

    def _start(
        self, place: str, user: str
    ) -> tuple[list[str], dict[str, str]]:
        environment = {**self.host.environment(), "OS_CLOUD": user}
        networked = place != guide_blocks.MACHINE
        return (
            self.host.enter(["bash", "-e"], is_networked=networked),
            environment,
        )


def test_the_guide_as_printed(host: Host) -> None:
    left = list(BETWEEN)
    with Typist(
        plane=host.plane,
        directory=host.client,
        seconds=BLOCK_SECONDS,
        host=host,
    ) as typist:
        for block in guide_blocks.blocks(GUIDE, guide_shell.ROOT):
            if left and left[0][0] in block.text:
                left.pop(0)[1](host, block)
            if block.reason is None or block.is_on_vms:
                said = typist.type(block)
                print(f"== {block.name}\n{block.text}{said}")  # noqa: T201
    assert not left, f"the guide does not have {left[0][0]}"
    _is_served(host)


def _without_networks(host: Host, _: guide_blocks.Block) -> None:
    """The lab has VIP and front-end networks; the reader makes these."""
    api = rest.Api(plane=host.plane)
    names = {n.name for n in seed.networks()} - {
        seed.MANAGEMENT_NETWORK,
        seed.BACKEND_NETWORK,
    }
    for network in api.get(rest.NETWORK, "/v2.0/networks")["networks"]:
        if network["name"] in names:
            path = f"/v2.0/networks/{network['id']}"
            api.request("DELETE", rest.NETWORK, path)


def _with_all_zones(host: Host, block: guide_blocks.Block) -> None:
    """The front end of the other racks, and the leaves' side of all."""
    api = rest.Api(plane=host.plane)
    for leaf in settings.RACK_LEAVES[1:]:
        name = seed.front_end_network(str(leaf.rack))
        body = {"network": {"name": name, "shared": True}}
        made = api.request("POST", rest.NETWORK, "/v2.0/networks", body)
        for gateway in (leaf.gateway_v4, leaf.gateway_v6):
            subnet = {
                "name": f"{name}-v{gateway.version}",
                "network_id": made["network"]["id"],
                "ip_version": gateway.version,
                "cidr": str(gateway.network),
                "gateway_ip": str(gateway.ip),
                "enable_dhcp": False,
            }
            path = "/v2.0/subnets"
            api.request("POST", rest.NETWORK, path, {"subnet": subnet})
    found = api.get(rest.NETWORK, "/v2.0/networks")["networks"]
    ids = {network["name"]: network["id"] for network in found}
    wiring = seed.wiring(host.plane.lab, ids)
    text = json.dumps(wiring, indent=1)
    deployment.write_private(host.plane.lab.wiring, f"{text}\n")


def _edit_configuration(host: Host, block: guide_blocks.Block) -> None:
    text = block.text
    for printed, real in SITE.items():
        assert printed in text, f"the guide does not have {printed}"
        text = text.replace(printed, real)
    host.append(text)


def _change_application(host: Host, _: guide_blocks.Block) -> None:
    found = re.search(r"``gunicorn '(\S+)'``", GUIDE.read_text())
    assert found is not None
    host.serve(STOCK, found[1])


def _start_controller(host: Host, _: guide_blocks.Block) -> None:
    log = host.plane.log("controller")
    before = len(log.read_text())
    host.start_unit(UNIT.read_text())
    process.wait_until(
        lambda: "Heartbeats are received on" in log.read_text()[before:],
        SERVED_SECONDS,
        "the controller's last line of the guide",
    )


def _first_distributor(host: Host, _: guide_blocks.Block) -> None:
    distributors.create(rest.Api(plane=host.plane))


# Before the first block with these words, in the order of the guide.
BETWEEN: tuple[
    tuple[str, collections.abc.Callable[[Host, guide_blocks.Block], None]],
    ...,
] = (
    ("network create --share --enable-port-security", _without_networks),
    ("security group rule create", _with_all_zones),
    ("enabled_provider_drivers", _edit_configuration),
    ("provider list", _change_application),
    ("$MANAGE status", _start_controller),
    ("distributor show lab-fabric", _first_distributor),
)


def _is_served(host: Host) -> None:
    """Both amphorae announce, and HAProxy answers 503 through the fabric."""
    prefix = f"{VIP}/32"
    process.wait_until(
        lambda: len(observe.forwarded_to(host.plane.lab, prefix)) == AMPHORAE,
        SERVED_SECONDS,
        "both amphorae are next hops",
    )
    target = http_probe.Target(address=VIP, port=80)
    records = clients.shares(host.plane.lab, target, 8, 1)
    assert {record.status for record in records} == {503}
