# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""An application whose answers lack what Octavia's own do not have."""

from typing import Any

from webob import Request

from octavia_anycast.tests.upstream.expected import Difference


class Without:
    """WSGI middleware; it adds to ``seen`` what it took away."""

    def __init__(
        self, application: Any, difference: Difference, seen: set[str]
    ) -> None:
        self._application = application
        self._difference = difference
        self._seen = seen

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        response = Request(environ).get_response(self._application)
        if response.content_type == "application/json" and response.body:
            response.json_body = self._stripped(response.json_body)
        return response(environ, start_response)

    def _stripped(self, document: Any) -> Any:
        shown = document.get(self._difference.root)
        if not isinstance(shown, dict):
            return document
        taken = self._difference.attributes & shown.keys()
        self._seen |= taken
        left = {k: v for k, v in shown.items() if k not in taken}
        return {**document, self._difference.root: left}
