# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's amphora agent with more routes, and with some calls corrected.

Its ``plug_lo`` would remove the VIPs from the loopback, its ``PUT
/1.0/certificate`` overwrites the certificate in use, its answer does not say
why HAProxy did not start, and it advertises the VIPs by ARP.

Octavia's server class has its routes hard-coded, and its main function the
class. So the main function is given another module to find a ``Server`` in;
the rest (gunicorn, mutual TLS, heartbeats) is Octavia's; what its heartbeats
say more is in ``heartbeat_digest.py``.

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

from octavia_anycast.octavia_adapter.amphora import (
    heartbeat_digest,
    heartbeat_failures,
    lvs_heartbeat,
)
from octavia_anycast.octavia_adapter.amphora.amphora_interfaces import OsUtils

PROGRAM = "amphora-agent"
IDLE_SECONDS = 2.0
JOURNAL_SECONDS = 5.0


class Plug(plug.Plug):
    """Octavia's calls for interfaces; they leave the loopback alone."""

    def plug_lo(self) -> None:
        """Write lo.json only where there is none.

        Octavia overwrites it at each start, without the VIPs; the next
        ``amphora-interface up`` would remove them from the loopback.
        """
        directory = interface_file.InterfaceFile.get_directory()
        if not os.path.exists(os.path.join(directory, "lo.json")):
            super().plug_lo()


class Loadbalancer(loadbalancer.Loadbalancer):
    """Octavia's calls for HAProxy; they say why it does not start."""

    def start_stop_lb(self, lb_id: str, action: str) -> Any:
        """Do as Octavia does; add to a failure what the unit has written."""
        began = time.time()
        answer = super().start_stop_lb(lb_id, action)
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            body = answer.json
            said = _written_since(began, f"haproxy-{lb_id}.service")
            answer.json = {**body, "details": f"{body['details']}\n{said}"}
        return answer


def _written_since(began: float, unit: str) -> str:
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
    """Octavia's server; ``certificate_view`` does PUT /1.0/certificate."""

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
    """What watches the agent."""

    def ready(self) -> None:
        """Note that the agent has started."""

    def beat(self) -> None:
        """Note that the agent's loop runs."""


class Worker(sync.SyncWorker):
    """gunicorn's worker, which serves one request at a time; it is watched.

    One that hangs in a request, or is stopped, ends its rounds. gunicorn
    notices that after 180 seconds only.
    """

    lifeline: Lifeline
    rounds: heartbeat_digest.Rounds

    def run(self) -> None:
        """Report that it is ready, and serve."""
        self.lifeline.ready()
        super().run()

    def notify(self) -> None:
        """Report a round of the loop."""
        super().notify()
        self.lifeline.beat()
        self.rounds.note()

    def wait(self, timeout: float) -> Any:
        """Wait for a request, but report a round in time."""
        return super().wait(min(timeout, IDLE_SECONDS))


class _Application(agent.AmphoraAgent):
    def load_config(self) -> None:
        """Take Octavia's options and this module's worker."""
        super().load_config()
        self.cfg.set("worker_class", Worker)


def advertise_nothing(
    lb_id: str | None = None, listener_id: str | None = None
) -> None:
    """Send no ARP for the VIPs: BGP announces them, from the loopback.

    Octavia opens a namespace and a socket for each line with an address in
    HAProxy's file, at each reload: seconds with thirty listeners.
    """


def main(
    make_blueprint: Callable[[], Any],
    make_certificate_view: Callable[[str, str], Callable[[], Any]],
    lifeline: Lifeline,
    read_inside: lvs_heartbeat.ReadInside,
    await_news: heartbeat_digest.AwaitNews,
) -> None:
    """Run Octavia's agent with a blueprint of ours.

    :param make_certificate_view: of the file of the agent's certificate and
        the amphora's id
    :param lifeline: told when the worker is ready, and of each of its rounds
    :param read_inside: reads a file as a network namespace has it
    :param await_news: waits until the agent's report would be another one
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

    lvs_heartbeat.install(read_inside)
    Worker.rounds = heartbeat_digest.Rounds()
    heartbeat_failures.install()
    heartbeat_digest.install(await_news, Worker.rounds.are_regular)
    util.send_vip_advertisements = advertise_nothing
    Worker.lifeline = lifeline
    agent.server = SimpleNamespace(Server=make_server)
    agent.AmphoraAgent = _Application
    agent.main()
