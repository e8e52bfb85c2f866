# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The proxy that makes faults of an API, between real sockets."""

import contextlib
import http.client
import http.server
import json
import pathlib
import socketserver
import threading

import pytest
from octavia_anycast_lab.vm import fault_proxy


class _Api(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = json.dumps(
            [self.path, self.headers["X-Auth-Token"], body.decode()]
        ).encode()
        self.send_response(202)
        self.send_header("Location", "/there")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "client"


@contextlib.contextmanager
def _serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def api(tmp_path: pathlib.Path):
    path = tmp_path / "api.sock"
    with _serving(socketserver.UnixStreamServer(str(path), _Api)):
        yield path


def _ask(socket: pathlib.Path, status: int | None):
    handler = fault_proxy.handler(socket, status, 0.0)
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with _serving(server):
        connection = http.client.HTTPConnection(*server.server_address)
        connection.request("POST", "/a?b=c", "body", {"X-Auth-Token": "t"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
    return answer, content


def test_a_request_is_passed_on_whole(api: pathlib.Path) -> None:
    answer, content = _ask(api, None)
    assert (answer.status, answer.headers["Location"]) == (202, "/there")
    assert json.loads(content) == ["/a?b=c", "t", "body"]


def test_a_status_is_answered_in_its_place(api: pathlib.Path) -> None:
    answer, content = _ask(api, 503)
    assert answer.status == 503
    assert fault_proxy.SENTENCE in content.decode()


def test_an_api_that_is_not_there_is_a_bad_gateway(
    tmp_path: pathlib.Path,
) -> None:
    answer, _ = _ask(tmp_path / "nobody", None)
    assert answer.status == 502
