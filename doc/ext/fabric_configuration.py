# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Sphinx directives that show what the lab's routers run.

``.. fabric-configuration:: leaf1 bgpd``
    The configuration file of one daemon, rendered from the lab's template.

``.. fabric-sysctls:: leaf1``
    The kernel settings of that router.

So the operator's page and the fabric that is tested cannot differ.
"""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from octavia_anycast_lab.fabric import frr, topology


class _Shown(Directive):
    """A literal block that a subclass fills."""

    def text(self) -> str:
        """What it shows."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Make the block."""
        block = nodes.literal_block(text=self.text())
        block["language"] = "none"
        return [block]


class FabricConfiguration(_Shown):
    """``.. fabric-configuration:: ROUTER DAEMON``"""

    required_arguments = 2

    def text(self) -> str:
        """The file, without empty lines."""
        router, daemon = self.arguments
        text = frr.render(frr.router(router), daemon)
        return "\n".join(line for line in text.splitlines() if line.strip())


class FabricSysctls(_Shown):
    """``.. fabric-sysctls:: ROUTER``"""

    required_arguments = 1

    def text(self) -> str:
        """One setting a line."""
        values = topology.router_sysctls(self.arguments[0])
        return "\n".join(f"{name} = {values[name]}" for name in values)


def setup(app: Any) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("fabric-configuration", FabricConfiguration)
    app.add_directive("fabric-sysctls", FabricSysctls)
    return {"parallel_read_safe": True}
