# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Takes the inventory of everything that could be orphaned.

Layer: controller. Reads only. The things come first, the rows after them:
a row is written before its thing is made, so a thing that is in the list
has its row in the inventory, however young both are.
"""

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.housekeeping import AnnouncedPath, Inventory
from octavia_anycast.model.wire import PathState, Report

_ANNOUNCED = (PathState.ADVERTISED, PathState.DRAINING)


def take(world: World) -> Inventory:
    """Look at services and tables; a constant number of calls.

    :raises Retryable: a service did not answer.
    """
    servers = world.compute.list_servers()
    ports = world.network.list_ports()
    groups = world.network.list_security_groups()
    with world.database.transaction() as session:
        our_clusters = clusters.list_all(session)
        records = amphorae.list_known(session)
        found = reports.list_all(session)
        external = registrations.list_external_vips(session)
    return Inventory(
        clusters=tuple(our_clusters),
        amphorae=tuple(records),
        # Octavia's last: our cluster's row is there before Octavia's.
        octavia=world.load_balancers.census(),
        servers=servers,
        ports=ports,
        security_groups=groups,
        paths=tuple(
            path
            for amphora_id, report in sorted(found.items())
            for path in _paths(amphora_id, report)
        ),
        external_vips={i: frozenset(vips) for i, vips in external.items()},
    )


def _paths(amphora_id: str, report: Report) -> list[AnnouncedPath]:
    """What it announces to anybody, each address once."""
    addresses = {
        path.vip_ip for path in report.paths if path.state in _ANNOUNCED
    }
    return [
        AnnouncedPath(amphora_id=amphora_id, vip_ip=address)
        for address in sorted(addresses, key=lambda a: (a.version, int(a)))
    ]
