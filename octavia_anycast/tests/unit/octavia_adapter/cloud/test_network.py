# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ports: named, found again, and described to the agent."""

import uuid
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from types import SimpleNamespace

import pytest
from octavia.common import data_models as dm
from octavia.network import base as network_base
from octavia.network import data_models as network_models
from openstack import exceptions as openstack_exceptions

from octavia_anycast.model.actions import PlugFrontend
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.errors import Permanent, Retryable
from octavia_anycast.octavia_adapter.cloud.network import Network
from octavia_anycast.tests.unit.octavia_adapter.models import (
    model_of,
    tree_of,
)

AMPHORA_ID = str(uuid.uuid4())
CIDRS = {"fe4": "10.1.0.0/24", "fe6": "fd00:10:1::/64", "m4": "10.10.0.0/24"}


class FakeDriver:
    """Octavia's network driver with networks ``fe`` and ``members``."""

    project_id = "service"

    def __init__(self):
        self.ports = {}
        self.attached = {}
        self.groups = []
        self.created = 0
        self.failure = None
        self.network_proxy = Rules()

    def get_subnet(self, subnet_id):
        cidr = CIDRS[subnet_id]
        return network_models.Subnet(
            id=subnet_id,
            cidr=cidr,
            ip_version=6 if ":" in cidr else 4,
            network_id="fe" if subnet_id.startswith("fe") else "members",
            gateway_ip=str(ip_network(cidr)[1]),
            host_routes=[],
        )

    def get_network(self, network_id):
        subnets = ["fe4", "fe6"] if network_id == "fe" else ["m4"]
        return network_models.Network(id=network_id, mtu=1450, subnets=subnets)

    def get_port_by_name(self, name):
        for port in self.ports.values():
            if port.name == name:
                return port
        raise network_base.PortNotFound(name)

    def get_security_group(self, name):
        return network_models.SecurityGroup(id="sg", name=name)

    def create_port(self, network_id, **fields):
        if self.failure:
            raise self.failure
        self.created += 1
        fields.pop("secondary_ips", None)
        self.groups.append(fields.pop("security_group_ids", None))
        fixed_ips = [
            network_models.FixedIP(
                subnet_id=f["subnet_id"],
                ip_address=str(ip_network(CIDRS[f["subnet_id"]])[5]),
            )
            for f in fields.pop("fixed_ips")
        ]
        port = network_models.Port(
            id=str(uuid.uuid4()),
            network_id=network_id,
            mac_address="FA:16:3E:00:00:01",
            fixed_ips=fixed_ips,
            **fields,
        )
        self.ports[port.id] = port
        return port

    def plug_port(self, amphora, port):
        port.device_id = amphora.compute_id

    def delete_port(self, port_id):
        del self.ports[port_id]

    def unplug_network(self, compute_id, network_id):
        self.attached.pop(network_id, None)


@pytest.fixture
def driver():
    return FakeDriver()


@pytest.fixture
def network(driver):
    return Network(model_of, driver=driver)


@pytest.fixture
def tree():
    pool = dm.Pool(
        id="p",
        provisioning_status="ACTIVE",
        members=[
            dm.Member(id="m", subnet_id="m4", provisioning_status="ACTIVE")
        ],
    )
    balancer = dm.LoadBalancer(id="lb", enabled=True, pools=[pool])
    balancer.vip = dm.Vip(ip_address="198.51.100.10", sg_ids=["extra"])
    return tree_of(balancer)


def record(**fields):
    return AmphoraRecord(
        id=AMPHORA_ID,
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=datetime(2026, 1, 1, tzinfo=UTC),
        compute_id="server",
        **fields,
    )


def plug(subnet_ids=("fe4", "fe6"), versions=(4, 6)):
    return PlugFrontend(
        amphora_id=AMPHORA_ID,
        network_id="fe",
        subnet_ids=subnet_ids,
        ip_versions=versions,
    )


