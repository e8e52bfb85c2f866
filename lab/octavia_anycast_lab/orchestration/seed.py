# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fill Keystone with what Heat's installation guide asks for; idempotent.

``python -m octavia_anycast_lab.orchestration.seed --lab NAME``, inside the
lab's control namespace.
"""

from typing import Any

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import identity, seed
from octavia_anycast_lab.orchestration import heat

# Of the users that stacks make; Heat gives it to them by this name.
STACK_USER_ROLE = "heat_stack_user"


def main() -> None:
    """Run every stage, as soon as Keystone answers."""
    plane = seed.plane_of_arguments(str(__doc__))
    fill(seed.await_login(plane), plane)
    seed.report("orchestration")


def fill(connection: Any, plane: deployment.Deployment) -> None:
    """Heat's service and role, and the domain where its users are."""
    identity.add_service(
        connection, plane, "orchestration", "heat", heat.url(plane)
    )
    identity.add_role(connection, STACK_USER_ROLE)
    identity.add_domain(
        connection, plane, heat.STACK_DOMAIN, heat.STACK_DOMAIN_ADMIN
    )


if __name__ == "__main__":
    main()
