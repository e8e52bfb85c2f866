# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The namespaces of hypervisors, and the cables to a fabric's bridges."""

import json

import pytest
from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm.network import racks

pytestmark = pytest.mark.lab

ENDS = {
    "mgmt": (settings.MGMT_BRIDGE, settings.CTL_MGMT),
    "leaf1": (settings.FRONT_END_BRIDGE, settings.LEAVES[0].gateway_v4),
    "leaf2": (settings.FRONT_END_BRIDGE, settings.LEAVES[1].gateway_v4),
    "tenant": (settings.TENANT_BRIDGE, settings.MEMBERS[0].address_v4),
}


@pytest.fixture
def bare(lab):
    """A lab of its own that has the bridges of a fabric, and no router."""
    other = settings.Lab(name=f"{lab.lab.name[:7]}r")
    cleanup.clean(other)
    registry = registry_lib.Registry(other.run_dir)
    other.run_dir.mkdir(parents=True)
    for role in ENDS:
        make_end(other, registry, role)
    yield other, registry
    cleanup.clean(other)
    assert cleanup.namespaces(other, registry) == ()


def make_end(lab, registry, role):
    netns.create(registry, lab.namespace(role))
    bridge, address = ENDS[role]
    netns.bridge(lab.namespace(role), bridge, (address,))


def reaches(lab, rack, address):
    command = ["ping", "-n", "-q", "-c1", "-W2", str(address)]
    home = racks.namespace(lab, rack)
    return netns.run(home, command, check=False).returncode == 0


def await_reach(lab, rack, address):
    """A new cable has its carrier after a moment."""
    process.wait_until(
        lambda: reaches(lab, rack, address), 10.0, f"{rack} reaches {address}"
    )


def interfaces(lab, rack):
    shown = netns.run(racks.namespace(lab, rack), ["ip", "-j", "link"])
    return {i["ifname"]: i["ifindex"] for i in json.loads(shown.stdout)}


def test_hypervisors_are_in_the_management_network_alone(bare):
    lab, registry = bare
    racks.up(lab, registry)
    for rack in ("rack1", "rack2"):
        await_reach(lab, rack, settings.CTL_MGMT.ip)
        shown = netns.run(
            racks.namespace(lab, rack), ["ip", "-4", "-br", "address"]
        ).stdout.split()
        assert [text for text in shown if "/" in text] == [
            "127.0.0.1/8",
            str(vm_settings.hypervisor(rack).address),
        ]


def test_each_bridge_leads_to_that_of_its_name(bare):
    """An address on a bridge of a rack reaches the lab's, and its own leaf."""
    lab, registry = bare
    racks.up(lab, registry)
    for rack, leaf in (("rack1", "leaf1"), ("rack2", "leaf2")):
        for role in (leaf, "tenant"):
            bridge, end = ENDS[role]
            mine = f"{end.ip + 200}/{end.network.prefixlen}"
            home = racks.namespace(lab, rack)
            netns.ip_batch(home, [f"address add {mine} dev {bridge}"])
            await_reach(lab, rack, end.ip)
            netns.ip_batch(home, [f"address delete {mine} dev {bridge}"])


def test_up_changes_nothing_that_is_there(bare):
    lab, registry = bare
    racks.up(lab, registry)
    before = interfaces(lab, "rack1")
    racks.up(lab, registry)
    assert interfaces(lab, "rack1") == before


def test_up_repairs(bare):
    """A leaf that was made anew, and a build that did not end."""
    lab, registry = bare
    racks.up(lab, registry)
    before = interfaces(lab, "rack1")
    netns.delete(registry, lab.namespace("mgmt"))
    make_end(lab, registry, "mgmt")
    assert not reaches(lab, "rack1", settings.CTL_MGMT.ip)
    (lab.run_dir / "racks" / "hv2").unlink()
    racks.up(lab, registry)
    for rack in ("rack1", "rack2"):
        await_reach(lab, rack, settings.CTL_MGMT.ip)
    after = interfaces(lab, "rack1")
    assert {k for k in after if after[k] != before.get(k)} == {"up-br-mgmt"}
