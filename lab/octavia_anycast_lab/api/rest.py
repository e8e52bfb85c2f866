# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lab's REST APIs as one of its users, over the services' unix sockets.

For what has no command in the openstack client (distributors), and for
polling, where a process per question would be most of what is measured. A
unix socket needs no network namespace.
"""

import dataclasses
import http
import http.client
import json
import pathlib
import socket
import typing

from octavia_anycast_lab import deployment

IDENTITY = "keystone"
NETWORK = "neutron"
LOAD_BALANCER = "octavia-api"
_TIMEOUT_SECONDS = 60.0

Body = dict[str, typing.Any]


class ApiError(Exception):
    """An API said no; ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclasses.dataclass(slots=True, kw_only=True)
class Api:
    """Requests with the token of one user of clouds.yaml."""

    plane: deployment.Deployment
    cloud: str = "admin"
    _token: str | None = None

    def get(self, service: str, path: str) -> Body:
        """GET a resource.

        :raises ApiError: it is not there, or something else is wrong.
        """
        return self.request("GET", service, path)

    def request(
        self,
        method: str,
        service: str,
        path: str,
        body: Body | None = None,
    ) -> Body:
        """One request; returns the decoded answer, empty if it had none.

        :raises ApiError: any status from 400 on.
        """
        was_new = self._token is None
        try:
            return self._authorized(method, service, path, body)
        except ApiError as error:
            if error.status != http.HTTPStatus.UNAUTHORIZED or was_new:
                raise
        self._token = None  # it has expired
        return self._authorized(method, service, path, body)

    def _authorized(
        self, method: str, service: str, path: str, body: Body | None
    ) -> Body:
        headers = {"X-Auth-Token": self._login()}
        answer, _ = self._exchange(method, service, path, body, headers)
        return answer

    def _login(self) -> str:
        if self._token is None:
            auth = self.plane.clouds()["clouds"][self.cloud]["auth"]
            domain = {"name": auth["project_domain_name"]}
            user = {
                "name": auth["username"],
                "password": auth["password"],
                "domain": {"name": auth["user_domain_name"]},
            }
            scope = {"name": auth["project_name"], "domain": domain}
            wanted = {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": user},
                },
                "scope": {"project": scope},
            }
            _, headers = self._exchange(
                "POST", IDENTITY, "/v3/auth/tokens", {"auth": wanted}, {}
            )
            self._token = headers["X-Subject-Token"]
        return self._token

    def _exchange(
        self,
        method: str,
        service: str,
        path: str,
        body: Body | None,
        headers: dict[str, str],
    ) -> tuple[Body, typing.Any]:
        connection = UnixConnection(self.plane.service_socket(service))
        text = None if body is None else json.dumps(body)
        try:
            connection.request(
                method,
                path,
                text,
                {"Content-Type": "application/json", **headers},
            )
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(503, f"{service} does not answer: {error}") from (
                error
            )
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(response.status, _fault(content))
        decoded = json.loads(content) if content else {}
        return decoded, response.headers


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _fault(content: bytes) -> str:
    """The sentence of a fault, whichever service made it."""
    try:
        decoded = json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")[:200]
    if isinstance(decoded, dict):
        inner = next(iter(decoded.values()), "")
        for candidate in (decoded.get("faultstring"), inner):
            if isinstance(candidate, str):
                return candidate
            if isinstance(candidate, dict) and "message" in candidate:
                return str(candidate["message"])
    return str(decoded)
