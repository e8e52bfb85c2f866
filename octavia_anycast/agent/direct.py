# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""speakerd's own port: the controller's way past an agent that hangs.

``GET`` and ``PUT /1.0/anycast`` as the agent has them, by HTTPS with the same
certificates: who may call the agent may call speakerd, and nobody else. No
request is read before the handshake is done.

Layer: agent.
"""

import json
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from octavia_anycast.agent.control import APPLY, REPORT, answer, parsed

if TYPE_CHECKING:
    from octavia_anycast.agent.engine import Engine

LOG = logging.getLogger(__name__)

_PATH = "/1.0/anycast"
_BODY_MAX = 16 * 1024 * 1024
# Of a handshake, and between two pieces of a request.
_TIMEOUT_SECONDS = 5.0
# The controllers are few, and each asks once at a time.
_CONNECTIONS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectSettings:
    """Where to listen, and the files of the agent's certificates."""

    address: str
    port: int
    certificate_path: str
    client_ca_path: str


class _Handler(BaseHTTPRequestHandler):
    server: "DirectServer"
    timeout = _TIMEOUT_SECONDS

    def do_GET(self) -> None:
        """Answer a report."""
        self._answer({"call": REPORT})

    def do_PUT(self) -> None:
        """Take a desired state."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= _BODY_MAX:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        self._answer({"call": APPLY, "body": parsed(self.rfile.read(length))})

    def _answer(self, request: Any) -> None:
        if self.path != _PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status, document = answer(self.server.engine, request)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log at DEBUG: a controller may ask each second."""
        LOG.debug(format, *args)


class DirectServer(ThreadingHTTPServer):
    """Serves speakerd's own port.

    :raises OSError: the address cannot be bound.
    """

    daemon_threads = True

    def __init__(self, settings: DirectSettings, engine: "Engine") -> None:
        self.engine = engine
        self._settings = settings
        self._room = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        is_v6 = ":" in settings.address
        self.address_family = socket.AF_INET6 if is_v6 else socket.AF_INET
        super().__init__((settings.address, settings.port), _Handler)

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(
            target=self.serve_forever, name="direct", daemon=True
        ).start()

    def server_bind(self) -> None:
        """Bind; without a look-up of the host's name, which may take long."""
        self.allow_reuse_address = True
        super(ThreadingHTTPServer, self).server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take no more connections than there is room for."""
        return self._room.acquire(blocking=False)

    def process_request_thread(
        self, request: Any, client_address: Any
    ) -> None:
        """Shake hands and answer, in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then let the handler read.

        The certificates are read each time: the agent's may be a new one.
        """
        request.settimeout(_TIMEOUT_SECONDS)
        if not request.recv(1, socket.MSG_PEEK):
            return  # somebody asked whether the amphora lives
        settings = self._settings
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=settings.client_ca_path
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(settings.certificate_path)
        with context.wrap_socket(request, server_side=True) as session:
            super().finish_request(session, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log at DEBUG: anybody may connect and go away."""
        LOG.debug(
            "The connection of %s ended without an answer",
            client_address,
            exc_info=True,
        )
