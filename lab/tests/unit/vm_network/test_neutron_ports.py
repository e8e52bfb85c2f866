# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the agent of a rack asks the lab's Neutron, and where ports belong."""

import json
import pathlib

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import seed
from octavia_anycast_lab.vm.network import agent, neutron_ports, signals

PORT = {
    "id": "11111111-2222-3333-4444-555555555555",
    "network_id": "net",
    "mac_address": "fa:16:3e:00:00:01",
    "fixed_ips": [{"ip_address": "10.1.0.5"}],
    "allowed_address_pairs": [],
    "security_groups": ["mine"],
    "port_security_enabled": True,
    "status": "ACTIVE",
    "binding:host_id": "rack2-host1",
    "binding:vif_type": "tap",
}
RULE = {
    "id": "rule",
    "security_group_id": "mine",
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
}


class FakeApi:
    """Neutron's API, of which the fields asked for are what it shows."""

    def get(self, service, path):
        assert service == "neutron"
        resource, _, query = path.removeprefix("/v2.0/").partition("?")
        if resource == "security-group-rules":
            return {"security_group_rules": [RULE]}
        fields = {part.removeprefix("fields=") for part in query.split("&")}
        assert resource == "ports"
        return {"ports": [{k: v for k, v in PORT.items() if k in fields}]}


@pytest.fixture
def lab(tmp_path):
    return settings.Lab(name="unit", run_root=tmp_path)


@pytest.mark.parametrize(("rack", "count"), [("rack1", 0), ("rack2", 1)])
def test_ports_of_a_rack(lab, rack, count):
    neutron = neutron_ports.LabNeutron(lab=lab, rack=rack, api=FakeApi())
    found = neutron.ports()
    assert len(found) == count
    for port in found:
        assert (port.is_active, port.is_filtered) == (True, True)
        assert [rule.protocol for rule in port.rules] == [6]


def test_changes_and_reports_meet_at_the_place_of_the_lab(lab):
    neutron = neutron_ports.LabNeutron(lab=lab, rack="rack1", api=FakeApi())
    assert neutron.changed_at() == 0
    signals.mark_changed(signals.directory(lab))
    first = neutron.changed_at()
    signals.mark_changed(signals.directory(lab))
    assert 0 < first < neutron.changed_at()
    neutron.report("one", is_up=True)  # nobody listens


def test_bridge_of_a_network(lab):
    lab.run_dir.mkdir()
    assert agent.bridge_of(lab, "rack1", "fe1") is None
    content = {
        "mgmt": {"*": {"namespace": "unit-mgmt", "bridge": "br-mgmt"}},
        "fe1": {"rack1": {"namespace": "unit-leaf1", "bridge": "fe"}},
    }
    pathlib.Path(lab.wiring).write_text(json.dumps(content))
    assert agent.bridge_of(lab, "rack1", "fe1") == "fe"
    assert agent.bridge_of(lab, "rack2", "fe1") is None
    assert agent.bridge_of(lab, "rack2", "mgmt") == "br-mgmt"


def test_management_group_lets_in_what_the_guide_says():
    """And SSH, for whoever looks at an amphora of the lab."""
    page = pathlib.Path(__file__).parents[4] / "doc/source/operator/fabric.rst"
    table = page.read_text().split("Rules that the operator makes\n")[1]
    rows = [
        [cell.strip() for cell in row.split("\n")[0:3]]
        for row in table.split("   * - management\n     - ")[1:]
    ]
    stated = {
        (protocol, int(port.removeprefix("- ")), source.removeprefix("- "))
        for protocol, port, source in rows
    }
    sources = {"172.31.0.2/32": "controllers"} | {
        f"{leaf.mgmt.ip}/32": "leaves" for leaf in settings.RACK_LEAVES
    }
    made = {
        (
            rule["protocol"],
            rule["port_range_min"],
            sources[rule["remote_ip_prefix"]],
        )
        for rule in seed.management_rules()
    }
    assert made == stated | {("tcp", 22, "controllers")}
