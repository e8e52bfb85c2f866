# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The BIRD driver: keeps BIRD as it is wanted, in a thread of its own.

Everything is in BIRD's files, paths too, so that a BIRD that dies comes back
with them without anybody's help. A change is written and loaded with
``configure``, which leaves alone what did not change: sessions stay up, and
only paths that differ are sent.

Level-triggered: each ``poll_seconds`` BIRD is asked which files it has loaded
(by a digest that they hold) and what its sessions are. A BIRD that does not
answer for ``hang_seconds`` is killed and comes back.

Layer: agent.
"""

import logging
import os
import threading
import time
from dataclasses import dataclass

from octavia_anycast.agent import atomic_file
from octavia_anycast.agent.speakers.base import Path, Service, SpeakerStatus
from octavia_anycast.agent.speakers.bird import bird_syntax as syntax
from octavia_anycast.agent.speakers.bird.bird_link import (
    BirdLink,
    LinkLost,
    NoAnswer,
)
from octavia_anycast.agent.speakers.bird.bird_slots import Slots, assign
from octavia_anycast.model.bgp import IPAddress, Peer, Speaker
from octavia_anycast.model.wire import SessionReport

LOG = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR_SECONDS = 0.2
# A distributor has thousands.
_LOGGED_ONE_BY_ONE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BirdSettings:
    """Where BIRD's files are, and the driver's patience (seconds)."""

    directory: str = "/var/lib/octavia-anycast/bird"
    group: str | None = "bird"
    socket_path: str = "/run/bird/bird.ctl"
    poll_seconds: float = 0.2
    hang_seconds: float = 5.0
    connect_seconds: float = 0.05
    start_seconds: float = 2.0
    # For how long a configuration that BIRD refused is not tried again.
    retry_seconds: float = 1.0

    @property
    def config_path(self) -> str:
        """The file that BIRD is started with."""
        return os.path.join(self.directory, syntax.MAIN_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the agent asked for; ``paths`` None: nothing was said yet."""

    router_id: str
    speakers: tuple[Speaker, ...]
    adds_paths: bool
    paths: frozenset[Path] | None

    def peers(self) -> tuple[Peer, ...]:
        return tuple(p for speaker in self.speakers for p in speaker.peers)