def test_front_end_is_described_for_the_agent(network, driver, tree):
    port_id, frontend = network.plug_frontend(tree, record(), plug())
    assert driver.ports[port_id].device_id == "server"
    assert driver.groups == [["sg", "extra"]]
    assert frontend.mac_address == "fa:16:3e:00:00:01"
    assert frontend.mtu == 1450
    first = frontend.addresses[0]
    assert first.ip_address == ip_address("10.1.0.5")
    assert first.prefix_length == 24
    assert first.gateway == ip_address("10.1.0.1")
    assert [a.ip_address.version for a in frontend.addresses] == [4, 6]


def test_port_made_before_a_crash_is_found_again(network, driver, tree):
    first = network.plug_frontend(tree, record(), plug())
    assert network.plug_frontend(tree, record(), plug()) == first
    assert driver.created == 1


def test_without_subnets_one_of_each_family_is_chosen(network, tree):
    _, frontend = network.plug_frontend(tree, record(), plug(subnet_ids=()))
    assert [a.subnet_id for a in frontend.addresses] == ["fe4", "fe6"]


def test_network_without_a_subnet_of_the_family_is_refused(network, tree):
    action = PlugFrontend(
        amphora_id=AMPHORA_ID,
        network_id="members",
        subnet_ids=(),
        ip_versions=(6,),
    )
    with pytest.raises(Permanent, match="no subnet"):
        network.plug_frontend(tree, record(), action)


def test_front_end_ports_get_the_groups_of_the_operator(driver, tree):
    """At plugging, and whenever Octavia's own are set again."""
    network = Network(model_of, ("peering", "extra"), driver=driver)
    port_id, _ = network.plug_frontend(tree, record(), plug())
    assert driver.groups == [["sg", "extra", "peering"]]

    told = []
    driver.update_vip_sg = lambda balancer, vip: told.append(vip.sg_ids)
    driver.update_aap_port_sg = lambda balancer, amphora, vip: told.append(
        (amphora.vrrp_port_id, vip.sg_ids)
    )
    driver.qos_enabled = lambda: False
    network.prepare(tree, [record(frontend_port_id=port_id)])
    # The VIP's own port, which no packet uses, is as Octavia has it.
    assert told == [["extra"], (port_id, ["extra", "peering"])]


class Rules:
    """Neutron's security group rules; ``has_rival``: somebody is first."""

    has_rival = False
    is_full = False

    def __init__(self, *rules):
        self.rules = list(rules)

    def security_group_rules(self, **wanted):
        return [
            rule for rule in self.rules if wanted.items() <= vars(rule).items()
        ]

    def create_security_group_rule(self, **attributes):
        rule = SimpleNamespace(**attributes)
        if self.is_full:
            raise openstack_exceptions.ConflictException(
                "Quota exceeded for resources: ['security_group_rule']."
            )
        self.rules.append(rule)
        if self.has_rival:
            raise openstack_exceptions.ConflictException("it is there")


@pytest.mark.parametrize("has_rival", [False, True])
def test_members_alone_reach_the_tunnel_of_flow_rescue(
    driver, tree, has_rival
):
    driver.network_proxy = rules = Rules()
    rules.has_rival = has_rival
    network = Network(model_of, opens_rescue_port=True, driver=driver)
    for _ in range(2):
        network.plug_frontend(tree, record(), plug())
    assert [rule.ether_type for rule in rules.rules] == ["IPv4", "IPv6"]
    for rule in rules.rules:
        assert rule.security_group_id == rule.remote_group_id == "sg"
        assert (rule.direction, rule.protocol) == ("ingress", "17")
        assert rule.port_range_min == rule.port_range_max == 14789


def test_a_quota_that_is_used_up_is_told(driver, tree, caplog):
    driver.network_proxy = rules = Rules()
    rules.is_full = True
    network = Network(model_of, opens_rescue_port=True, driver=driver)
    network.plug_frontend(tree, record(), plug())
    assert rules.rules == []
    assert "Port 14789 is not opened" in caplog.text
    assert "Quota exceeded" in caplog.text


