# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The control socket: how Octavia's agent process reaches speakerd.

One JSON object a line each way: ``{"call": "report"}``, ``{"call": "apply",
"body": {...}}`` or a call of one VIP or amphora (``{"call": "drain_amphora",
"name": ..., "body": ...}``), answered by what the HTTP route answers:
``{"status": 200, "document": ...}``. ``{"call": "await_news", "body":
{"known": ..., "seconds": ...}}``, for heartbeats, is answered by the digest of
the report once it is another one, or when the seconds are over. A body may
stand behind its line instead, as ``"length": 1234`` bytes: a desired state,
which may be large, so that it is parsed once. Root only (mode 0600).

Layer: agent.
"""

import json
import logging
import os
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

from octavia_anycast.model import codec
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.wire import AgentCall

if TYPE_CHECKING:
    from octavia_anycast.agent.engine import Engine

LOG = logging.getLogger(__name__)

CONTROL_PATH = "/run/octavia-anycast/control.sock"
REPORT, APPLY, AWAIT_NEWS = "report", "apply", "await_news"
_TIMEOUT_SECONDS = 10.0
_GRACE_SECONDS = 1.0
_LINE_MAX = 16 * 1024 * 1024
# For so long a call may wait for news; the caller asks again.
NEWS_SECONDS_MAX = 5.0

Answer = tuple[int, Any]  # HTTP status, JSON document


def answer(engine: "Engine", request: Any) -> Answer:
    """Carry out one call; ``request`` is what the socket takes."""
    try:
        call, body = request["call"], request.get("body")
        if call == REPORT:
            return 200, codec.to_document(engine.report())
        if call == APPLY:
            if not isinstance(body, dict):
                raise InvalidRequest("document", "it is not a JSON object")
            engine.apply(body)
            return 200, {}
        if call == AWAIT_NEWS:
            seconds = min(float(body["seconds"]), NEWS_SECONDS_MAX)
            digest = engine.await_news(str(body["known"]), seconds)
            return 200, {"digest": digest}
        answered = engine.call(AgentCall(call), request["name"], body)
        return 200, answered or {}
    except (NotFound, Conflict) as e:
        status = 404 if isinstance(e, NotFound) else 409
        return status, {"reason": str(e)}
    except InvalidRequest as e:
        return 400, {"field": e.field, "reason": e.reason}
    except (ValueError, KeyError, TypeError):
        return 503, {"reason": "it is not a call"}
    except OSError as e:
        LOG.error("A desired state could not be written to the disk: %s", e)
        return 503, {"reason": str(e)}


def parsed(data: bytes) -> Any:
    """Parse a JSON document; None if it is not JSON."""
    try:
        return json.loads(data)
    except ValueError:
        return None


class _Handler(socketserver.StreamRequestHandler):
    server: "ControlServer"
    timeout = _TIMEOUT_SECONDS

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(_LINE_MAX):
                request = self._with_body(parsed(line))
                status, document = answer(self.server.engine, request)
                reply = {"status": status, "document": document}
                self.wfile.write(json.dumps(reply).encode() + b"\n")
        except OSError as e:
            LOG.debug("A control connection ended: %s", e)

    def _with_body(self, request: Any) -> Any:
        """The request with the body that stands behind its line."""
        length = request.get("length") if isinstance(request, dict) else None
        if not isinstance(length, int) or not 0 <= length <= _LINE_MAX:
            return request
        return {**request, "body": parsed(self.rfile.read(length))}


class ControlServer(socketserver.ThreadingUnixStreamServer):
    """Serves the control socket."""

    daemon_threads = True

    def __init__(self, path: str, engine: "Engine") -> None:
        self.engine = engine
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
    """Calls speakerd, by a new connection for each call."""

    def __init__(self, path: str = CONTROL_PATH) -> None:
        self._path = path

    def call(
        self,
        call: str,
        name: str = "",
        body: Any = None,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> Answer:
        """Have speakerd carry out a call; 503 if it fails or does not run.

        :param body: a JSON document, or the bytes of one, handed on as it is
        """
        behind = b""
        if isinstance(body, bytes):
            behind = body
            request = {"call": call, "name": name, "length": len(body)}
        else:
            request = {"call": call, "name": name, "body": body}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(timeout_seconds)
                client.connect(self._path)
                head = json.dumps(request).encode() + b"\n"
                client.sendall(head + behind)
                line = client.makefile("rb").readline(_LINE_MAX)
            reply = json.loads(line)
        except (OSError, ValueError) as e:
            return 503, {"reason": f"speakerd does not answer: {e}"}
        status, document = reply["status"], reply["document"]
        if status == 503:
            document = {"reason": f"speakerd failed: {document['reason']}"}
        return status, document

    def await_news(self, known: str, seconds: float) -> str:
        """Wait until the report would say something else; its digest.

        A second longer at most: a speakerd that hangs delays no heartbeat.

        :param known: the digest that the caller has; empty: none, no wait
        :returns: the digest of now; empty if speakerd does not tell
        """
        status, document = self.call(
            AWAIT_NEWS,
            body={"known": known, "seconds": seconds},
            timeout_seconds=seconds + _GRACE_SECONDS,
        )
        return str(document.get("digest", "")) if status == 200 else ""
