# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fill Keystone and Neutron: the first half, before any compute; idempotent.

``python -m octavia_anycast_lab.vm.api.seed --lab NAME``, inside the lab's
control namespace. The second half is ``seed_compute``.
"""

import argparse
from typing import Any

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import identity, seed
from octavia_anycast_lab.vm import settings as vm_settings

_SSH_PORT = 22


def main() -> None:
    """Run every stage, as soon as the service that it needs answers."""
    plane = plane_of_arguments(str(__doc__))
    connection = seed.await_login(plane)
    identity.seed(connection, plane)
    for kind, name, url in (
        ("compute", "nova", vm_settings.compute_url(plane)),
        ("placement", "placement", vm_settings.placement_url(plane)),
        ("image", "glance", vm_settings.image_url(plane)),
    ):
        identity.add_service(connection, plane, kind, name, url)
    seed.report("identity")
    # A new token: the catalog of the first one was still empty.
    connection = seed.connect(plane)
    seed.await_service(plane.network_url)
    seed.seed_networks(connection, plane)
    _let_operators_in(connection)
    seed.report("networks")


def plane_of_arguments(description: str) -> deployment.Deployment:
    """The deployment of the lab that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--lab")
    lab = settings.Lab.from_environment(parser.parse_args().lab)
    return deployment.Deployment.of(lab)


def _let_operators_in(connection: Any) -> None:
    """SSH to amphorae from the control namespace, and from nowhere else."""
    group = connection.network.find_security_group(
        seed.MANAGEMENT_SECURITY_GROUP
    )
    source = f"{settings.CTL_MGMT.ip}/32"
    rules = connection.network.security_group_rules(security_group_id=group.id)
    if any(
        rule.port_range_min == _SSH_PORT and rule.remote_ip_prefix == source
        for rule in rules
    ):
        return
    connection.network.create_security_group_rule(
        security_group_id=group.id,
        project_id=group.project_id,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=_SSH_PORT,
        port_range_max=_SSH_PORT,
        remote_ip_prefix=source,
    )


if __name__ == "__main__":
    main()
