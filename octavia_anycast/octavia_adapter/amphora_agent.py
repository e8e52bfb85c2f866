# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's amphora agent with more routes, and with two of its ways mended.

Its ``plug_lo`` would take the VIPs off the loopback, and its
``PUT /1.0/certificate`` writes over the certificate in use.

Octavia's server class has its routes hard-coded, and its main function the
class. So this gives its main function another module to find a ``Server``
in; the rest (gunicorn, mutual TLS, heartbeats) is Octavia's as it is.

Layer: octavia_adapter.
"""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol

from gunicorn.workers import sync
from octavia.amphorae.backends.agent.api_server import plug, server
from octavia.amphorae.backends.utils import interface_file
from octavia.cmd import agent
from oslo_config import cfg

from octavia_anycast.octavia_adapter.amphora_interfaces import OsUtils

PROGRAM = "amphora-agent"
IDLE_SECONDS = 2.0


class Plug(plug.Plug):
    """Octavia's plug-in calls; the loopback is not theirs."""

    def plug_lo(self) -> None:
        """Write lo.json only where there is none.

        Octavia writes it anew at each start, without the VIPs; the next
        ``amphora-interface up`` would take them off the loopback.
        """
        directory = interface_file.InterfaceFile.get_directory()
        if not os.path.exists(os.path.join(directory, "lo.json")):
            super().plug_lo()


class Server(server.Server):
    """Octavia's server; its ``_plug`` is replaced as it is assigned.

    ``certificate_view``: what ``PUT /1.0/certificate`` does.
    """

    certificate_view: Callable[[], Any]

    def upload_cert(self) -> Any:
        """Take a new certificate for this agent."""
        return self.certificate_view()

    @property
    def _plug(self) -> Plug:
        return self.__plug

    @_plug.setter
    def _plug(self, value: plug.Plug) -> None:
        self.__plug = Plug(OsUtils(value._osutils))


class Lifeline(Protocol):
    """Who watches the agent."""

    def ready(self) -> None:
        """It has started."""

    def beat(self) -> None:
        """Its loop goes round."""


class Worker(sync.SyncWorker):
    """gunicorn's worker, which serves one request at a time; it is watched.

    One that hangs in a request or is stopped goes round no more. gunicorn's
    own watch over it is 180 seconds slow, and the main process has no request
    to hang in.
    """

    lifeline: Lifeline

    def run(self) -> None:
        """Say that it is ready, and serve."""
        self.lifeline.ready()
        super().run()

    def notify(self) -> None:
        """Called in each round of the loop."""
        super().notify()
        self.lifeline.beat()

    def wait(self, timeout: float) -> Any:
        """Wait for a request; not for so long that nobody hears of it."""
        return super().wait(min(timeout, IDLE_SECONDS))


class _Application(agent.AmphoraAgent):
    """Octavia's application, with that worker."""

    def load_config(self) -> None:
        """Take Octavia's options."""
        super().load_config()
        self.cfg.set("worker_class", Worker)


def main(
    make_blueprint: Callable[[], Any],
    make_certificate_view: Callable[[str, str], Callable[[], Any]],
    lifeline: Lifeline,
) -> None:
    """Run Octavia's agent with a blueprint of ours.

    :param make_certificate_view: of the file of the agent's certificate and
        the amphora's id
    :param lifeline: told when the worker is ready, and of each of its rounds
    """

    def make_server(hm_queue: Any) -> Server:
        # By this name PUT /1.0/config finds the file that it writes over.
        cfg.CONF.prog = PROGRAM
        made = Server(hm_queue)
        made.app.register_blueprint(make_blueprint())
        settings = cfg.CONF.amphora_agent
        made.certificate_view = make_certificate_view(
            settings.agent_server_cert, settings.amphora_id
        )
        return made

    Worker.lifeline = lifeline
    agent.server = SimpleNamespace(Server=make_server)
    agent.AmphoraAgent = _Application
    agent.main()
