# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The two ports: for tenants, behind HAProxy, and for other amphorae.

Each answers so many at a time; whoever comes beyond that waits in the kernel's
queue. Whoever reads or writes too slowly is left.

Layer: agent.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from octavia_anycast.agent.tenant_metrics.answers import Answer, Unanswered
from octavia_anycast.agent.tenant_metrics.cluster import Busy, Snapshot
from octavia_anycast.agent.tenant_metrics.exposition import CONTENT_TYPE
from octavia_anycast.agent.tenant_metrics.identity import Contexts, is_one_of
from octavia_anycast.agent.tenant_metrics.questions import AGE_HEADER
from octavia_anycast.agent.tenant_metrics.told import Told

LOG = logging.getLogger(__name__)

# Where Octavia's template of HAProxy has its prometheus-proxy.
TENANT_ADDRESS = ("127.0.0.1", 9102)
_WAITING_MAX = 1024
_ROOM_SECONDS = 1.0
_FREEBIND = 15  # IP_FREEBIND; ip(7)
_V6_FREEBIND = 78  # IPV6_FREEBIND


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request gets. ``keeps`` is kept as long as it is sent."""

    status: HTTPStatus
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    keeps: object = None


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of any path, as Octavia's proxy does."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "octavia-anycast", ""

    def do_GET(self) -> None:
        """Answer."""
        self._send(has_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._send(has_body=False)

    def _send(self, *, has_body: bool) -> None:
        reply = self.server.reply()
        self.close_connection = True
        self.send_response(reply.status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(reply.body)  # all of it within the timeout

    def log_message(self, format: str, *args: Any) -> None:
        """Log at DEBUG: anybody may ask anything."""
        LOG.debug(format, *args)


class _Server(ThreadingHTTPServer):
    """Serves so many at a time.

    :raises OSError: the address cannot be bound.
    """

    daemon_threads = True
    request_queue_size = _WAITING_MAX
    connections_max = 1
    # For a request to come whole, and for the answer to be taken whole.
    patience_seconds = 1.0

    def __init__(self, address: tuple[str, int]) -> None:
        self._room = threading.BoundedSemaphore(self.connections_max)
        self._is_ended = False
        is_v6 = ":" in address[0]
        self.address_family = socket.AF_INET6 if is_v6 else socket.AF_INET
        super().__init__(address, _Handler)

    def reply(self) -> Reply:
        """What a request gets, whatever it asks."""
        raise NotImplementedError

    def start(self) -> None:
        """Serve in a thread, which sleeps until somebody comes."""
        threading.Thread(
            target=self._serve, name=f"serve-{self.server_port}", daemon=True
        ).start()

    def _serve(self) -> None:
        while not self._is_ended:
            self.handle_request()
        self.server_close()

    def end(self) -> None:
        """Take no more connections."""
        self._is_ended = True
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread

    def server_bind(self) -> None:
        """Bind, also to an address that is not there yet."""
        self.allow_reuse_address = True
        if self.address_family == socket.AF_INET6:
            level, option = socket.IPPROTO_IPV6, _V6_FREEBIND
        else:
            level, option = socket.IPPROTO_IP, _FREEBIND
        self.socket.setsockopt(level, option, 1)
        # Not HTTPServer's, which looks up the name of the host.
        super(ThreadingHTTPServer, self).server_bind()
        self.server_port = self.socket.getsockname()[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Wait for room; nobody else is let in meanwhile."""
        return self._room.acquire(timeout=_ROOM_SECONDS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # none can be started
            self._room.release()
            raise

    def process_request_thread(
        self, request: Any, client_address: Any
    ) -> None:
        """Answer, in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer, within the time that there is."""
        request.settimeout(self.patience_seconds)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log at DEBUG: anybody may connect and go away."""
        LOG.debug(
            "The connection of %s ended without an answer",
            client_address,
            exc_info=True,
        )


class TenantServer(_Server):
    """Answers HAProxy, for tenants: the whole cluster."""

    connections_max = 64
    patience_seconds = 10.0

    def __init__(
        self,
        source: Callable[[], Snapshot | None],
        address: tuple[str, int] = TENANT_ADDRESS,
    ) -> None:
        self._source = source
        super().__init__(address)

    def reply(self) -> Reply:
        """The cluster's series."""
        try:
            found = self._source()
        except Busy:
            return _unavailable("Slow readers hold the answers; try later.")
        if found is None:
            return _unavailable("The amphora was not told yet who it is.")
        return Reply(HTTPStatus.OK, found.body, keeps=found)


class AmphoraServer(_Server):
    """Answers other amphorae of the cluster: this amphora's own series."""

    connections_max = 32

    def __init__(
        self,
        source: Callable[[], Answer],
        told: Callable[[], Told | None],
        contexts: Contexts,
        address: tuple[str, int],
    ) -> None:
        self._source, self._told, self._contexts = source, told, contexts
        super().__init__(address)

    def reply(self) -> Reply:
        """The series of this amphora, and how old they are."""
        try:
            found = self._source()
        except Unanswered as e:
            return _unavailable(str(e))
        age_ms = (time.monotonic() - found.read_at) * 1000
        return Reply(
            HTTPStatus.OK,
            found.text.encode(),
            ((AGE_HEADER, str(max(round(age_ms), 0))),),
        )

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands and see who it is, then let the handler read."""
        told = self._told()
        if told is None or not told.others:
            return
        request.settimeout(self.patience_seconds)
        context = self._contexts.answering(told)
        with context.wrap_socket(request, server_side=True) as session:
            if not is_one_of(session, {m.id for m in told.others}):
                LOG.debug("%s is of another cluster", client_address)
                return
            super().finish_request(session, client_address)


def _unavailable(sentence: str) -> Reply:
    return Reply(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{sentence}\n".encode(),
        (("Retry-After", "1"),),
    )