def test_a_driver_without_neutron_has_no_rules(driver, tree):
    vars(driver).pop("network_proxy", None)
    assert not hasattr(driver, "network_proxy")
    network = Network(model_of, opens_rescue_port=True, driver=driver)
    assert network.plug_frontend(tree, record(), plug())


def test_without_flow_rescue_nothing_is_opened(network, driver, tree):
    driver.network_proxy = rules = Rules()
    network.plug_frontend(tree, record(), plug())
    assert rules.rules == []


def test_member_port_and_its_end(network, driver, tree):
    (info,) = network.plug_members(tree, record(), ["members"])
    assert info["fixed_ips"][0]["ip_address"] == "10.10.0.5"
    assert info["mtu"] == 1450
    network.plug_members(tree, record(), ["members"])
    assert driver.created == 1
    network.unplug_members(record(), ["members"])
    assert driver.ports == {}


def test_release_deletes_all_and_twice_is_once(network, driver, tree):
    network.plug_frontend(tree, record(), plug())
    network.plug_members(tree, record(), ["members"])
    gone = record(member_network_ids=("members",))
    network.release(gone)
    network.release(gone)
    assert driver.ports == {}


def test_vip_of_a_load_balancer_that_was_rolled_back_is_found_by_name(
    network, driver
):
    for name in ("octavia-lb-one", "octavia-lb-two", "a user's own"):
        driver.create_port("members", name=name, fixed_ips=[])
    network.remove_vip_of("one")
    network.remove_vip_of("one")
    left = {port.name for port in driver.ports.values()}
    assert left == {"octavia-lb-two", "a user's own"}


def test_trouble_may_pass(network, driver, tree):
    driver.failure = network_base.CreatePortException("quota")
    with pytest.raises(Retryable, match="quota"):
        network.plug_frontend(tree, record(), plug())


@pytest.mark.parametrize(
    ("network_id", "subnet_ids"),
    [("fe", ("fe4", "fe6")), ("fe", ()), (None, ("m4",)), (None, ())],
)
def test_front_end_that_is_there(network, network_id, subnet_ids):
    network.check_frontend(network_id, subnet_ids)


def test_front_end_that_is_not_there(network, driver):
    with pytest.raises(Permanent, match="m4 is not one of"):
        network.check_frontend("fe", ("fe4", "m4"))

    def missing(subnet_id):
        raise network_base.SubnetNotFound(f"no subnet {subnet_id}")

    driver.get_subnet = missing
    with pytest.raises(Permanent, match="no subnet fe4"):
        network.check_frontend("fe", ("fe4",))


def test_front_end_that_cannot_be_looked_up(network, driver):
    def out(network_id):
        raise network_base.NetworkException("Neutron is out")

    driver.get_network = out
    with pytest.raises(Retryable, match="Neutron is out"):
        network.check_frontend("fe", ())


class Prepared(FakeDriver):
    """One on which load balancers are prepared; ``lost``: what is gone."""

    def __init__(self, *lost):
        super().__init__()
        self.lost = set(lost)
        self.policies = {}

    def _demand(self, port_id):
        if port_id in self.lost:
            raise network_base.PortNotFound(f"port {port_id}")

    def update_vip_sg(self, balancer, vip):
        self._demand(vip.port_id)
        self.lost.discard("group")

    def get_security_group(self, name):
        if "group" in self.lost:
            raise network_base.SecurityGroupNotFound(name)
        return super().get_security_group(name)

    def allocate_vip(self, balancer):
        vip = balancer.vip
        if "subnet" in self.lost:
            raise network_base.SubnetNotFound("the VIP's subnet is gone")
        made = dm.Vip(
            ip_address=vip.ip_address,
            port_id="vip-2" if vip.port_id in self.lost else vip.port_id,
            octavia_owned=True,
        )
        return made, []

    def update_aap_port_sg(self, balancer, amphora, vip):
        self._demand(amphora.vrrp_port_id)

    def qos_enabled(self):
        return True

    def get_qos_policy(self, policy_id):
        if policy_id in self.lost:
            raise network_base.QosPolicyNotFound(policy_id)

    def get_port(self, port_id):
        self._demand(port_id)
        return network_models.Port(id=port_id, qos_policy_id=None)

    def apply_qos_on_port(self, policy_id, port_id):
        self.policies[port_id] = policy_id


