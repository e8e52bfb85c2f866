# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fill Keystone and Neutron: the first half, before any compute; idempotent.

``python -m octavia_anycast_lab.vm.api.seed --lab NAME``, inside the lab's
control namespace. The second half is ``seed_compute``.
"""

from octavia_anycast_lab.api import identity, seed
from octavia_anycast_lab.vm import settings as vm_settings


def main() -> None:
    """Run every stage, as soon as the service that it needs answers."""
    plane = seed.plane_of_arguments(str(__doc__))
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
    seed.report("networks")


if __name__ == "__main__":
    main()
