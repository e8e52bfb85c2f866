# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
r"""A namespace for the hypervisor of each rack, with bridges and cables.

           hv1 (rack1)                      lab
    tapX -- br-mgmt   -- up-br-mgmt   ===== mgmt:   br-mgmt
    tapY -- fe        -- up-fe        ===== leaf1:  fe
    tapZ -- br-tenant -- up-br-tenant ===== tenant: br-tenant

A local bridge has the name of the lab's bridge that it leads to: what
``wiring.json`` calls a network's bridge is its bridge in each rack, too. The
hypervisor has an address on the management bridge only.
"""

import dataclasses
import json
import pathlib

from octavia_anycast_lab import cleanup, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm.settings import hypervisor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """A bridge of a hypervisor and the lab's bridge that it leads to."""

    bridge: str
    role: str

    @property
    def near(self) -> str:
        """The cable's end at the hypervisor."""
        return f"up-{self.bridge}"


def namespace(lab: settings.Lab, rack: str) -> str:
    """The network namespace of a rack's hypervisor.

    :raises KeyError: no leaf holds that rack.
    """
    return lab.namespace(hypervisor(rack).role)


def uplinks(rack: str) -> tuple[Uplink, ...]:
    """The bridges of a rack's hypervisor."""
    leaf = settings.rack_leaf(rack)
    return (
        Uplink(bridge=settings.MGMT_BRIDGE, role="mgmt"),
        Uplink(bridge=settings.FRONT_END_BRIDGE, role=leaf.name),
        Uplink(bridge=settings.TENANT_BRIDGE, role="tenant"),
    )


def up(lab: settings.Lab, registry: registry_lib.Registry) -> None:
    """Make what is missing of every rack; the fabric has to be up."""
    for leaf in settings.RACK_LEAVES:
        rack = str(leaf.rack)
        if not is_built(lab, rack):
            _unbuild(lab, registry, rack)
            _build(lab, registry, rack)
        for uplink in uplinks(rack):
            _lay(lab, rack, uplink)


def is_built(lab: settings.Lab, rack: str) -> bool:
    """True if a build came to its end and the namespace is there."""
    return _marker(lab, rack).exists() and netns.exists(namespace(lab, rack))


def _build(
    lab: settings.Lab, registry: registry_lib.Registry, rack: str
) -> None:
    home = namespace(lab, rack)
    netns.create(registry, home)
    for uplink in uplinks(rack):
        is_management = uplink.bridge == settings.MGMT_BRIDGE
        netns.bridge(
            home,
            uplink.bridge,
            (hypervisor(rack).address,) if is_management else (),
        )
    _marker(lab, rack).parent.mkdir(parents=True, exist_ok=True)
    _marker(lab, rack).touch()


def _unbuild(
    lab: settings.Lab, registry: registry_lib.Registry, rack: str
) -> None:
    """Remove what a build that did not end has left."""
    _marker(lab, rack).unlink(missing_ok=True)
    cleanup.kill_in_namespaces((namespace(lab, rack),))
    netns.delete(registry, namespace(lab, rack))


def _lay(lab: settings.Lab, rack: str, uplink: Uplink) -> None:
    """Lay the cable of a bridge unless it is there."""
    home = namespace(lab, rack)
    if uplink.near in _links(home):
        return
    netns.veth(
        netns.Port(
            namespace=home, interface=uplink.near, bridge=uplink.bridge
        ),
        netns.Port(
            namespace=lab.namespace(uplink.role),
            interface=f"{hypervisor(rack).role}-{uplink.bridge}",
            bridge=uplink.bridge,
        ),
    )


def _links(home: str) -> set[str]:
    shown = netns.run(home, ["ip", "-json", "link", "show"])
    return {link["ifname"] for link in json.loads(shown.stdout or "[]")}


def _marker(lab: settings.Lab, rack: str) -> pathlib.Path:
    return lab.run_dir / "racks" / hypervisor(rack).role
