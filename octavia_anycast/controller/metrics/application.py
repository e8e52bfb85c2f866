# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The WSGI application: ``/metrics``, ``/healthz`` and folders, read only.

Layer: controller.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    gzip_accepted,
)

from octavia_anycast.controller.metrics.exposition import Text

METHODS = ("GET", "HEAD")
Headers = list[tuple[str, str]]
Answer = tuple[HTTPStatus, Headers, bytes]
Page = Callable[[Any], Answer]


class Application:
    """Answers from what it is given; it knows no other request.

    :param metrics: the text of the metrics
    :param troubles: check -> what is wrong, as a sentence; empty: nothing
    :param folders: path -> what answers for it and everything below it
    """

    def __init__(
        self,
        metrics: Callable[[], Text],
        troubles: Callable[[], Mapping[str, str]],
        folders: Mapping[str, Page] | None = None,
    ) -> None:
        self._metrics = metrics
        self._troubles = troubles
        self._folders = folders or {}

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answer a request (PEP 3333)."""
        status, headers, body = self._answer(environ)
        headers += [
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Any) -> Answer:
        pages = {
            "/metrics": self._show_metrics,
            "/healthz": self._show_health,
            **self._folders,
        }
        path = environ.get("PATH_INFO", "")
        folder = "/".join(path.split("/", 2)[:2])
        page = pages.get(folder if folder in self._folders else path)
        if page is None:
            known = " and ".join(pages)
            return sentence(HTTPStatus.NOT_FOUND, f"There is only {known}.")
        if environ["REQUEST_METHOD"] not in METHODS:
            status, headers, body = sentence(
                HTTPStatus.METHOD_NOT_ALLOWED, "This can only be read."
            )
            return status, [*headers, ("Allow", ", ".join(METHODS))], body
        return page(environ)

    def _show_metrics(self, environ: Any) -> Answer:
        text = self._metrics()
        headers = [
            ("Content-Type", CONTENT_TYPE_PLAIN_0_0_4),
            ("Vary", "Accept-Encoding"),
        ]
        if not gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING", "")):
            return HTTPStatus.OK, headers, text.plain
        return (
            HTTPStatus.OK,
            [*headers, ("Content-Encoding", "gzip")],
            text.packed,
        )

    def _show_health(self, environ: Any) -> Answer:
        del environ
        troubles = self._troubles()
        is_ready = not any(troubles.values())
        document = {
            "status": "ready" if is_ready else "not ready",
            "checks": {name: why or "ok" for name, why in troubles.items()},
        }
        return (
            HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
            [("Content-Type", "application/json")],
            f"{json.dumps(document, indent=2)}\n".encode(),
        )


def sentence(status: HTTPStatus, text: str) -> Answer:
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    return status, headers, f"{text}\n".encode()
