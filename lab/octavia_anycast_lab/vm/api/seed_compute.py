# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fill Nova, Glance and Octavia: the second half, once computes run.

``python -m octavia_anycast_lab.vm.api.seed_compute --lab NAME``, inside the
lab's control namespace; idempotent.
"""

import subprocess
from typing import Any

from openstack import exceptions

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import seed
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import settings
from octavia_anycast_lab.vm.api import image

_COMPUTE_SECONDS = 240.0
_LOOK_EVERY_SECONDS = 1.0
# RAM in MB; the disk in GB holds the image, which grows into it.
_FLAVORS = {settings.FLAVOR: 512, settings.SMALL_FLAVOR: 160}
_DISK_GB = 3


def main() -> None:
    """Run every stage, as soon as the service that it needs answers."""
    plane = seed.plane_of_arguments(str(__doc__))
    connection = seed.connect(plane)
    _flavors(connection)
    _key_pair(plane)
    seed.report("flavors, key pair")
    image.ensure(connection)
    seed.report("image")
    for hypervisor in settings.HYPERVISORS:
        _zone(connection, hypervisor)
    seed.report("zones")
    seed.await_service(plane.octavia_url)
    seed.seed_load_balancing(connection)
    seed.report("load balancing")


def _flavors(connection: Any) -> None:
    for name, ram in _FLAVORS.items():
        if connection.compute.find_flavor(name) is None:
            connection.compute.create_flavor(
                name=name,
                id=name,
                ram=ram,
                vcpus=1,
                disk=_DISK_GB,
                is_public=True,
            )


def _key_pair(plane: deployment.Deployment) -> None:
    """The operator's key, in the name of Octavia, whose servers they are."""
    key = settings.guest_key(plane)
    if not key.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key],
            check=True,
        )
    compute = seed.connect(plane, "octavia").compute
    if compute.find_keypair(settings.KEY_NAME) is None:
        public = key.with_suffix(".pub").read_text().strip()
        compute.create_keypair(name=settings.KEY_NAME, public_key=public)


def _zone(connection: Any, hypervisor: settings.Hypervisor) -> None:
    """An aggregate that is the rack's availability zone, with its host."""
    compute = connection.compute
    aggregate = compute.find_aggregate(
        hypervisor.rack
    ) or compute.create_aggregate(
        name=hypervisor.rack, availability_zone=hypervisor.rack
    )
    host = hypervisor.host
    if host in (aggregate.hosts or []):
        return

    def is_added() -> bool:
        """Nova knows a host once its compute was discovered.

        Placement may miss what Nova tells it then, and Nova does not say it
        again: without that no server is built in the zone.
        """
        providers = list(connection.placement.resource_providers(name=host))
        if not providers:
            return False
        try:
            compute.add_host_to_aggregate(aggregate, host)
        except exceptions.NotFoundException:
            return False
        (provider,) = providers
        provider.fetch_aggregates(connection.placement)
        if aggregate.uuid in provider.aggregates:
            return True
        compute.remove_host_from_aggregate(aggregate, host)
        return False

    process.wait_until(
        is_added,
        _COMPUTE_SECONDS,
        f"Nova knows the compute host {host}",
        _LOOK_EVERY_SECONDS,
    )


if __name__ == "__main__":
    main()
