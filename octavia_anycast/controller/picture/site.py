# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The page ``/picture/``: its files, and the documents that it asks for.

Files are read once, by their names in the package; a request names none that
is not there. The browser may load nothing from elsewhere and run nothing that
is not in these files.

Layer: controller.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from prometheus_client.exposition import gzip_accepted

from octavia_anycast.controller.engine.daemon import Clock
from octavia_anycast.controller.metrics.application import Answer, sentence
from octavia_anycast.controller.metrics.kept import Bounded
from octavia_anycast.controller.picture.detail import Detail
from octavia_anycast.controller.picture.document import Packed, packed
from octavia_anycast.controller.picture.history import History
from octavia_anycast.controller.picture.hosts import Hosts
from octavia_anycast.controller.picture.overview import Overview
from octavia_anycast.controller.picture.shared import Busy, Shared, Turn
from octavia_anycast.controller.ports import ShownBalancers, World

FOLDER = "/picture"
INDEX = "page.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
SECURITY = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
DATABASE_SECONDS = 5.0
CLUSTERS_KEPT = 64
_ID = re.compile(r"[0-9A-Za-z-]{1,36}")
# Of what is not there.
NOTHING = Packed(b"", b"")
_Make = Callable[[str], dict[str, Any] | None]


class Site:
    """Answers everything below ``/picture``."""

    def __init__(
        self,
        world: World,
        shown: ShownBalancers,
        clock: Clock,
        patience: float = DATABASE_SECONDS,
    ) -> None:
        overview, history = Overview(world, shown), History(world)
        detail = Detail(world, shown, overview.rates)
        self._files = _files()
        self._hosts = Hosts(world.settings.picture_hosts)
        read = _Reader(patience)
        turn = Turn()
        self._documents = {
            name: Shared(partial(read.document, make), kept, turn, clock)
            for name, make, kept in (
                ("overview.json", lambda _: overview.make(), 1),
                ("cluster.json", detail.make, CLUSTERS_KEPT),
                (
                    "events.json",
                    lambda owner: history.make(owner or None),
                    CLUSTERS_KEPT,
                ),
            )
        }

    def answer(self, environ: Any) -> Answer:
        """Answer a request below :data:`FOLDER`."""
        refusal = self._hosts.refusal(environ.get("HTTP_HOST", ""))
        if refusal:
            return sentence(HTTPStatus.MISDIRECTED_REQUEST, refusal)
        path = environ.get("PATH_INFO", "").removeprefix(FOLDER)
        if not path:
            # What the page asks for is named relative to its folder.
            status, headers, body = sentence(
                HTTPStatus.PERMANENT_REDIRECT, "The page is at /picture/."
            )
            return status, [*headers, ("Location", "picture/")], body
        name = path.removeprefix("/") or INDEX
        if name in self._documents:
            status, headers, body = self._document(name, environ)
        elif name in self._files:
            kind, body = self._files[name]
            status, headers = HTTPStatus.OK, [("Content-Type", kind)]
        else:
            status, headers, body = sentence(
                HTTPStatus.NOT_FOUND, "The picture has no such part."
            )
        return status, [*headers, *SECURITY], body

    def _document(self, name: str, environ: Any) -> Answer:
        wanted = parse_qs(environ.get("QUERY_STRING", "")).get("id", [""])[0]
        if wanted and not _ID.fullmatch(wanted):
            return sentence(HTTPStatus.BAD_REQUEST, "id: this is no id.")
        if name == "overview.json":
            wanted = ""
        try:
            found = self._documents[name].get(wanted)
        except Busy:
            found = None
        if found is None:
            return _later("The data cannot be read just now: ask again.")
        if not found.plain:
            return sentence(
                HTTPStatus.NOT_FOUND,
                "id: there is no cluster of a load balancer or of a "
                "distributor with this id.",
            )
        return _json(found, environ)


class _Reader:
    """Reads documents with patience, one at a time."""

    def __init__(self, patience: float) -> None:
        self._next: Callable[[], Packed] = lambda: NOTHING
        self._read = Bounded(
            "Reading the picture", lambda: self._next(), patience
        )

    def document(self, make: _Make, key: str) -> Packed | None:
        """The document of a key; None: it cannot be read now."""

        def read() -> Packed:
            found = make(key)
            return NOTHING if found is None else packed(found)

        self._next = read
        return self._read.get()


def _json(found: Packed, environ: Any) -> Answer:
    headers = [
        ("Content-Type", "application/json"),
        ("Vary", "Accept-Encoding"),
    ]
    if not gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING", "")):
        return HTTPStatus.OK, headers, found.plain
    return (
        HTTPStatus.OK,
        [*headers, ("Content-Encoding", "gzip")],
        found.packed,
    )


def _later(text: str) -> Answer:
    status, headers, body = sentence(HTTPStatus.SERVICE_UNAVAILABLE, text)
    return status, [*headers, ("Retry-After", "1")], body


def _files() -> Mapping[str, tuple[str, bytes]]:
    """Name -> type and content, of each file of the page."""
    folder = resources.files(__package__) / "files"
    return {
        entry.name: (
            TYPES["." + entry.name.rpartition(".")[2]],
            entry.read_bytes(),
        )
        for entry in folder.iterdir()
        if "." + entry.name.rpartition(".")[2] in TYPES
    }
