# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One bench for each speaker driver: the fake, ExaBGP and BIRD.

The peers of the latter two are real: BIRD.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path as FilePath

import pytest

from octavia_anycast.agent.speakers.bird.bird import BirdSettings, BirdSpeaker
from octavia_anycast.agent.speakers.exabgp.exabgp import (
    ExabgpSettings,
    ExabgpSpeaker,
)
from octavia_anycast.testing.fakes.fake_speaker import (
    FakePeer,
    FakeSpeaker,
    InParts,
    Route,
)
from octavia_anycast.tests.contract import bird_peer

RELAY = "-m octavia_anycast.agent.speakers.exabgp.relay"
EXABGP = [sys.executable, "-m", "exabgp"]
EXABGP_ENVIRONMENT = {
    "exabgp_daemon_drop": "false",
    "exabgp_daemon_user": "root",
    "exabgp_tcp_bind": "",
    "exabgp_api_cli": "false",
    "exabgp_log_statistics": "false",
    "exabgp_reactor_speed": "5",
    "PYTHONUNBUFFERED": "1",
}


def missing() -> str | None:
    """Why the real daemons cannot run here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("bird") is None:
        return "bird is not installed"
    return None


class FakeBench:
    """Speaker and peers without any daemon."""

    kind = "fake"

    def __init__(self) -> None:
        self.peers = {
            name: FakePeer(local_as=asn, remote_as=bird_peer.SPEAKER_AS)
            for name, (_, asn) in bird_peer.ADDRESSES.items()
        }
        self.speaker = self.make_speaker()

    def make_speaker(self) -> InParts:
        """A driver anew, on the same daemon."""
        by_address = {
            ip_address(bird_peer.ADDRESSES[name][0]): peer
            for name, peer in self.peers.items()
        }
        self.fake = FakeSpeaker(by_address)
        return InParts(self.fake)

    def replace_driver(self) -> None:
        """As a restart of the agent."""
        self.speaker.close()
        self.speaker = self.make_speaker()

    def expect(self, name: str, *, password: str | None) -> None:
        """Have the peer ask for a password."""
        self.peers[name].password = password

    def take_paths(self, *names: str) -> None:
        """Have these peers take several paths of a prefix."""
        for name in names:
            self.peers[name].takes_paths = True

    def next_hops(self, name: str, prefix: str) -> dict[str, Route]:
        """The paths of one prefix that a peer holds, by next hop."""
        self.speaker.settle()
        found = self.peers[name].paths.get(prefix, [])
        return {str(route.nexthop_ip): route for route in found}

    def stop_peers(self) -> None:
        """No peer answers."""
        for peer in self.peers.values():
            peer.is_up = False

    def start_peers(self) -> None:
        """The peers answer again."""
        for peer in self.peers.values():
            peer.is_up = True

    def rib(self, name: str) -> dict[str, Route]:
        """What one peer holds."""
        self.speaker.settle()
        return self.peers[name].rib

    def kill_daemon(self) -> None:
        """The daemon dies; something starts it again."""
        self.fake.is_up = False
        self.fake.settle()
        self.fake.is_up = True

    hang_daemon = kill_daemon
    spoil_daemon = kill_daemon

    def close(self) -> None:
        """Nothing is left."""


class NamespaceService:
    """Runs a daemon in a namespace, as its unit does: it always comes back."""

    def __init__(
        self,
        namespace: str,
        argv: list[str],
        log: FilePath,
        environment: dict[str, str],
    ) -> None:
        self._argv = ["ip", "netns", "exec", namespace, *argv]
        self._environment = {**os.environ, **environment}
        self._log = log.open("ab")
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it."""
        if not self._is_wanted:
            self._is_wanted = True
            self._thread = threading.Thread(target=self._keep, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._is_wanted = False
        while self._thread is not None and self._thread.is_alive():
            self.kill()
            self._thread.join(0.1)

    def kill(self) -> None:
        """End it the hard way."""
        process = self.process
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()

    def _keep(self) -> None:
        while self._is_wanted:
            self.process = subprocess.Popen(
                self._argv,
                env=self._environment,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
            self.process.wait()
            time.sleep(0.2)


class DaemonBench:
    """A daemon under its driver in one namespace, BIRD in another."""

    kind = ""

    def __init__(self, directory: FilePath) -> None:
        bird_peer.remove_leftovers()
        self.directory = directory
        names = [
            f"{bird_peer.PREFIX}{os.getpid()}-{role}"
            for role in ("amp", "peer")
        ]
        self.amphora, self.neighbour = names
        bird_peer.build(*names)
        self.bird = bird_peer.BirdPeer(self.neighbour, directory)
        self.bird.start()
        self.service = self.make_service()
        self.speaker = self.make_speaker()

    def replace_driver(self) -> None:
        """As a restart of the agent."""
        self.speaker.close()
        self.speaker = self.make_speaker()

    def expect(self, name: str, *, password: str | None) -> None:
        """Have the peer ask for a password."""
        self.bird.neighbours[name].password = password
        self.stop_peers()
        self.start_peers()

    def take_paths(self, *names: str) -> None:
        """Have these peers take several paths of a prefix."""
        for name in names:
            self.bird.neighbours[name].takes_paths = True
        self.stop_peers()
        self.start_peers()

    def next_hops(self, name: str, prefix: str) -> dict[str, Route]:
        """The paths of one prefix that a peer holds, by next hop."""
        found = self.bird.paths(name, prefix)
        return {hop: route for hop, (_, route) in found.items()}

    def stop_peers(self) -> None:
        """No peer answers."""
        self.bird.kill()

    def start_peers(self) -> None:
        """The peers answer again."""
        self.bird.start()

    def rib(self, name: str) -> dict[str, Route]:
        """What one peer holds."""
        return self.bird.rib(name)

    def kill_daemon(self) -> None:
        """The daemon dies; its service starts it again."""
        self.service.kill()

    def hang_daemon(self) -> None:
        """The daemon stops to answer."""
        assert self.service.process is not None
        os.kill(self.service.process.pid, signal.SIGSTOP)

    def spoil_daemon(self) -> None:
        """It dies, and cannot read its file when it starts again."""
        self.config.write_text("neighbor { nonsense")
        self.service.kill()

    def close(self) -> None:
        """Nothing is left."""
        self.speaker.close()
        self.service.stop()
        self.bird.kill()
        for name in (self.amphora, self.neighbour):
            bird_peer.remove_namespace(name)


class ExabgpBench(DaemonBench):
    """ExaBGP."""

    kind = "exabgp"

    @property
    def config(self) -> FilePath:
        """The daemon's file."""
        return self.directory / "exabgp.conf"

    @property
    def validation(self) -> list[str]:
        """A command of the daemon's that fails if the file is wrong."""
        return [*EXABGP, "validate", str(self.config)]

    def make_service(self) -> NamespaceService:
        """The daemon."""
        return NamespaceService(
            self.amphora,
            [*EXABGP, "server", str(self.config)],
            self.directory / "exabgp.log",
            EXABGP_ENVIRONMENT,
        )

    def make_speaker(self) -> InParts:
        """The driver."""
        settings = ExabgpSettings(
            directory=str(self.directory),
            group=None,
            socket_path=str(self.directory / "relay.sock"),
            relay_program=f"{sys.executable} {RELAY}",
            hang_seconds=3.0,
        )
        return InParts(ExabgpSpeaker(settings, self.service))


class BirdBench(DaemonBench):
    """BIRD."""

    kind = "bird"

    @property
    def home(self) -> FilePath:
        """Where the daemon's files are."""
        return self.directory / "speaker"

    @property
    def config(self) -> FilePath:
        """The daemon's file."""
        return self.home / "bird.conf"

    @property
    def validation(self) -> list[str]:
        """A command of the daemon's that fails if the file is wrong."""
        return ["bird", "-p", "-c", str(self.config)]

    def make_service(self) -> NamespaceService:
        """The daemon."""
        argv = ["bird", "-f", "-c", str(self.config)]
        argv += ["-s", str(self.directory / "speaker.ctl")]
        argv += ["-P", str(self.directory / "speaker.pid")]
        log = self.directory / "speaker.log"
        return NamespaceService(self.amphora, argv, log, {})

    def make_speaker(self) -> InParts:
        """The driver."""
        settings = BirdSettings(
            directory=str(self.home),
            group=None,
            socket_path=str(self.directory / "speaker.ctl"),
            hang_seconds=3.0,
        )
        return InParts(BirdSpeaker(settings, self.service))


BENCHES = {bench.kind: bench for bench in (ExabgpBench, BirdBench)}


@pytest.fixture(params=["fake", *BENCHES])
def bench(request, tmp_path):
    """A driver and its peers p1, p2 (IPv4) and p3 (IPv6)."""
    yield from _bench(request.param, tmp_path)


@pytest.fixture(params=["fake", "bird"])
def several_bench(request, tmp_path):
    """Drivers that announce several next hops of one VIP."""
    yield from _bench(request.param, tmp_path)


@pytest.fixture
def bird_bench(tmp_path):
    """BIRD only, for what no other driver has."""
    yield from _bench("bird", tmp_path)


def _bench(kind, directory):
    if kind == "fake":
        made = FakeBench()
    elif reason := missing():
        if os.environ.get("CI") or os.environ.get("OA_LAB_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    else:
        made = BENCHES[kind](directory)
    yield made
    made.close()


@pytest.fixture
def daemon_bench(tmp_path):
    """Make the bench of a kind: ``daemon_bench("bird")``."""
    made = []

    def make(kind):
        made.append(_bench(kind, tmp_path))
        return next(made[-1])

    yield make
    for one in made:
        next(one, None)
