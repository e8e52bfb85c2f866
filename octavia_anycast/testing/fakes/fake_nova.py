# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Nova and Glance over HTTP: what Octavia's own drivers and clients ask.

It answers from the fake cloud's machines. A test says what goes wrong:
``faults`` (calls that are answered with an error), ``is_hanging`` (no call is
answered), ``fault`` (servers are taken and not built), ``statuses`` and
``deletes_slowly``. ``requests`` is what was asked.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from octavia_anycast.model.wire import DesiredState
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud
from octavia_anycast.testing.fakes.fake_machine import Machine

MANAGEMENT_NETWORK = "net-management"
_PREFIX = "amphora-"
_Reply = tuple[int, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error instead of an answer; ``path`` is a pattern."""

    method: str
    path: str
    status: int
    sentence: str = ""

    def body(self) -> Any:
        """The body that Nova sends."""
        return {"fault": {"code": self.status, "message": self.sentence}}


@dataclass(slots=True)
class FakeNova:
    """The two services; their endpoint is ``url`` while it is entered."""

    cloud: FakeCloud
    first_state: Callable[[str], DesiredState]
    images: list[str] = field(default_factory=lambda: [str(uuid.uuid4())])
    faults: list[Fault] = field(default_factory=list)
    is_hanging: bool = False
    fault: str = ""  # of servers that are taken and not built
    statuses: dict[str, str] = field(default_factory=dict)  # server -> word
    deletes_slowly: bool = False
    deleting: set[str] = field(default_factory=set)
    groups: dict[str, str] = field(default_factory=dict)  # id -> name
    built: list[str] = field(default_factory=list)  # amphora ids
    requests: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _server: Any = None

    def __enter__(self) -> "FakeNova":
        self._server = _Server(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The root of both services."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind there were."""
        pattern = re.compile(f"{method} {path}")
        return sum(1 for request in self.requests if pattern.match(request))

    def finish_deleting(self) -> None:
        """Let the servers go that are being deleted."""
        for server_id in list(self.deleting):
            self.deleting.discard(server_id)
            self.cloud.delete("", server_id)

    def answer(self, method: str, target: str, body: Any) -> _Reply:
        """Answer one request."""
        if self.is_hanging:
            self.released.wait()
        parts = urlsplit(target)
        self.requests.append(f"{method} {parts.path}")
        for fault in self.faults:
            if fault.method == method and re.search(fault.path, parts.path):
                return fault.status, fault.body()
        for wanted, pattern, reply in _ROUTES:
            found = re.fullmatch(pattern, parts.path)
            if wanted == method and found:
                query = parse_qs(parts.query)
                return reply(self, found.groupdict(), query, body)
        return 404, {"itemNotFound": {"message": f"{method} {parts.path}"}}

    def images_with_tag(self, _: Any, query: Any, __: Any) -> _Reply:
        """Glance: the newest images with a tag."""
        assert query["status"] == ["active"]
        return 200, {"images": [{"id": image} for image in self.images]}

    def image_schema(self, _: Any, __: Any, ___: Any) -> _Reply:
        """Glance: what an image is; its client asks once."""
        return 200, {"name": "image", "properties": {"id": {}}}

    def create(self, _: Any, __: Any, body: Any) -> _Reply:
        """Take a server."""
        wanted = body["server"]
        amphora_id = wanted["name"].removeprefix(_PREFIX)
        self.built.append(amphora_id)
        server_id = str(uuid.uuid4())
        self.cloud.power_on(
            server_id,
            amphora_id,
            zone=wanted.get("availability_zone"),
            state=self.first_state(amphora_id),
            fault=self.fault,
        )
        return 202, {"server": {"id": server_id}}

    def show(self, names: Any, _: Any, __: Any) -> _Reply:
        """Show a server."""
        machine = self.cloud.machines.get(names["id"])
        if machine is None:
            return 404, _gone(names["id"])
        return 200, {"server": self._server_of(machine)}

    def list_servers(self, _: Any, query: Any, __: Any) -> _Reply:
        """List servers by a pattern of their names."""
        (pattern,) = query.get("name", [""])
        if "marker" in query:
            return 200, {"servers": []}
        shown = [self._server_of(m) for m in self.cloud.machines.values()]
        found = [one for one in shown if re.search(pattern, one["name"])]
        return 200, {"servers": found}

    def interfaces(self, names: Any, _: Any, __: Any) -> _Reply:
        """List the interfaces of a server."""
        machine = self.cloud.machines.get(names["id"])
        if machine is None:
            return 404, _gone(names["id"])
        address = {"ip_address": str(machine.address), "subnet_id": "sub"}
        found = {"net_id": MANAGEMENT_NETWORK, "fixed_ips": [address]}
        return 200, {"interfaceAttachments": [] if machine.fault else [found]}

    def delete(self, names: Any, _: Any, __: Any) -> _Reply:
        """Delete a server, some time."""
        if names["id"] not in self.cloud.machines:
            return 404, _gone(names["id"])
        self.deleting.add(names["id"])
        if not self.deletes_slowly:
            self.finish_deleting()
        return 204, None

    def create_group(self, _: Any, __: Any, body: Any) -> _Reply:
        """Make a server group."""
        group_id = str(uuid.uuid4())
        self.groups[group_id] = body["server_group"]["name"]
        return 200, {"server_group": {"id": group_id}}

    def show_group(self, names: Any, _: Any, __: Any) -> _Reply:
        """Show a server group."""
        if names["id"] not in self.groups:
            return 404, _gone(names["id"])
        return 200, {"server_group": {"id": names["id"]}}

    def delete_group(self, names: Any, _: Any, __: Any) -> _Reply:
        """Delete a server group."""
        is_gone = self.groups.pop(names["id"], None) is None
        return (404, _gone(names["id"])) if is_gone else (204, None)

    def _server_of(self, machine: Machine) -> Any:
        is_on = "ACTIVE" if machine.has_power else "SHUTOFF"
        status = "ERROR" if machine.fault else is_on
        shown: dict[str, Any] = {
            "id": machine.server_id,
            "name": _PREFIX + machine.amphora_id,
            "status": self.statuses.get(machine.server_id, status),
            "created": machine.booted_at.isoformat(),
            "OS-EXT-SRV-ATTR:host": "compute-1",
            "OS-EXT-AZ:availability_zone": machine.zone,
            "image": {"id": "image"},
            "flavor": {"id": "flavor"},
        }
        if machine.fault:
            shown["fault"] = {"code": 500, "message": machine.fault}
        return shown


_ID = "(?P<id>[^/]+)"
_SERVERS = "/v2.1/servers"
_GROUPS = "/v2.1/os-server-groups"
_ROUTES: tuple[tuple[str, str, Callable[..., _Reply]], ...] = (
    ("GET", "/v2/images", FakeNova.images_with_tag),
    ("GET", "/v2/schemas/image", FakeNova.image_schema),
    ("POST", _SERVERS, FakeNova.create),
    ("GET", f"{_SERVERS}/detail", FakeNova.list_servers),
    ("GET", f"{_SERVERS}/{_ID}", FakeNova.show),
    ("GET", f"{_SERVERS}/{_ID}/os-interface", FakeNova.interfaces),
    ("DELETE", f"{_SERVERS}/{_ID}", FakeNova.delete),
    ("POST", _GROUPS, FakeNova.create_group),
    ("GET", f"{_GROUPS}/{_ID}", FakeNova.show_group),
    ("DELETE", f"{_GROUPS}/{_ID}", FakeNova.delete_group),
)


def _gone(identifier: str) -> Any:
    message = f"Instance {identifier} could not be found."
    return {"itemNotFound": {"code": 404, "message": message}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, nova: FakeNova) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.nova = nova
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        text = self.rfile.read(length)
        status, document = self.server.nova.answer(
            self.command, self.path, json.loads(text) if text else None
        )
        content = b"" if document is None else json.dumps(document).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            """Whoever asked has stopped waiting."""

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """A test says what it wants to know."""
