# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""openstacksdk against the lab's APIs, from outside their network namespace.

The services also listen on unix sockets; an adapter sends the SDK's requests
there by the port of the URL, so nothing has to enter the namespace.
"""

import socket
import urllib.parse

import openstack
import requests
import requests.adapters
import urllib3
from keystoneauth1 import loading
from keystoneauth1 import session as keystone_session
from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest, seed

_TIMEOUT_SECONDS = 120.0


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(_TIMEOUT_SECONDS)
        made.connect(self._path)
        return made


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> _Connection:
        return _Connection(self._path)


class UnixAdapter(requests.adapters.HTTPAdapter):
    """Sends a request to the socket of the service with the URL's port."""

    def __init__(self, plane: deployment.Deployment) -> None:
        super().__init__()
        services = {
            deployment.KEYSTONE_PORT: rest.IDENTITY,
            deployment.NEUTRON_PORT: rest.NETWORK,
            deployment.OCTAVIA_PORT: rest.LOAD_BALANCER,
        }
        self._pools = {
            port: _Pool(str(plane.service_socket(name)))
            for port, name in services.items()
        }

    def get_connection_with_tls_context(self, request, *_, **__):
        """The pool of connections for a request."""
        return self._pools[urllib.parse.urlsplit(request.url).port]


def connect(
    plane: deployment.Deployment, cloud: str
) -> openstack.connection.Connection:
    """A connection as a user of clouds.yaml."""
    auth = plane.clouds()["clouds"][cloud]["auth"]
    transport = requests.Session()
    transport.trust_env = False
    transport.mount("http://", UnixAdapter(plane))
    session = keystone_session.Session(
        auth=loading.get_plugin_loader("password").load_from_options(**auth),
        session=transport,
    )
    return openstack.connection.Connection(
        session=session, region_name=deployment.REGION
    )


def subnet_ids(connection: openstack.connection.Connection) -> dict[str, str]:
    """Name of a subnet -> its id."""
    found = {s.name: s.id for s in connection.network.subnets()}
    assert {
        s.name for n in seed.networks() for s in n.subnets if n.shared
    } <= (set(found))
    return found
