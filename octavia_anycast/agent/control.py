# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The control socket: how Octavia's agent process reaches speakerd.

One JSON object a line each way: ``{"call": "report"}``, ``{"call": "apply",
"state": {...}}`` or a call of one VIP or amphora (``{"call": "drain_amphora",
"name": ..., "body": ...}``), answered by ``{"status": "ok", ...}``,
``{"status": "invalid", "field": ..., "reason": ...}``, ``{"status":
"missing", "resource": ..., "identifier": ...}``, ``{"status": "conflict",
"reason": ...}`` or ``{"status": "failed", "reason": ...}``. Root only (mode
0600).

Layer: agent.
"""

import json
import logging
import os
import socket
import socketserver
import threading
from typing import Any, Protocol

from octavia_anycast.model import codec
from octavia_anycast.model.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    Retryable,
)
from octavia_anycast.model.wire import AgentCall, Report

LOG = logging.getLogger(__name__)

CONTROL_PATH = "/run/octavia-anycast/control.sock"
_CALLS = frozenset(AgentCall)
_TIMEOUT_SECONDS = 10.0
_LINE_MAX = 16 * 1024 * 1024


class Controlled(Protocol):
    """What the socket gives access to."""

    def apply(self, document: Any) -> None:
        """Take a desired state."""

    def report(self) -> Report:
        """Tell what is."""

    def call(self, call: AgentCall, name: str, body: Any) -> Any:
        """Carry out a call of one VIP or amphora."""


def answer(controlled: Controlled, line: bytes) -> dict[str, Any]:
    """Carry out one call."""
    try:
        request = json.loads(line)
        call = request["call"]
        if call == "report":
            report = codec.to_document(controlled.report())
            return {"status": "ok", "report": report}
        if call == "apply":
            controlled.apply(request["state"])
            return {"status": "ok"}
        if call in _CALLS:
            found = controlled.call(
                AgentCall(call), request["name"], request["body"]
            )
            return {"status": "ok", "answer": found}
    except NotFound as e:
        return {
            "status": "missing",
            "resource": e.resource,
            "identifier": e.identifier,
        }
    except Conflict as e:
        return {"status": "conflict", "reason": str(e)}
    except InvalidRequest as e:
        return {"status": "invalid", "field": e.field, "reason": e.reason}
    except (ValueError, KeyError, TypeError):
        return {"status": "failed", "reason": "it is not a call"}
    except OSError as e:
        LOG.error("A desired state could not be kept: %s", e)
        return {"status": "failed", "reason": str(e)}
    return {"status": "failed", "reason": f"there is no call {call!r}"}


class _Handler(socketserver.StreamRequestHandler):
    timeout = _TIMEOUT_SECONDS

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, ControlServer)
        try:
            while line := self.rfile.readline(_LINE_MAX):
                reply = json.dumps(answer(server.controlled, line))
                self.wfile.write(reply.encode() + b"\n")
        except OSError as e:
            LOG.debug("A control connection ended: %s", e)


class ControlServer(socketserver.ThreadingUnixStreamServer):
    """Serves the control socket."""

    daemon_threads = True

    def __init__(self, path: str, controlled: Controlled) -> None:
        self.controlled = controlled
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        temporary = f"{path}.new"
        if os.path.exists(temporary):
            os.unlink(temporary)
        super().__init__(temporary, _Handler)
        os.chmod(temporary, 0o600)
        os.rename(temporary, path)  # in place of one that a crash left

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(
            target=self.serve_forever, name="control", daemon=True
        ).start()


class ControlClient:
    """Calls speakerd; a connection a call."""

    def __init__(self, path: str = CONTROL_PATH) -> None:
        self._path = path

    def apply(self, document: Any) -> None:
        """Hand over a desired state.

        :raises InvalidRequest: it is refused.
        :raises Retryable: speakerd is not there or failed.
        """
        self._call({"call": "apply", "state": document})

    def report(self) -> Any:
        """Get the report, as a JSON document.

        :raises Retryable: speakerd is not there or failed.
        """
        return self._call({"call": "report"})["report"]

    def call(self, call: AgentCall, name: str, body: Any) -> Any:
        """Carry out a call of one VIP or amphora; its answer, as JSON.

        :raises InvalidRequest: it is refused.
        :raises NotFound: there is no such VIP or amphora.
        :raises Conflict: the amphora is not a distributor's own.
        :raises Retryable: speakerd is not there or failed.
        """
        request = {"call": call.value, "name": name, "body": body}
        return self._call(request)["answer"]

    def _call(self, request: dict[str, Any]) -> Any:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(_TIMEOUT_SECONDS)
                client.connect(self._path)
                client.sendall(json.dumps(request).encode() + b"\n")
                line = client.makefile("rb").readline(_LINE_MAX)
            reply = json.loads(line)
        except (OSError, ValueError) as e:
            raise Retryable(f"speakerd does not answer: {e}") from e
        if reply["status"] == "invalid":
            raise InvalidRequest(reply["field"], reply["reason"])
        if reply["status"] == "missing":
            raise NotFound(reply["resource"], reply["identifier"])
        if reply["status"] == "conflict":
            raise Conflict(reply["reason"])
        if reply["status"] != "ok":
            raise Retryable(f"speakerd failed: {reply['reason']}")
        return reply
