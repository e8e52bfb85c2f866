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
from oslo_config import cfg

from octavia_anycast import log_lines
from octavia_anycast.wsgi.request_validation import guarded

ROOT = "octavia_anycast.api.root.RootController"


def build(argv: list[str] | None = None) -> Any:
    """Build the application.

    :param argv: the command line, sys.argv if None
    """
    config = app.get_pecan_config()
    config.app.root = ROOT
    application = app.setup_app(pecan_config=config, argv=argv)
    log_lines.set_up(cfg.CONF)
    return guarded(application)


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
