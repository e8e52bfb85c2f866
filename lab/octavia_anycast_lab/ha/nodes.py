# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The three nodes: a network namespace each, on one bridge.

    ha1 --+
    ha2 --+-- bridge (br-mgmt of the fabric, or one of our own)
    ha3 --+

A node holds one member of etcd, one of Galera and one controller. Splitting a
node off takes down the bridge's end of its cable: what runs on the node still
reaches what else runs there, and nobody else does.
"""

import dataclasses
import ipaddress
import pathlib
import shutil

from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.host import netns

INTERFACE = "mgmt"
_OWN, _OWN_BRIDGE = "hanet", "br-ha"
_FIRST = ipaddress.ip_address("172.31.0.31")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One controller node."""

    lab: settings.Lab
    number: int

    @property
    def name(self) -> str:
        """Its name, such as ha1."""
        return f"ha{self.number}"

    @property
    def address(self) -> str:
        """Its address in the management network."""
        return str(_FIRST + (self.number - 1))

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return self.lab.namespace(self.name)

    @property
    def directory(self) -> pathlib.Path:
        """Where all of its files are."""
        return self.lab.run_dir / "nodes" / self.name

    def label(self, program: str) -> str:
        """The label of one of its processes."""
        return f"{program}-{self.name}"

    def log(self, program: str) -> pathlib.Path:
        """The log file of one of its processes."""
        return self.lab.log_dir / f"{self.label(program)}.log"


def of(lab: settings.Lab) -> tuple[Node, ...]:
    """The three nodes of a lab."""
    return tuple(Node(lab=lab, number=number) for number in (1, 2, 3))


def build(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Make the namespaces that are not there, on the fabric's bridge.

    Without a fabric they have a bridge of their own.
    """
    namespace, bridge = _place(lab)
    if not netns.exists(namespace):
        netns.create(registry, namespace)
        netns.bridge(namespace, bridge)
    for node in of(lab):
        if netns.exists(node.namespace):
            continue
        netns.create(registry, node.namespace)
        interface = ipaddress.ip_interface(f"{node.address}/22")
        netns.veth(
            netns.Port(
                namespace=namespace, interface=_cable(node), bridge=bridge
            ),
            netns.Port(
                namespace=node.namespace,
                interface=INTERFACE,
                addresses=(interface,),
            ),
        )
        node.directory.mkdir(parents=True, exist_ok=True)


def remove(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Remove the nodes, with all that runs on them and all of their files."""
    cleanup.kill_in_namespaces(tuple(node.namespace for node in of(lab)))
    for node in of(lab):
        netns.delete(registry, node.namespace)
        shutil.rmtree(node.directory, ignore_errors=True)
    netns.delete(registry, lab.namespace(_OWN))


def split_off(node: Node) -> None:
    """Cut a node's cable: it reaches itself alone."""
    _set_cable(node, "down")


def rejoin(node: Node) -> None:
    """Mend the cable of a node."""
    _set_cable(node, "up")


def _set_cable(node: Node, state: str) -> None:
    namespace, _ = _place(node.lab)
    netns.ip_batch(namespace, [f"link set {_cable(node)} {state}"])


def _cable(node: Node) -> str:
    return f"to-{node.name}"


def _place(lab: settings.Lab) -> tuple[str, str]:
    """The namespace of the bridge, and its name."""
    own, fabric = lab.namespace(_OWN), lab.namespace("mgmt")
    if netns.exists(fabric) and not netns.exists(own):
        return fabric, settings.MGMT_BRIDGE
    return own, _OWN_BRIDGE
