# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's amphora agent with more routes, and with some of its ways mended.

Its ``plug_lo`` would take the VIPs off the loopback, and its
``PUT /1.0/certificate`` writes over the certificate in use. A HAProxy that
does not start has no reason in its answer. And it advertises the VIPs by ARP.

Octavia's server class has its routes hard-coded, and its main function the
class. So this gives its main function another module to find a ``Server``
in; the rest (gunicorn, mutual TLS, heartbeats) is Octavia's as it is.

Layer: octavia_adapter.
"""

import os
import subprocess
import time
from collections.abc import Callable
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Protocol

from gunicorn.workers import sync
from octavia.amphorae.backends.agent.api_server import (
    loadbalancer,
    plug,
    server,
    util,
)
from octavia.amphorae.backends.utils import interface_file
from octavia.cmd import agent
from oslo_config import cfg

from octavia_anycast.octavia_adapter.amphora.amphora_interfaces import OsUtils

PROGRAM = "amphora-agent"
IDLE_SECONDS = 2.0
JOURNAL_SECONDS = 5.0


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


class Loadbalancer(loadbalancer.Loadbalancer):
    """Octavia's calls of HAProxy; where it does not start, they say why."""

    def start_stop_lb(self, lb_id: str, action: str) -> Any:
        """As Octavia's; a failure has what the unit wrote since then."""
        began = time.time()
        answer = super().start_stop_lb(lb_id, action)
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            body = answer.json
            said = _written_since(began, f"haproxy-{lb_id}.service")
            answer.json = {**body, "details": f"{body['details']}\n{said}"}
        return answer


def _written_since(began: float, unit: str) -> str:
    """What a unit wrote to the journal since then; empty: nobody knows."""
    command = ["journalctl", f"--since=@{began:.3f}", f"--unit={unit}"]
    command += ["--lines=20", "--output=cat", "--no-pager", "--quiet"]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=JOURNAL_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


class Server(server.Server):
    """Octavia's server; its ``_plug`` is replaced as it is assigned.

    ``certificate_view``: what ``PUT /1.0/certificate`` does.
    """

    certificate_view: Callable[[], Any]

    def __init__(self, hm_queue: Any) -> None:
        super().__init__(hm_queue)
        self._loadbalancer = Loadbalancer()

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


def advertise_nothing(
    lb_id: str | None = None, listener_id: str | None = None
) -> None:
    """Tell no neighbour of the VIPs: BGP announces them, from the loopback.

    Octavia opens a namespace and a socket for each line with an address in
    HAProxy's file, at each reload: seconds with thirty listeners.
    """


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

    util.send_vip_advertisements = advertise_nothing
    Worker.lifeline = lifeline
    agent.server = SimpleNamespace(Server=make_server)
    agent.AmphoraAgent = _Application
    agent.main()
