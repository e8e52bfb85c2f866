# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Serve one unmodified OpenStack WSGI application with gunicorn.

The applications parse ``sys.argv`` when they are imported; here it is what
their own daemon would have been given, not gunicorn's.
"""

import argparse
import sys
from typing import Any

import gunicorn.app.base
import gunicorn.util


class WsgiProcess(gunicorn.app.base.BaseApplication):
    """One worker with threads, on TCP and on a unix socket for probes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings, by their names there."""
        settings = {
            "bind": self._options.bind,
            "proc_name": self._options.program,
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._options.threads,
            "timeout": 120,
            "graceful_timeout": 3,
            "keepalive": 30,
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Import the application as its own daemon would."""
        sys.argv = [self._options.program, *self._options.arguments]
        try:
            return gunicorn.util.import_app(self._options.application)
        except SystemExit as error:
            # gunicorn would start the next worker, for ever.
            raise RuntimeError(f"not started: {error}") from error


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--bind", action="append", required=True)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("application", help="module:attribute")
    parser.add_argument("arguments", nargs="*", help="the application's own")
    WsgiProcess(parser.parse_args()).run()


if __name__ == "__main__":
    main()
