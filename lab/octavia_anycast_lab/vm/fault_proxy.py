# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Stands before an API and answers in its place, or late.

``python -m octavia_anycast_lab.vm.fault_proxy --bind ADDRESS --port PORT
--socket FILE (--status N | --delay SECONDS)`` in the control namespace. With
``--status`` each request is answered with that status; with ``--delay`` it is
passed on to the API's unix socket after a while. ``faults.api_fault`` sends
clients here.
"""

import argparse
import collections.abc
import dataclasses
import http.client
import http.server
import json
import pathlib
import time

from octavia_anycast_lab.api import rest

_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "content-length")
)
SENTENCE = "made by the lab's fault proxy"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, headers, a body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(status: int) -> Answer:
    """A fault as an API of OpenStack says it."""
    content = {"code": status, "message": SENTENCE}
    return Answer(
        status=status,
        headers=(("Content-Type", "application/json"),),
        body=json.dumps({"fault": content}).encode(),
    )


def pass_on(
    socket: pathlib.Path,
    method: str,
    path: str,
    headers: collections.abc.Iterable[tuple[str, str]],
    body: bytes,
) -> Answer:
    """Ask the API itself."""
    connection = rest.UnixConnection(socket)
    try:
        connection.request(method, path, body or None, dict(headers))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException):
        return refusal(http.HTTPStatus.BAD_GATEWAY)
    finally:
        connection.close()
    return Answer(
        status=response.status,
        headers=tuple(_kept(response.getheaders())),
        body=content,
    )


def handler(
    socket: pathlib.Path, status: int | None, delay_seconds: float
) -> type[http.server.BaseHTTPRequestHandler]:
    """What handles requests: with that status, or late."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """One connection."""

        def answer(self) -> None:
            """Answer a request of any method."""
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            time.sleep(delay_seconds)
            if status is not None:
                found = refusal(status)
            else:
                kept = _kept(self.headers.items())
                found = pass_on(socket, self.command, self.path, kept, body)
            self._send(found)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

        def _send(self, found: Answer) -> None:
            self.send_response(found.status)
            for name, value in found.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body)

    return Handler


def _kept(
    headers: collections.abc.Iterable[tuple[str, str]],
) -> collections.abc.Iterator[tuple[str, str]]:
    """Those which are for the other end."""
    for name, value in headers:
        if name.lower() not in _HOP_BY_HOP:
            yield name, value


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket", type=pathlib.Path, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--status", type=int)
    how.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    http.server.ThreadingHTTPServer(
        (options.bind, options.port),
        handler(options.socket, options.status, options.delay),
    ).serve_forever()


if __name__ == "__main__":
    main()
