# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Requests from the lab's client, one answer each; also the script for it.

``python asker.py`` in the client's namespace reads one question (JSON) and
prints the answers (JSON). Redirects are shown, not followed, and nothing is
tried twice.
"""

import base64
import dataclasses
import http.client
import json
import socket
import ssl
import sys

_TIMEOUT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask; ``is_reusing``: all requests on one connection.

    ``login_path``: where the first one goes; the cookie that it brings is
    sent with all others. ``source``: one of the client's own addresses.
    """

    address: str
    port: int
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    count: int = 1
    is_reusing: bool = False
    login_path: str = ""
    is_tls: bool = False
    server_name: str = "lab.example"
    source: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; status 0 with an error if there was none.

    ``headers`` have lower-case names; ``certificate`` is DER in base64.
    """

    status: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: str = ""
    error: str = ""
    certificate: str = ""

    @property
    def member(self) -> str:
        """Which member answered."""
        return self.headers.get("x-member", "")


class _TlsConnection(http.client.HTTPConnection):
    """TLS to an address, for a name; nothing is verified but shown."""

    def __init__(self, question: Question) -> None:
        super().__init__(
            question.address, question.port, timeout=_TIMEOUT_SECONDS
        )
        self._server_name = question.server_name

    def connect(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().connect()
        self.sock = context.wrap_socket(
            self.sock, server_hostname=self._server_name
        )


def _connection(question: Question) -> http.client.HTTPConnection:
    if question.is_tls:
        return _TlsConnection(question)
    return http.client.HTTPConnection(
        question.address,
        question.port,
        timeout=_TIMEOUT_SECONDS,
        source_address=(question.source, 0) if question.source else None,
    )


def _one(connection: http.client.HTTPConnection, question: Question) -> Answer:
    headers = {"Host": question.server_name, **question.headers}
    try:
        connection.request(question.method, question.path, headers=headers)
        certificate = b""
        if isinstance(connection.sock, ssl.SSLSocket):
            certificate = connection.sock.getpeercert(binary_form=True) or b""
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(status=0, error=repr(error))
    return Answer(
        status=response.status,
        headers={k.lower(): v for k, v in response.getheaders()},
        body=body,
        certificate=base64.b64encode(certificate).decode(),
    )


def answer(question: Question) -> list[Answer]:
    """Ask as often as wanted."""
    found = []
    connection = _connection(question)
    if question.login_path:
        login = dataclasses.replace(question, path=question.login_path)
        found.append(_one(connection, login))
        cookie = found[0].headers.get("set-cookie", "").partition(";")[0]
        headers = {**question.headers, "Cookie": cookie}
        question = dataclasses.replace(question, headers=headers)
    for _ in range(question.count):
        found.append(_one(connection, question))
        if not question.is_reusing:
            connection.close()
            connection = _connection(question)
    connection.close()
    return found


if __name__ == "__main__":
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    asked = Question(**json.load(sys.stdin))
    print(json.dumps([dataclasses.asdict(a) for a in answer(asked)]))  # noqa: T201