class Rows(Network):
    """Without Octavia's tables."""

    def __init__(self, driver):
        super().__init__(model_of, driver=driver)
        self._vips = self._additional_vips = self
        self.written = []

    def update(self, session, load_balancer_id, **changes):
        self.written.append(changes)


@pytest.fixture
def vip_tree(tree, monkeypatch):
    monkeypatch.setattr(
        "octavia_anycast.octavia_adapter.cloud.network.transaction",
        nullcontext,
    )
    model_of(tree).vip.port_id = "vip-1"
    model_of(tree).vip.qos_policy_id = "policy"
    return tree


def test_a_vip_port_that_is_gone_is_made_again(vip_tree):
    network = Rows(Prepared("vip-1"))
    network.prepare(vip_tree, [])
    assert network.written == [{"port_id": "vip-2", "octavia_owned": True}]
    assert model_of(vip_tree).vip.port_id == "vip-2"
    network.prepare(vip_tree, [])
    assert len(network.written) == 1


def test_a_vip_port_without_its_subnet_cannot_be_made(vip_tree):
    network = Rows(Prepared("vip-1", "subnet"))
    with pytest.raises(Permanent, match="subnet is gone"):
        network.prepare(vip_tree, [])


def test_an_amphora_without_its_port_is_named_and_others_are_prepared(
    vip_tree,
):
    driver = Prepared("fe-1")
    records = [
        replace(record(frontend_port_id="fe-1"), id="one"),
        replace(record(frontend_port_id="fe-2"), id="two"),
    ]
    found = Rows(driver).prepare(vip_tree, records)
    assert found.without_port == ("one",)
    assert driver.policies == {"fe-2": "policy"}


def test_a_group_of_the_operator_that_is_gone_costs_no_amphora(vip_tree):
    driver = Prepared()

    def refuse(balancer, amphora, vip):
        raise network_base.PortNotFound("security group g")

    driver.update_aap_port_sg = refuse
    with pytest.raises(Permanent, match="security group g"):
        Rows(driver).prepare(vip_tree, [record(frontend_port_id="fe-1")])


def test_a_qos_policy_that_is_gone_is_told_and_left_out(vip_tree):
    driver = Prepared("policy")
    network = Rows(driver)
    found = network.prepare(vip_tree, [record(frontend_port_id="fe-2")])
    assert "QoS policy policy" in found.lacks[0]
    assert driver.policies == {}
    network.plug_frontend(vip_tree, record(), plug())
    (port,) = driver.ports.values()
    assert port.qos_policy_id is None


def test_a_group_that_is_gone_is_made_as_a_front_end_needs_it(vip_tree):
    driver = Prepared("group")
    Rows(driver).plug_frontend(vip_tree, record(), plug())
    assert driver.groups == [["sg", "extra"]]


def test_member_subnets_that_are_gone_are_named(driver, tree):
    def look(subnet_id):
        if subnet_id == "gone":
            raise network_base.SubnetNotFound(subnet_id)
        return FakeDriver.get_subnet(driver, subnet_id)

    driver.get_subnet = look
    network = Network(model_of, driver=driver)
    found = network.networks_of(("m4", "gone"))
    assert found.network_ids == ("members",)
    assert found.gone_subnet_ids == ("gone",)


def test_after_a_refusal_nothing_that_was_remembered_is_believed(tree):
    driver = FakeDriver()
    network = Network(model_of, driver=driver)
    assert network.networks_of(("m4",)).gone_subnet_ids == ()

    driver.failure = network_base.NetworkNotFound("members")
    with pytest.raises(Permanent):
        network.plug_members(tree, record(), ["members"])
    assert network._subnet.cache_info().currsize == 0
