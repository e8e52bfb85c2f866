# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The rules that are made, each with its flow, and no other.

Octavia's own network driver makes them, with ours above it; only Neutron is
a fake. ``doc/source/operator/fabric.rst`` has a table of them.
"""

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from octavia.common import data_models as dm
from oslo_config import cfg

from octavia_anycast.testing.made_ports import (
    MEMBERS,
    MadePorts,
    listener,
    record,
)

PAGE = Path(__file__).parents[5] / "doc/source/operator/fabric.rst"
V4, V6 = "198.51.100.20", "2001:db8:100::20"
ANYBODY = "anybody"
PEER_PORT = "1025"
# Octavia 18 opens it to anybody, as the page says.
HAS_GROUPS_FOR_PEERS = (
    "use_remote_group_for_lb_peer_ports" in cfg.CONF.networking
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is let through; ``remote``: a CIDR, a group's name, or anybody."""

    direction: str
    protocol: str | None
    port: int | None
    remote: str
    ether_type: str


def rules_of(made):
    """The rules of the load balancer's own group."""
    names = {group.id: group.name for group in made.proxy.security_groups()}
    found = []
    for rule in made.proxy.security_group_rules(
        security_group_id=made.group.id
    ):
        assert rule.port_range_min == rule.port_range_max
        group = names.get(rule.remote_group_id, ANYBODY)
        found.append(
            Rule(
                direction=rule.direction,
                protocol=rule.protocol,
                port=rule.port_range_min,
                remote=rule.remote_ip_prefix or group,
                ether_type=rule.ether_type,
            )
        )
    assert len(found) == len(set(found))
    return set(found)


def table(title):
    """The rows of a table of the page, by the words of its head."""
    _, _, rest = PAGE.read_text().partition(f".. list-table:: {title}\n")
    body = re.split(r"\n(?=\S)", rest, maxsplit=1)[0]
    rows = [
        [
            " ".join(cell.replace("``", "").split())
            for cell in re.split(r"\n     - ", f"\n     - {row}")[1:]
        ]
        for row in body.split("\n   * - ")[1:]
    ]
    head, *others = rows
    return [dict(zip(head, row, strict=True)) for row in others]


ROWS = "Rules that are made of themselves"
LISTENERS = (
    (80, "HTTP", ()),
    (443, "TERMINATED_HTTPS", ("192.0.2.0/24", "2001:db8::/32")),
    (53, "UDP", ()),
    (5060, "SCTP", ("192.0.2.0/24",)),
    (8088, "PROMETHEUS", ("192.0.2.0/24",)),
)
NUMBERS = {"UDP": "udp", "SCTP": "sctp"}


def of_row(row, name, families):
    """The rules that a row of the table stands for."""
    for family in ("IPv4", "IPv6"):
        if row["IP versions"] == "of the VIPs" and family not in families:
            continue
        if row["Port"] == "of the listener":
            for port, protocol, cidrs in LISTENERS:
                for cidr in cidrs or (ANYBODY,):
                    if cidrs and (":" in cidr) is not (family == "IPv6"):
                        continue
                    yield Rule(
                        direction=row["Direction"],
                        protocol=NUMBERS.get(protocol, "tcp"),
                        port=port,
                        remote=cidr,
                        ether_type=family,
                    )
            continue
        is_any = row["Protocol"] == "any"
        remote = name if row["Remote"] == "lb-ID" else row["Remote"]
        if row["Port"] == PEER_PORT and not HAS_GROUPS_FOR_PEERS:
            remote = ANYBODY
        yield Rule(
            direction=row["Direction"],
            protocol=None if is_any else row["Protocol"].split()[0],
            port=None if is_any else int(row["Port"]),
            remote=remote,
            ether_type=family,
        )


@pytest.mark.parametrize(
    ("vips", "families"),
    [
        ((V4,), {"IPv4"}),
        ((V6,), {"IPv6"}),
        ((V4, V6), {"IPv4", "IPv6"}),
    ],
)
def test_table_of_the_guide_has_what_is_made_and_nothing_else(vips, families):
    made = MadePorts(
        *vips, listeners=[listener(p, k, *c) for p, k, c in LISTENERS]
    )
    made.plug()
    rows = table(ROWS)
    assert all(row["Flow that needs it"] for row in rows)
    stated = {
        r for row in rows for r in of_row(row, made.group.name, families)
    }
    assert rules_of(made) == stated