class BirdSpeaker:
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`."""

    def __init__(self, settings: BirdSettings, service: Service) -> None:
        self._settings = settings
        self._service = service
        self._lock = threading.Lock()
        self._configured: tuple[str, tuple[Speaker, ...], bool] | None = None
        self._paths: frozenset[Path] | None = None
        self._status = SpeakerStatus()
        self._woken = threading.Event()
        self._is_closing = False
        # From here on: the thread's own.
        self._link: BirdLink | None = None
        self._wish: _Wish | None = None
        self._wanted: syntax.Configuration | None = None
        self._slots: Slots = {}  # of the wish's paths
        # The last wish that BIRD is known to have loaded.
        self._loaded: _Wish | None = None
        self._sessions: dict[str, syntax.Session] = {}
        # What the status was made of.
        self._published: object = None
        self._refused_at: float | None = None
        self._started_at: float | None = None
        self._thread = threading.Thread(
            target=self._run, name="bird", daemon=True
        )
        self._thread.start()

    # -- the interface ---------------------------------------------------

    def configure(
        self,
        router_id: str,
        speakers: tuple[Speaker, ...],
        *,
        adds_paths: bool = False,
    ) -> None:
        """Have exactly these peers; sessions of unchanged peers stay up."""
        with self._lock:
            if self._configured == (router_id, speakers, adds_paths):
                return
            self._configured = (router_id, speakers, adds_paths)
        self._woken.set()

    def set_paths(self, paths: frozenset[Path]) -> None:
        """Announce exactly these paths."""
        with self._lock:
            if self._paths is paths or self._paths == paths:
                return
            self._paths = paths
        self._woken.set()

    def status(self) -> SpeakerStatus:
        """Tell what is, from memory."""
        with self._lock:
            return self._status

    def close(self) -> None:
        """Let go of BIRD, which goes on announcing (fail-static)."""
        self._is_closing = True
        self._woken.set()
        self._thread.join(timeout=5)

    # -- the thread ------------------------------------------------------

    def _run(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except Exception:
                # The loop of a daemon: whatever it was, start over.
                LOG.exception("The BIRD driver starts over")
                self._disconnect()
                time.sleep(_PAUSE_AFTER_ERROR_SECONDS)
            settings = self._settings
            self._woken.wait(
                settings.poll_seconds
                if self._link is not None
                else settings.connect_seconds
            )
            self._woken.clear()
        self._disconnect()

    def _turn(self) -> None:
        with self._lock:
            if self._configured is None:
                return
            router_id, speakers, adds_paths = self._configured
            wish = _Wish(
                router_id=router_id,
                speakers=speakers,
                adds_paths=adds_paths,
                paths=self._paths,
            )
        if not wish.peers():
            self._rest(wish)
            return
        if wish != self._wish:
            self._take(wish)
        try:
            self._look()
        except NoAnswer:
            LOG.error("BIRD does not answer; it is killed")
            self._service.kill()
            self._disconnect()
        except LinkLost as e:
            if self._link is not None:
                LOG.info("The connection to BIRD is gone: %s", e)
            self._disconnect()
            self._keep_started()
        self._publish()

    def _rest(self, wish: _Wish) -> None:
        """Nobody to talk to: no BIRD either."""
        if self._wish == wish:
            return
        self._disconnect()
        self._service.stop()
        for name in self._stored_names():
            os.unlink(os.path.join(self._settings.directory, name))
        self._wish = self._loaded = wish
        self._wanted = self._started_at = None
        self._publish()

    def _take(self, wish: _Wish) -> None:
        """Render and write what is wanted now."""
        before = self._wish.paths if self._wish else None
        routes = self._stored()
        routes.pop(syntax.MAIN_FILE, None)
        if wish.paths is not None:  # else what is announced is left alone
            stored = routes
            targets = syntax.channels(wish.speakers, wish.paths)
            self._slots = assign(targets, stored)
            routes = syntax.render_routes(
                targets, self._slots, adds_paths=wish.adds_paths
            )
            if routes != stored:
                _log_changes(wish, before)
        self._wanted = syntax.render(
            wish.router_id,
            wish.speakers,
            routes,
            self._settings.directory,
            adds_paths=wish.adds_paths,
        )
        self._write()
        self._wish, self._refused_at = wish, None

    def _write(self) -> None:
        """Make the files as they are wanted; the main one last.

        It holds the digest, which is true only once all others are there.
        """
        if self._wanted is None:
            return
        settings, wanted = self._settings, self._wanted.files
        stored = self._stored()
        for name, text in sorted(
            wanted.items(), key=lambda item: item[0] == syntax.MAIN_FILE
        ):
            if stored.get(name) != text:
                atomic_file.write(
                    os.path.join(settings.directory, name),
                    text,
                    mode=0o640,
                    group=settings.group,
                )
        for name in stored.keys() - wanted.keys():
            os.unlink(os.path.join(settings.directory, name))

    def _stored_names(self) -> list[str]:
        try:
            names = os.listdir(self._settings.directory)
        except FileNotFoundError:
            return []
        return [
            name
            for name in names
            if name == syntax.MAIN_FILE or syntax.is_route_file(name)
        ]

    def _stored(self) -> syntax.Files:
        """The files on the disk."""
        files = {}
        for name in self._stored_names():
            path = os.path.join(self._settings.directory, name)
            with open(path, encoding="utf-8", errors="replace") as stream:
                files[name] = stream.read()
        return files

    def _look(self) -> None:
        """Ask BIRD what it has, and have it load what it should have."""
        assert self._wanted is not None
        if self._link is None:
            settings = self._settings
            self._link = BirdLink(settings.socket_path, settings.hang_seconds)
        link, wanted = self._link, self._wanted.generation
        is_loaded = wanted == _generation(link)
        if not is_loaded and self._may_load():
            LOG.info("BIRD loads its configuration")
            reply = link.ask(syntax.LOAD)
            if reply.is_error:
                LOG.error("BIRD refuses its files: %s", reply.lines[-1][1])
                self._refused_at = time.monotonic()
                self._write()
            is_loaded = wanted == _generation(link)
        sessions = syntax.sessions_from(link.ask(syntax.ASK_SESSIONS))
        self._loaded = self._wish if is_loaded else None
        self._log_sessions(sessions)
        self._sessions = sessions

    def _may_load(self) -> bool:
        if self._refused_at is None:
            return True
        waited = time.monotonic() - self._refused_at
        return waited >= self._settings.retry_seconds

    def _keep_started(self) -> None:
        """Start BIRD, and again if it does not come up."""
        now = time.monotonic()
        if (
            self._started_at is not None
            and now - self._started_at < self._settings.start_seconds
        ):
            return
        self._started_at = now
        # A file that somebody spoiled may be what keeps it down.
        self._write()
        self._service.start()

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            # It is on its way back, by its service.
            self._started_at = time.monotonic()
        self._link = None
        self._loaded = None
        self._sessions = {}

    def _log_sessions(self, sessions: dict[str, syntax.Session]) -> None:
        assert self._wish is not None
        for peer in self._wish.peers():
            name = syntax.protocol_name(peer.id)
            before = self._sessions.get(name, syntax.Session())
            after = sessions.get(name, syntax.Session())
            if before.is_established != after.is_established:
                LOG.info(
                    "The session with %s is %s", peer.peer_ip, after.state
                )

    # -- what it tells ---------------------------------------------------

    def _publish(self) -> None:
        wish, loaded = self._wish, self._loaded
        assert wish is not None
        is_running = self._link is not None
        seen = (wish, loaded, self._sessions, is_running)
        if seen == self._published:
            return
        self._published = seen
        status = SpeakerStatus(
            is_running=is_running,
            speakers=loaded.speakers if loaded else None,
            sessions=tuple(self._session_report(p) for p in wish.peers()),
            paths=self._paths_out(loaded),
        )
        with self._lock:
            self._status = status

    def _session_report(self, peer: Peer) -> SessionReport:
        name = syntax.protocol_name(peer.id)
        session = self._sessions.get(name, syntax.Session())
        return SessionReport(
            peer_id=peer.id,
            peer_ip=peer.peer_ip,
            state=session.state,
            since=session.since,
            error=session.error,
        )

    def _paths_out(self, loaded: _Wish | None) -> frozenset[Path]:
        """The paths that BIRD has sent, as its own counts bear out."""
        if loaded is None or not loaded.paths:
            return frozenset()
        by_channel: dict[tuple[str, int], set[Path]] = {}
        for path in loaded.paths:
            key = (path.peer_id, path.vip_ip.version)
            by_channel.setdefault(key, set()).add(path)
        found: set[Path] = set()
        for (peer_id, version), paths in by_channel.items():
            session = self._sessions.get(syntax.protocol_name(peer_id))
            if session is None or not session.is_established:
                continue
            count = session.exported.get(version)
            if count == len(paths):
                found |= paths
            elif count == len({path.vip_ip for path in paths}):
                # The peer takes one path of a VIP.
                found |= self._best(paths)
        return frozenset(found)

    def _best(self, paths: set[Path]) -> set[Path]:
        """The path of each VIP that BIRD prefers, see bird_syntax."""
        best: dict[IPAddress, Path] = {}
        for path in sorted(
            paths,
            key=lambda p: (p.is_draining, self._slots.get(p, 0)),
            reverse=True,
        ):
            best[path.vip_ip] = path
        return set(best.values())


def _generation(link: BirdLink) -> str:
    return syntax.generation_from(link.ask(syntax.ASK_GENERATION))


def _log_changes(wish: _Wish, before: frozenset[Path] | None) -> None:
    addresses = {peer.id: peer.peer_ip for peer in wish.peers()}
    come, gone = syntax.changes(before or (), wish.paths or ())
    for verb, found in (("Announce", come), ("Withdraw", gone)):
        if len(found) > _LOGGED_ONE_BY_ONE:
            LOG.info("%s %d paths", verb, len(found))
            continue
        for prefix, next_hop, peer_id in syntax.named(found):
            if peer_id in addresses:
                address = addresses[peer_id]
                LOG.info(
                    "%s %s via %s, peer %s", verb, prefix, next_hop, address
                )
