# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-speakerd``: health gate and driver of the BGP speaker.

It reads a few values of Octavia's amphora-agent.conf, and logs to the journal
through stderr. Both use the standard library: importing oslo takes longer
than a restart of this daemon may take.
"""

import argparse
import configparser
import logging
import signal
import sys

from octavia_anycast.agent.control import CONTROL_PATH, ControlServer
from octavia_anycast.agent.direct import DirectServer, DirectSettings
from octavia_anycast.agent.engine import Engine, EngineParts
from octavia_anycast.agent.flow_rescue.flow_rescue import Rescuer, RescueSetup
from octavia_anycast.agent.flow_rescue.loader import Loader, RescuePaths
from octavia_anycast.agent.frontend.frontend import (
    FrontendPaths,
    FrontendSetup,
)
from octavia_anycast.agent.frontend.machine import MachinePaths, MachineWatch
from octavia_anycast.agent.gate.lvs import LvsPaths, LvsWatch
from octavia_anycast.agent.gate.probes import Prober
from octavia_anycast.agent.gate.processes import ProbePaths
from octavia_anycast.agent.process import SystemdUnit
from octavia_anycast.agent.speakers.bird import bird
from octavia_anycast.agent.speakers.choice import Choice, ChosenSpeaker, Place
from octavia_anycast.agent.speakers.exabgp import exabgp
from octavia_anycast.agent.store import Store
from octavia_anycast.agent.tenant_metrics.told import TOLD_PATH, Teller
from octavia_anycast.agent.watchdog import Watchdog
from octavia_anycast.model.bgp import PeeringNetwork, SpeakerDriver
from octavia_anycast.model.wire import PORT_OFFSET

LOG = logging.getLogger(__name__)

DATA_DIRECTORY = "/var/lib/octavia-anycast"
STATE_PATH = f"{DATA_DIRECTORY}/desired.json"
BIRD = "/usr/sbin/bird"
EXABGP = "/usr/local/bin/exabgp"
FIRST_STATE_PATH = "/etc/octavia/octavia-anycast.json"
# Octavia's defaults.
AGENT_PORT = 9443
SERVER_CERTIFICATE = "/etc/octavia/certs/server.pem"
CLIENT_CA = "/etc/octavia/certs/client_ca.pem"


def read_configuration(path: str) -> tuple[str, DirectSettings]:
    """Read Octavia's configuration file of the agent.

    :returns: the amphora's id, and where speakerd's own port is
    :raises ValueError: the id is missing, or the agent's port is no number.
    """
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, allow_no_value=True
    )
    parser.read(path, encoding="utf-8")
    agent, server = "amphora_agent", "haproxy_amphora"
    amphora_id = parser.get(agent, "amphora_id", fallback=None)
    if not amphora_id:
        raise ValueError(f"{path} has no [amphora_agent] amphora_id")
    port = parser.getint(server, "bind_port", fallback=AGENT_PORT)
    return amphora_id, DirectSettings(
        address=parser.get(server, "bind_host", fallback="::"),
        port=port + PORT_OFFSET,
        certificate_path=parser.get(
            agent, "agent_server_cert", fallback=SERVER_CERTIFICATE
        ),
        client_ca_path=parser.get(
            agent, "agent_server_ca", fallback=CLIENT_CA
        ),
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--config-file", default="/etc/octavia/amphora-agent.conf"
    )
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(levelname)s %(name)s %(message)s",
    )
    try:
        amphora_id, direct = read_configuration(arguments.config_file)
    except (ValueError, configparser.Error) as e:
        sys.exit(str(e))
    run(amphora_id, direct)


def choices() -> dict[Place, Choice]:
    """Return the BGP daemons that an image may have.

    The units of those of the front end join HAProxy's namespace.
    """
    found = {}
    for network, suffix in (
        (PeeringNetwork.MANAGEMENT, ""),
        (PeeringNetwork.FRONTEND, "-frontend"),
    ):
        found[SpeakerDriver.EXABGP, network] = _exabgp(f"exabgp{suffix}")
        found[SpeakerDriver.BIRD, network] = _bird(f"bird{suffix}")
    return found


def _exabgp(name: str) -> Choice:
    settings = exabgp.ExabgpSettings(
        directory=f"{DATA_DIRECTORY}/{name}",
        socket_path=f"/run/{name}/relay.sock",
    )
    unit = f"{name}.service"
    return Choice(
        make=lambda: exabgp.ExabgpSpeaker(settings, SystemdUnit(unit)),
        program=EXABGP,
        config_path=settings.config_path,
        check=exabgp.file_check(EXABGP),
    )


def _bird(name: str) -> Choice:
    settings = bird.BirdSettings(
        directory=f"{DATA_DIRECTORY}/{name}",
        socket_path=f"/run/{name}/bird.ctl",
    )
    unit = f"{name}.service"
    return Choice(
        make=lambda: bird.BirdSpeaker(settings, SystemdUnit(unit)),
        program=BIRD,
        config_path=settings.config_path,
        check=bird.file_check(BIRD),
    )


def run(amphora_id: str, direct: DirectSettings) -> None:
    """Make the parts and run until a signal comes."""
    paths = FrontendPaths()
    watchdog = Watchdog()
    frontend = FrontendSetup(paths)
    loader = Loader(RescuePaths(namespace=paths.namespace))
    rescue = RescueSetup(Rescuer(loader, amphora_id))
    speaker = ChosenSpeaker(choices())
    teller = Teller(TOLD_PATH, amphora_id, direct.certificate_path)
    machine = MachineWatch(MachinePaths(namespace_path=paths.namespace_path))
    engine = Engine(
        amphora_id,
        EngineParts(
            store=Store(STATE_PATH, FIRST_STATE_PATH),
            speaker=speaker,
            check_speakers=speaker.check,
            frontend=frontend,
            rescue=rescue,
            prober=Prober(ProbePaths(namespace_path=paths.namespace_path)),
            lvs=LvsWatch(LvsPaths(namespace_path=paths.namespace_path)),
            machine=machine,
            namespace_path=paths.namespace_path,
            beat=watchdog.beat,
            tell_metrics=teller.tell,
        ),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.close())
    engine.restore()
    teller.begin()
    ControlServer(CONTROL_PATH, engine).start()
    _serve_directly(direct, engine)
    machine.start()
    watchdog.ready()
    engine.run()
    speaker.close()
    frontend.close()
    rescue.close()
    machine.close()


def _serve_directly(settings: DirectSettings, engine: Engine) -> None:
    """Open speakerd's own port; without it, speakerd goes on."""
    try:
        DirectServer(settings, engine).start()
    except OSError as e:
        LOG.error(
            "TCP port %s of %s cannot be served: %s. The controller cannot "
            "withdraw this amphora if its agent hangs.",
            settings.port,
            settings.address,
            e,
        )
