# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Serves the application over HTTP, with bounds on everything.

One thread reads and writes all connections, so that whoever reads slowly
holds up nobody; a few others make answers. A connection that is silent is
closed; beyond the limit connections wait in the kernel.

Layer: controller.
"""

import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from oslo_log import log as logging
from waitress import create_server, wasyncore

from octavia_anycast.controller.engine.daemon import attempt

LOG = logging.getLogger(__name__)
THREADS = 4
CONNECTIONS_MAX = 200
SILENT_SECONDS = 30
REQUEST_MAX_BYTES = 16 * 1024
BACKLOG = 128
_BIND_AGAIN_SECONDS = 5.0
_WAKE_SECONDS = 1.0


class MetricsServer:
    """The thread that serves; the controller works without it, too.

    :param port: TCP; 0: one that is free
    """

    def __init__(
        self, address: str, port: int, application: Callable[..., Any]
    ) -> None:
        self._address = address
        self._port = port
        self._application = application
        self._stop = threading.Event()
        self._error = ""
        self._connections: dict[int, Any] = {}
        self._server: Any = None
        self._thread = threading.Thread(target=self._run, name="metrics")

    @property
    def port(self) -> int:
        """The port that it serves on; 0: it does not yet."""
        return 0 if self._server is None else int(self._server.effective_port)

    def start(self) -> None:
        """Start; an address that cannot be bound is tried again."""
        # It warns of each request that waits for a thread.
        logging.getLogger("waitress.queue").logger.setLevel("ERROR")
        self._bind()
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread."""
        self._stop.set()
        if self._server is not None:
            self._server.pull_trigger()
        if self._thread.ident is not None:
            self._thread.join()
        if self._server is not None:
            # Not before its thread has ended: it is still to be woken.
            self._server.task_dispatcher.shutdown()
            wasyncore.close_all(self._connections)

    def _bind(self) -> None:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        try:
            bound = socket.create_server(
                (self._address, self._port), family=family, backlog=BACKLOG
            )
        except (OSError, ValueError) as e:
            self._complain(str(e))
            return
        self._server = create_server(
            self._application,
            map=self._connections,
            sockets=[bound],
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=SILENT_SECONDS,
            cleanup_interval=SILENT_SECONDS // 2,
            max_request_header_size=REQUEST_MAX_BYTES,
            max_request_body_size=REQUEST_MAX_BYTES,
            backlog=BACKLOG,
            log_socket_errors=False,
            ident="",
        )
        LOG.info("Metrics are served on %s, TCP %s.", self._address, self.port)

    def _complain(self, error: str) -> None:
        """Log once that the address cannot be bound."""
        if error == self._error:
            return
        self._error = error
        LOG.error(
            "Metrics cannot be served on %s, TCP %s (metrics_bind_ip, "
            "metrics_bind_port): %s. It is tried again until it works.",
            self._address,
            self._port,
            error,
        )

    def _run(self) -> None:
        while self._server is None:
            if self._stop.wait(_BIND_AGAIN_SECONDS):
                return
            self._bind()
        turn = partial(
            wasyncore.loop,
            timeout=_WAKE_SECONDS,
            use_poll=True,
            map=self._connections,
            count=1,
        )
        while not self._stop.is_set():
            if not attempt("Serving metrics", turn):
                self._stop.wait(_WAKE_SECONDS)
