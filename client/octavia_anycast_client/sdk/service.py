# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The service of a connection, with our proxy in the place of the SDK's."""

from typing import Any

from openstack import connection as openstack_connection
from openstack import service_description

from octavia_anycast_client.sdk.proxy import Proxy

SERVICE_TYPE = "load-balancer"


def add_to(
    connection: openstack_connection.Connection, **_: Any
) -> openstack_connection.Connection:
    """Give a connection the calls of octavia-anycast; the connection.

    They appear beside openstacksdk's own in ``connection.load_balancer``.
    openstacksdk keeps services by class: other connections of the process
    get them as well. Further arguments are those of a ``vendor_hook``.
    """
    # One that was used before has openstacksdk's own proxy by now.
    connection._proxies.pop(SERVICE_TYPE, None)
    connection.add_service(
        service_description.ServiceDescription(
            SERVICE_TYPE, supported_versions={"2": Proxy}
        )
    )
    return connection
