# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a create made of Octavia's stock drivers, in Nova and in the guest."""

import json

import looks
import pytest
from conftest import await_served
from octavia_anycast_lab.api import seed
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.vm import content, guests
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import World

Amphorae = tuple[Amphora, ...]
_NETWORK_NAMESPACE = "sudo ip netns exec amphora-haproxy"


def test_image_by_tag_and_flavor(world: World, amphorae: Amphorae) -> None:
    path = f"/v2/images?tag={vm_settings.IMAGE_TAG}"
    (image,) = world.admin.get(vm_survey.IMAGE, path)["images"]
    flavors = world.admin.get(guests.NOVA, "/v2.1/flavors")["flavors"]
    names = {flavor["id"]: flavor["name"] for flavor in flavors}
    for one in amphorae:
        server = world.server(one.server_id)
        assert server["image"]["id"] == image["id"]
        assert names[server["flavor"]["id"]] == vm_settings.FLAVOR


def test_racks_and_server_group(world: World, amphorae: Amphorae) -> None:
    """One in each rack, on the host of that rack, in one group."""
    assert [(a.rack, a.guest.host) for a in amphorae] == [
        (h.rack, h.host) for h in vm_settings.HYPERVISORS
    ]
    path = "/v2.1/os-server-groups?all_projects=1"
    groups = world.admin.get(guests.NOVA, path)["server_groups"]
    wanted = {a.server_id for a in amphorae}
    (group,) = (g for g in groups if wanted <= set(g["members"]))
    assert group["policies"] == ["soft-anti-affinity"]


def test_config_drive_and_first_state(
    world: World, amphorae: Amphorae
) -> None:
    """The files of the drive are where Octavia's agent looks for them."""
    for one in amphorae:
        assert world.server(one.server_id)["config_drive"]
        text = looks.inside(
            world, one, "sudo cat /etc/octavia/amphora-agent.conf"
        )
        assert str(one.guest.amphora_id) in text
        certificates = looks.inside(
            world, one, "sudo ls /etc/octavia/certs"
        ).split()
        assert {"server.pem", "client_ca.pem"} <= set(certificates)
        mounted = looks.inside(
            world, one, "findmnt -n -o FSTYPE /var/lib/octavia/certs"
        )
        assert mounted.split() in (["tmpfs"], ["ext2"], ["ext4"])
        assert looks.agent(world, one).status == 200


def test_front_end_and_members_are_hot_plugged(
    world: World, amphorae: Amphorae
) -> None:
    """Three NICs; all but the management's are in HAProxy's namespace."""
    for one in amphorae:
        ports = [p for p in world.ports() if p["device_id"] == one.server_id]
        networks = {p["network"]: p["mac_address"] for p in ports}
        front_end = seed.front_end_network(one.rack)
        assert set(networks) == {
            *(seed.MANAGEMENT_NETWORK, front_end, seed.BACKEND_NETWORK)
        }
        listed = guests.virsh(
            world.plane, one.rack, "domiflist", one.guest.domain
        )
        assert all(mac in listed for mac in networks.values())
        text = looks.inside(world, one, f"{_NETWORK_NAMESPACE} ip -j addr")
        links = {link["address"]: link for link in json.loads(text)}
        assert networks[seed.MANAGEMENT_NETWORK] not in links
        assert networks[seed.BACKEND_NETWORK] in links
        addresses = {
            a["local"] for a in links[networks[front_end]]["addr_info"]
        }
        assert set(map(str, one.addresses)) <= addresses


@pytest.mark.parametrize("service", content.SERVICES, ids=lambda s: s.name)
def test_each_listener_is_served_on_both_vips(
    world: World,
    pair: Balancer,
    amphorae: Amphorae,
    service: content.Service,
) -> None:
    await_served(world, pair, service)


def test_status_and_reason_of_a_whole_cluster(
    world: World, pair: Balancer, amphorae: Amphorae
) -> None:
    cluster = world.cluster(pair.id)
    assert cluster["announcing_count"] == len(amphorae)
    assert cluster["operating_status"] == "ONLINE"
    assert {m["id"] for m in cluster["amphorae"]} == {
        a.guest.amphora_id for a in amphorae
    }
