# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy in front of Galera, where the lab's MariaDB listened before.

Keystone, Neutron and Octavia's API go on with the address that they have.
"""

import collections.abc

from octavia_anycast_lab import deployment
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.ha import galera
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import process

LABEL = "galera-front"
_PROGRAM = "/usr/sbin/haproxy"
_STOP_SECONDS = 10.0
_START_SECONDS = 20.0


def start(
    plane: deployment.Deployment,
    registry: registry_lib.Registry,
    nodes: collections.abc.Sequence[Node],
) -> None:
    """Start it, unless it runs, and wait until it listens."""
    if process.is_alive(registry, LABEL):
        return
    config = plane.config_dir / "galera-front.cfg"
    text = deployment.render(
        plane,
        "haproxy.cfg.j2",
        "octavia_anycast_lab.ha",
        nodes=nodes,
        port=galera.PORT,
    )
    deployment.write_private(config, text)
    plane.database_socket.unlink(missing_ok=True)
    process.spawn(
        registry,
        LABEL,
        [_PROGRAM, "-db", "-f", str(config)],
        namespace=plane.namespace,
        log=plane.log(LABEL),
    )
    process.wait_until(
        plane.database_socket.exists, _START_SECONDS, "the front of Galera"
    )


def stop(registry: registry_lib.Registry) -> None:
    """Stop it."""
    process.stop(registry, LABEL, _STOP_SECONDS)
