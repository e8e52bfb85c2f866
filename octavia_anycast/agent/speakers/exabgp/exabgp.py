# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The ExaBGP driver: keeps ExaBGP as it is wanted, in a thread of its own.

It talks to ExaBGP's API process (:mod:`.relay`) over a unix socket. After
each (re)connection it asks what ExaBGP has and sends the difference: ExaBGP
outlives the agent and keeps announcing, and a route that is announced again
unchanged is not sent again.

Level-triggered: one function, ``_reconcile``, compares what is wanted with
what is known, after every event. What is known is audited each
``audit_seconds``, which is also the sign of life: an ExaBGP that answers
nothing for ``hang_seconds`` is killed and comes back.

Layer: agent.
"""

import logging
import os
import selectors
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from octavia_anycast.agent import atomic_file
from octavia_anycast.agent.speakers.base import Path, Service, SpeakerStatus
from octavia_anycast.agent.speakers.exabgp import exabgp_syntax as syntax
from octavia_anycast.agent.speakers.exabgp import exabgp_target as target
from octavia_anycast.agent.speakers.exabgp.exabgp_link import (
    ExabgpLink,
    LinkLost,
)
from octavia_anycast.model.bgp import (
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)
from octavia_anycast.model.wire import SessionReport

LOG = logging.getLogger(__name__)

_LISTINGS = (
    "show neighbor configuration",
    "show neighbor json",
    "show adj-rib out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExabgpSettings:
    """Where ExaBGP's files are, and the driver's patience (seconds)."""

    config_path: str = "/var/lib/octavia-anycast/exabgp/exabgp.conf"
    config_group: str | None = "exabgp"
    socket_path: str = "/run/exabgp/relay.sock"
    relay_program: str = "/usr/local/bin/octavia-anycast-exabgp-relay"
    audit_seconds: float = 1.0
    hang_seconds: float = 5.0
    connect_seconds: float = 0.05
    start_seconds: float = 2.0
    reload_seconds: float = 0.2
    # ExaBGP drops a reload while a path waits for a session that is down.
    reload_limit_seconds: float = 5.0


class ExabgpSpeaker:
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`."""

    def __init__(self, settings: ExabgpSettings, service: Service) -> None:
        self._settings = settings
        self._service = service
        self._lock = threading.Lock()
        self._speakers: tuple[Speaker, ...] | None = None
        self._router_id = ""
        # None: nothing was said yet, so ExaBGP's paths are left alone.
        self._paths: frozenset[Path] | None = None
        self._status = SpeakerStatus()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK)
        self._is_closing = False
        # From here on: the thread's own.
        self._link: ExabgpLink | None = None
        self._is_synchronised = False
        self._is_listing = False
        self._loaded: frozenset[str] = frozenset()
        self._sessions: dict[IPAddress, syntax.Session] = {}
        # What ExaBGP has: the command that made it, None if not known.
        self._rib: dict[target.RibKey, str | None] = {}
        self._configuration: syntax.Configuration | None = None
        # To be loaded after the one above: see _write_configuration.
        self._next: syntax.Configuration | None = None
        self._configured: tuple[str, tuple[Speaker, ...]] | None = None
        # What the listings are about; None while another file is on its way.
        self._listed_speakers: tuple[Speaker, ...] | None = None
        self._audited_at = 0.0
        self._progressed_at = 0.0
        self._tried_at = 0.0
        self._started_at = 0.0
        self._reloaded_at = 0.0
        self._outdated_since: float | None = None
        self._thread = threading.Thread(
            target=self._run, name="exabgp", daemon=True
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
        """Have exactly these peers; sessions of unchanged peers stay up.

        ``adds_paths`` changes nothing: a VIP has one next hop here, see
        :func:`~octavia_anycast.agent.paths.check_next_hops`.
        """
        with self._lock:
            self._router_id, self._speakers = router_id, speakers
        self._wake()

    def set_paths(self, paths: frozenset[Path]) -> None:
        """Announce exactly these paths."""
        with self._lock:
            self._paths = paths
        self._wake()

    def status(self) -> SpeakerStatus:
        """Tell what is, from memory."""
        with self._lock:
            return self._status

    def close(self) -> None:
        """Let go of ExaBGP, which goes on announcing (fail-static)."""
        self._is_closing = True
        self._wake()
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    # -- the thread ------------------------------------------------------

    def _run(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except LinkLost as e:
                LOG.info("The connection to ExaBGP is gone: %s", e)
                self._disconnect()
            except Exception:
                # The loop of a daemon: whatever it was, start over.
                LOG.exception("The ExaBGP driver starts over")
                self._disconnect()
                time.sleep(0.2)
        self._disconnect()

    def _turn(self) -> None:
        self._wait()
        with self._lock:
            speakers, router_id = self._speakers, self._router_id
            paths = self._paths
        if speakers is None:
            return
        self._write_configuration(router_id, speakers)
        now = time.monotonic()
        self._keep_connected(now)
        if self._link is not None:
            self._reconcile(now, self._link, speakers, paths)
        if self._link is not None:
            self._link.flush()
        self._publish(speakers, paths or frozenset())

    def _wait(self) -> None:
        timeout = 0.2
        if self._link is None:
            timeout = self._settings.connect_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            if self._link is not None:
                events = selectors.EVENT_READ
                if self._link.has_to_send:
                    events |= selectors.EVENT_WRITE
                selector.register(self._link, events)
            ready = selector.select(timeout)
        for key, events in ready:
            if key.fd == self._wake_read:
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif self._link is not None and events & selectors.EVENT_READ:
                self._link.read()

    def _write_configuration(
        self, router_id: str, speakers: tuple[Speaker, ...]
    ) -> None:
        wanted = (router_id, speakers)
        if self._configured == wanted:
            return
        before, self._configured = self._configured, wanted
        self._outdated_since = self._next = self._listed_speakers = None
        if not any(speaker.peers for speaker in speakers):
            self._service.stop()
            with suppress(FileNotFoundError):
                os.unlink(self._settings.config_path)
            self._disconnect()
            self._configuration = None
            self._listed_speakers = speakers
            return
        configuration = self._render(router_id, speakers)
        unchanged = target.without_changed(before, router_id, speakers)
        if unchanged == speakers or self._link is None:
            self._write(configuration)
        elif any(speaker.peers for speaker in unchanged):
            # ExaBGP goes on with what it has begun for a neighbour, such as
            # to connect with a wrong password for two minutes. So a changed
            # one is removed first and then added.
            self._write(self._render(router_id, unchanged))
            self._next = configuration
        else:
            self._write(configuration)
            self._service.kill()
            self._disconnect()
        self._service.start()
        self._started_at = time.monotonic()

    def _render(
        self, router_id: str, speakers: tuple[Speaker, ...]
    ) -> syntax.Configuration:
        settings = self._settings
        command = f"{settings.relay_program} {settings.socket_path}"
        return syntax.render(router_id, speakers, command)

    def _write(self, configuration: syntax.Configuration) -> None:
        self._configuration = configuration
        atomic_file.write(
            self._settings.config_path,
            configuration.text,
            mode=0o640,
            group=self._settings.config_group,
        )

    def _keep_connected(self, now: float) -> None:
        settings = self._settings
        is_due = now - self._tried_at >= settings.connect_seconds
        if self._configuration is None or self._link is not None or not is_due:
            return
        self._tried_at = now
        try:
            self._link = ExabgpLink(settings.socket_path, self._take_event)
        except LinkLost:
            if now - self._started_at > settings.start_seconds:
                self._started_at = now
                # A file that somebody spoiled may be what keeps it down.
                self._write(self._configuration)
                self._service.start()
            return
        self._audited_at = 0.0

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._is_synchronised = False
        self._is_listing = False
        self._loaded = frozenset()
        self._sessions = {}
        self._rib = {}
        self._outdated_since = None
        self._started_at = time.monotonic()

    def _take_event(self, line: str) -> None:
        event = syntax.event_from(line, self._sessions, _utcnow())
        if event is None:
            return
        peer_ip, session = event
        before = self._sessions.get(peer_ip)
        self._sessions[peer_ip] = session
        if session.is_established:
            self._audited_at = 0.0  # which families, please
        if session.is_established or (before and before.is_established):
            LOG.info("The session with %s is %s", peer_ip, session.state)

    # -- the one decision ------------------------------------------------

    def _reconcile(
        self,
        now: float,
        link: ExabgpLink,
        speakers: tuple[Speaker, ...],
        paths: frozenset[Path] | None,
    ) -> None:
        settings = self._settings
        is_slow = now - link.progressed_at > settings.hang_seconds
        if is_slow and not link.is_idle:
            LOG.error("ExaBGP does not answer; it is killed")
            self._service.kill()
            self._disconnect()
            return
        if self._is_listing:
            return
        if link.is_idle and now - self._audited_at > settings.audit_seconds:
            self._audited_at = now
            self._ask_listings(link)
            return
        if not self._is_synchronised:
            return
        if paths is not None:
            self._send_differences(link, target.by_peer_id(speakers), paths)
        if link.is_idle:
            self._reload(now, link)

    def _ask_listings(self, link: ExabgpLink) -> None:
        # What is sent while a listing is under way would not be in it.
        self._is_listing = True
        finishers = (
            self._learn_configuration,
            self._learn_sessions,
            self._learn_rib,
        )
        for command, finish in zip(_LISTINGS, finishers, strict=True):
            link.ask(command, finish)

    def _learn_configuration(self, is_done: bool, lines: list[str]) -> None:
        if is_done:
            self._loaded = syntax.generations_from(lines)

    def _learn_sessions(self, is_done: bool, lines: list[str]) -> None:
        if is_done:
            self._sessions = syntax.with_errors(
                syntax.sessions_from(lines, _utcnow()), self._sessions
            )

    def _learn_rib(self, is_done: bool, lines: list[str]) -> None:
        self._is_listing = False
        if not is_done:
            return
        self._rib = {
            key: self._rib.get(key) for key in syntax.paths_from(lines)
        }
        self._is_synchronised = True
        wanted = self._next or self._configuration
        if self._configured and wanted and self._loaded == {wanted.generation}:
            self._listed_speakers = self._configured[1]

    def _send_differences(
        self,
        link: ExabgpLink,
        peers: dict[str, tuple[Speaker, Peer]],
        paths: frozenset[Path],
    ) -> None:
        wanted = target.commands(peers, paths)
        for key in [key for key in self._rib if key not in wanted]:
            self._withdraw(link, key)
        for key, command in wanted.items():
            session = self._sessions.get(key[0])
            # To a session that is down nothing is sent: a path that waits
            # in ExaBGP would make it lose a reload.
            if session is None or not session.is_established:
                continue
            if self._rib.get(key) != command:
                self._announce(link, key, command)

    def _withdraw(self, link: ExabgpLink, key: target.RibKey) -> None:
        peer_ip, prefix = key

        def finish(is_done: bool, lines: list[str]) -> None:
            if not is_done:
                self._audited_at = 0.0

        LOG.info("Withdraw %s from %s", prefix, peer_ip)
        del self._rib[key]
        link.ask(syntax.withdrawal(peer_ip, prefix), finish)

    def _announce(
        self, link: ExabgpLink, key: target.RibKey, command: str
    ) -> None:
        def finish(is_done: bool, lines: list[str]) -> None:
            if not is_done:
                LOG.warning("ExaBGP refused: %s", command)
                self._rib.pop(key, None)
                self._audited_at = 0.0

        if key not in self._rib:
            LOG.info("Announce %s to %s", key[1], key[0])
        self._rib[key] = command
        link.ask(command, finish)

    def _reload(self, now: float, link: ExabgpLink) -> None:
        wanted = self._configuration
        if wanted is None or self._loaded == {wanted.generation}:
            self._outdated_since = None
            if self._next is not None:
                self._write(self._next)
                self._next = None
                self._reloaded_at = 0.0
            return
        settings = self._settings
        if self._outdated_since is None:
            self._outdated_since = now
        elif now - self._outdated_since > settings.reload_limit_seconds:
            LOG.warning("ExaBGP did not reload; it is started again")
            self._service.kill()
            self._disconnect()
            return
        if now - self._reloaded_at < settings.reload_seconds:
            return
        self._reloaded_at = now
        LOG.info("ExaBGP reloads its configuration")
        link.ask("reload", self._after_reload)

    def _after_reload(self, is_done: bool, lines: list[str]) -> None:
        # The answer comes before the deed: look soon.
        self._audited_at = (
            time.monotonic() - self._settings.audit_seconds + 0.05
        )

    def _publish(
        self, speakers: tuple[Speaker, ...], paths: frozenset[Path]
    ) -> None:
        peers = target.by_peer_id(speakers)
        is_running = self._link is not None and self._is_synchronised
        status = SpeakerStatus(
            is_running=is_running,
            speakers=self._listed_speakers,
            sessions=tuple(self._session_report(p) for _, p in peers.values()),
            paths=frozenset(
                path for path in paths if self._is_out(path, peers)
            ),
        )
        with self._lock:
            self._status = status

    def _session_report(self, peer: Peer) -> SessionReport:
        session = self._sessions.get(peer.peer_ip)
        if session is None:
            session = syntax.Session(state=SessionState.UNKNOWN)
        return SessionReport(
            peer_id=peer.id,
            peer_ip=peer.peer_ip,
            state=session.state,
            since=session.since,
            error=session.error,
        )

    def _is_out(
        self, path: Path, peers: dict[str, tuple[Speaker, Peer]]
    ) -> bool:
        if path.peer_id not in peers:
            return False
        speaker, peer = peers[path.peer_id]
        session = self._sessions.get(peer.peer_ip)
        if session is None or not session.is_established:
            return False
        if path.vip_ip.version not in session.families:
            return False
        command = syntax.announcement(path, speaker, peer)
        return self._rib.get((peer.peer_ip, target.prefix_of(path))) == command


def _utcnow() -> datetime:
    return datetime.now(UTC)
