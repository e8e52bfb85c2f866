# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
r"""Namespaces, links and kernel settings of the lab's network.

      spine1    spine2
      /  |  \  /  |  \        every leaf to every spine
   leaf1   leaf2    leaf3
   br fe   br fe    br fe     front-end subnets; clients behind leaf3
     |       |        |
 amphorae amphorae  client1

mgmt:   br-mgmt    ctl, leaf1..3, amphorae
tenant: br-tenant  member1..3, amphorae
"""

import collections.abc

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns

ROUTER_NAMES = tuple(
    node.name for node in (*settings.SPINES, *settings.LEAVES)
)
ROLES = (
    "mgmt",
    "ctl",
    *ROUTER_NAMES,
    settings.CLIENT,
    "tenant",
    *(member.name for member in settings.MEMBERS),
)

# Layer 3 and 4 fields without the flow label (ip-sysctl: 1 source, 2
# destination address, 4 protocol, 0x10 and 0x20 the ports).
_HASH_FIELDS = "0x37"
_CLIENT_SYSCTLS = {
    "net.ipv4.ip_local_port_range": "1024 65535",
    "net.ipv4.tcp_tw_reuse": "1",
}


def router_sysctls(name: str) -> dict[str, str]:
    """Forwarding and the ECMP hash of a router.

    Each router has a seed of its own: with one seed for all of them every
    tier takes the same decision again and half of the paths stay unused.
    """
    seed = 7919 * (1 + ROUTER_NAMES.index(name))
    values = {"net.ipv4.fib_multipath_hash_seed": str(seed)}
    for version in ("ipv4", "ipv6"):
        values[f"net.{version}.fib_multipath_hash_policy"] = "3"
        values[f"net.{version}.fib_multipath_hash_fields"] = _HASH_FIELDS
        values[f"net.{version}.conf.all.forwarding"] = "1"
        values[f"net.{version}.conf.default.forwarding"] = "1"
    # A next hop on a link without carrier must not attract flows, and a
    # link which comes back must have its addresses again.
    values["net.ipv4.conf.all.ignore_routes_with_linkdown"] = "1"
    values["net.ipv4.conf.default.ignore_routes_with_linkdown"] = "1"
    values["net.ipv6.conf.all.keep_addr_on_down"] = "1"
    return values


def build(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Make all namespaces, links, bridges, addresses; none may exist."""
    for role in ROLES:
        netns.create(registry, lab.namespace(role))
    for name in ROUTER_NAMES:
        netns.sysctls(lab.namespace(name), router_sysctls(name))
    netns.sysctls(lab.namespace(settings.CLIENT), _CLIENT_SYSCTLS)
    netns.bridge(lab.namespace("mgmt"), settings.MGMT_BRIDGE)
    netns.bridge(lab.namespace("tenant"), settings.TENANT_BRIDGE)
    _management(lab)
    _leaves(lab)
    _client(lab)
    _members(lab)


def uplinks() -> collections.abc.Iterator[tuple[str, str]]:
    """Pairs (spine, leaf): each end's interface bears the other's name."""
    for spine in settings.SPINES:
        for leaf in settings.LEAVES:
            yield spine.name, leaf.name


def connect_uplink(lab: settings.Lab, spine: str, leaf: str) -> None:
    """Make the link of a spine and a leaf."""
    netns.veth(
        netns.Port(namespace=lab.namespace(spine), interface=leaf),
        netns.Port(namespace=lab.namespace(leaf), interface=spine),
    )


def _management(lab: settings.Lab) -> None:
    hosts = [("ctl", settings.CTL_MGMT)]
    hosts += [(leaf.name, leaf.mgmt) for leaf in settings.LEAVES]
    for name, address in hosts:
        netns.veth(
            netns.Port(
                namespace=lab.namespace("mgmt"),
                interface=f"to-{name}",
                bridge=settings.MGMT_BRIDGE,
            ),
            netns.Port(
                namespace=lab.namespace(name),
                interface="mgmt",
                addresses=(address,),
            ),
        )


def _leaves(lab: settings.Lab) -> None:
    for leaf in settings.LEAVES:
        netns.bridge(
            lab.namespace(leaf.name),
            settings.FRONT_END_BRIDGE,
            (leaf.gateway_v4, leaf.gateway_v6),
        )
    for spine, leaf_name in uplinks():
        connect_uplink(lab, spine, leaf_name)


def _client(lab: settings.Lab) -> None:
    leaf = settings.LEAVES[2]
    namespace = lab.namespace(settings.CLIENT)
    netns.veth(
        netns.Port(
            namespace=lab.namespace(leaf.name),
            interface=settings.CLIENT,
            bridge=settings.FRONT_END_BRIDGE,
        ),
        netns.Port(
            namespace=namespace,
            interface="eth0",
            addresses=(settings.CLIENT_V4, settings.CLIENT_V6),
        ),
    )
    netns.ip_batch(
        namespace,
        (
            f"route add default via {leaf.gateway_v4.ip}",
            f"route add default via {leaf.gateway_v6.ip}",
        ),
    )


def _members(lab: settings.Lab) -> None:
    for member in settings.MEMBERS:
        netns.veth(
            netns.Port(
                namespace=lab.namespace("tenant"),
                interface=member.name,
                bridge=settings.TENANT_BRIDGE,
            ),
            netns.Port(
                namespace=lab.namespace(member.name),
                interface="eth0",
                addresses=(member.address_v4, member.address_v6),
            ),
        )