def test_rules_stay_when_all_is_prepared_again():
    """Octavia deletes rules that are of no listener: none of ours."""
    made = MadePorts(V4, listeners=[listener(53, "UDP")])
    made.plug()
    before = rules_of(made)
    made.prepare()
    made.plug()
    assert rules_of(made) == before


def test_rule_goes_with_its_listener():
    made = MadePorts(V4, listeners=[listener(80, "HTTP"), listener(53, "UDP")])
    made.plug()
    assert {80, 53} <= {rule.port for rule in rules_of(made)}
    made.balancer.listeners.pop()
    made.prepare()
    left = {(rule.protocol, rule.port) for rule in rules_of(made)}
    assert left == {(None, None), ("tcp", 80), ("tcp", 1025), ("17", 14789)}


def test_members_reach_each_other_for_metrics_while_a_tenant_asks():
    made = MadePorts(
        V4, listeners=[listener(80, "HTTP"), listener(8088, "PROMETHEUS")]
    )
    made.plug()
    metrics = {rule for rule in rules_of(made) if rule.port == 1024}
    assert {rule.remote for rule in metrics} == {made.group.name}
    assert {(r.protocol, r.ether_type) for r in metrics} == {
        ("6", "IPv4"),
        ("6", "IPv6"),
    }
    before = rules_of(made)
    made.prepare()
    assert rules_of(made) == before
    made.balancer.listeners.pop()
    made.prepare()
    assert 1024 not in {rule.port for rule in rules_of(made)}


def test_a_disabled_listener_of_metrics_opens_nothing():
    disabled = listener(8088, "PROMETHEUS")
    disabled.enabled = False
    made = MadePorts(V4, listeners=[listener(80, "HTTP"), disabled])
    made.plug()
    assert 1024 not in {rule.port for rule in rules_of(made)}


def test_without_flow_rescue_its_port_is_closed():
    made = MadePorts(
        V4, listeners=[listener(80, "HTTP")], opens_rescue_port=False
    )
    made.plug()
    assert 14789 not in {rule.port for rule in rules_of(made)}


def test_vrrp_is_let_in_nowhere():
    """Octavia opens it for its pairs: nothing of ours speaks it."""
    made = MadePorts(V4, V6, listeners=[listener(80, "HTTP")])
    made.plug()
    assert {"51", "112"}.isdisjoint(rule.protocol for rule in rules_of(made))


@pytest.mark.parametrize("vips", [(V4,), (V6,), (V4, V6)])
def test_front_end_port_may_send_with_each_vip(vips):
    port = MadePorts(*vips, listeners=[listener(80, "HTTP")]).plug()
    assert [p["ip_address"] for p in port.allowed_address_pairs] == list(vips)


def test_ports_have_their_groups_and_no_other():
    made = MadePorts(
        V4, listeners=[listener(80, "HTTP")], frontend_groups=("peering",)
    )
    port = made.plug()
    names = {g.id: g.name for g in made.proxy.security_groups()}

    def groups(some_port):
        return [names[g] for g in some_port.security_group_ids]

    assert groups(port) == [made.group.name, "peering"]
    made.prepare(record(port.device_id, frontend_port_id=port.id))
    assert groups(port) == [made.group.name, "peering"]
    # The VIP's port carries no packet; it makes the group's members know it.
    assert groups(made.vip_port) == [made.group.name]


def test_member_port_gets_the_default_group_of_the_project():
    """It lets in what comes from the group itself, and answers."""
    made = MadePorts(V4, listeners=[listener(80, "HTTP")])
    pool = dm.Pool(
        id="pool",
        provisioning_status="ACTIVE",
        members=[
            dm.Member(
                id="m", subnet_id=f"{MEMBERS}-1", provisioning_status="ACTIVE"
            )
        ],
    )
    made.balancer.pools = [pool]
    amphora = record(str(uuid.uuid4()))
    tree = made.tree()
    (info,) = made.network.plug_members(tree, amphora, [MEMBERS])
    (port,) = (
        p for p in made.proxy.ports() if p.mac_address == info["mac_address"]
    )
    default = made.proxy.find_security_group("default")
    assert port.security_group_ids == [default.id]
    assert not port.allowed_address_pairs
