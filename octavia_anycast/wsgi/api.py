# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The WSGI application: Octavia's API with our root.

For a WSGI server: ``octavia_anycast.wsgi.api:application``. Octavia reads
its configuration as in its own octavia.wsgi.api, ``--config-file`` in
sys.argv included.
"""

import threading
from typing import Any

from octavia.api import app
from webob import exc

ROOT = "octavia_anycast.api.root.RootController"


def build(argv: list[str] | None = None) -> Any:
    """Build the application.

    :param argv: the command line, sys.argv if None
    """
    config = app.get_pecan_config()
    config.app.root = ROOT
    return refusing_deep_bodies(app.setup_app(pecan_config=config, argv=argv))


def refusing_deep_bodies(application: Any) -> Any:
    """Answer 400 where Pecan dies of JSON that is nested a thousand deep."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return application(environ, start_response)
        except RecursionError:
            fault = exc.HTTPBadRequest(
                json_formatter=_as_octavias_fault,
                detail="The body is nested too deeply.",
            )
            environ["HTTP_ACCEPT"] = "application/json"
            return fault(environ, start_response)

    return call


def _as_octavias_fault(
    body: str, status: str, title: str, environ: dict[str, Any]
) -> dict[str, Any]:
    return {"faultcode": "Client", "faultstring": body, "debuginfo": None}


_LOCK = threading.Lock()
_application: Any = None


def __getattr__(name: str) -> Any:
    """Build ``application`` when a server asks for it, once."""
    global _application
    if name != "application":
        raise AttributeError(name)
    with _LOCK:
        if _application is None:
            _application = build()
    return _application
