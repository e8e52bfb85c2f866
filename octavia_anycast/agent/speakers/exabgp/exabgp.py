# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The ExaBGP driver.

It talks to ExaBGP's API process (:mod:`.relay`) over a unix socket. After
each (re)connection it asks what ExaBGP has and sends the difference: ExaBGP
outlives the agent and keeps announcing, and a route that is announced again
unchanged is not sent again. What is known is audited each ``audit_seconds``,
which is also the sign of life. At rest a shorter question is that sign, and
the audit comes each ``rest_audit_seconds``: it costs ExaBGP and its relay,
both Python, more than all else that they do then.

Layer: agent.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from octavia_anycast.agent.speakers.base import Path, Service, Wish
from octavia_anycast.agent.speakers.choice import ROUTER_ID, FileCheck
from octavia_anycast.agent.speakers.driver import (
    Configuration,
    DaemonDriver,
    DaemonSettings,
    Link,
)
from octavia_anycast.agent.speakers.exabgp import exabgp_syntax as syntax
from octavia_anycast.model.bgp import IPAddress, Peer, Speaker

LOG = logging.getLogger(__name__)

_LISTINGS = (
    "show neighbor configuration",
    "show neighbor json",
    "show adj-rib out",
)
_SIGN_OF_LIFE = "version"
# ExaBGP answers to a reload before it has done it.
_RELOADING_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ExabgpSettings(DaemonSettings):
    """``relay_program``: what ExaBGP runs as its API process."""

    main_file: str = syntax.MAIN_FILE
    group: str | None = "exabgp"
    relay_program: str = "/usr/local/bin/octavia-anycast-exabgp-relay"
    audit_seconds: float = 1.0
    rest_audit_seconds: float = 5.0
    reload_seconds: float = 0.2
    # ExaBGP drops a reload while a path waits for a session that is down.
    reload_limit_seconds: float = 5.0


def file_check(*argv: str) -> FileCheck:
    """ExaBGP's own check: ``exabgp validate``."""
    return FileCheck(argv=(*argv, "validate"), render=_render_for_check)


def _render_for_check(speakers: tuple[Speaker, ...], directory: str) -> str:
    # Any program that is there: it is not run.
    made = syntax.render(ROUTER_ID, speakers, "/bin/true")
    return made.files[syntax.MAIN_FILE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What ExaBGP answered to one command."""

    is_done: bool
    lines: list[str]


class ExabgpLink(Link):
    """ExaBGP's API process: commands, answers, events.

    Answers come in the order of the commands. An answer is any number of
    lines and then ``done`` or ``error``; a line of JSON in between is an
    event.
    """

    def __init__(
        self,
        path: str,
        timeout_seconds: float,
        take_event: Callable[[str], None],
    ) -> None:
        self._take_event = take_event
        super().__init__(path, timeout_seconds)

    def ask(self, *commands: str) -> list[Answer]:
        """Give the commands all at once, and wait for their answers."""
        self._send(*commands)
        return [self._read_answer() for _ in commands]

    def read_events(self) -> None:
        """Take the events that have arrived."""
        while self._receive(0):
            pass
        while self._lines:
            self._is_event(self._lines.popleft())

    def _read_answer(self) -> Answer:
        lines: list[str] = []
        deadline = self._deadline()
        while True:
            line = self._next_line(deadline)
            if self._is_event(line):
                continue
            if (word := line.strip()) in ("done", "error"):
                return Answer(is_done=word == "done", lines=lines)
            lines.append(line)
            deadline = self._deadline()

    def _is_event(self, line: str) -> bool:
        if not line.startswith("{"):
            return False
        self._take_event(line)
        return True


class ExabgpSpeaker(DaemonDriver[ExabgpSettings, ExabgpLink]):
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`.

    ``adds_paths`` changes nothing: a VIP has one next hop here, see
    :func:`~octavia_anycast.agent.paths.check_next_hops`.
    """

    def __init__(self, settings: ExabgpSettings, service: Service) -> None:
        # The files that ExaBGP has loaded.
        self._generations: frozenset[str] = frozenset()
        # What ExaBGP has: the command that made it, None if not known.
        self._rib: dict[syntax.RibKey, str | None] | None = None
        # To be loaded after what is wanted now: see _take.
        self._next: Configuration | None = None
        self._audited_at = 0.0
        self._answered_at = 0.0
        self._reloaded_at = 0.0
        self._outdated_since: float | None = None
        super().__init__("ExaBGP", settings, service)

    def _pause(self) -> float:
        settings = self._settings
        due_at = min(
            self._audited_at + self._audit_period(),
            self._answered_at + settings.audit_seconds,
        )
        left = max(due_at - time.monotonic(), _RELOADING_SECONDS)
        if self._is_at_rest():
            return left  # what ExaBGP says ends the pause
        return min(left, settings.poll_seconds)

    def _audit_period(self) -> float:
        settings = self._settings
        if self._is_at_rest():
            return settings.rest_audit_seconds
        return settings.audit_seconds

    def _take(self, wish: Wish) -> None:
        before, speakers = self._wish, wish.speakers
        if (before.router_id, before.speakers) == (wish.router_id, speakers):
            return
        self._outdated_since = self._next = self._loaded = None
        wanted = self._render(wish.router_id, speakers)
        unchanged = syntax.without_changed(before, wish)
        if unchanged == speakers or self._link is None:
            self._put(wanted)
        elif any(speaker.peers for speaker in unchanged):
            # ExaBGP goes on with what it has begun for a neighbour, such as
            # to connect with a wrong password for two minutes. So a changed
            # one is removed first and then added.
            self._put(self._render(wish.router_id, unchanged))
            self._next = wanted
        else:
            self._put(wanted)
            self._restart()

    def _render(
        self, router_id: str, speakers: tuple[Speaker, ...]
    ) -> Configuration:
        settings = self._settings
        command = f"{settings.relay_program} {settings.socket_path}"
        return syntax.render(router_id, speakers, command)

    def _put(self, wanted: Configuration) -> None:
        self._wanted = wanted
        self._write()

    def _connect(self) -> ExabgpLink:
        settings = self._settings
        link = ExabgpLink(
            settings.socket_path, settings.hang_seconds, self._take_event
        )
        self._rib, self._outdated_since, self._audited_at = None, None, 0.0
        return link

    def _take_event(self, line: str) -> None:
        event = syntax.event_from(line, self._sessions, _utcnow())
        if event is None:
            return
        peer_ip, session = event
        self._take_sessions({**self._sessions, peer_ip: session})
        if session.is_established:
            self._audited_at = 0.0  # which families, please

    def _look(self, link: ExabgpLink) -> None:
        link.read_events()
        now = time.monotonic()
        if now - self._audited_at > self._audit_period():
            self._audit(link)
        elif now - self._answered_at > self._settings.audit_seconds:
            self._answered_at = now
            link.ask(_SIGN_OF_LIFE)
        if self._wish.paths is not None and self._rib is not None:
            self._send_differences(link, self._wish.paths, self._rib)
        self._reload(link)

    def _audit(self, link: ExabgpLink) -> None:
        self._audited_at = self._answered_at = time.monotonic()
        files, sessions, paths = link.ask(*_LISTINGS)
        if files.is_done:
            self._generations = syntax.generations_from(files.lines)
        if sessions.is_done:
            found = syntax.sessions_from(sessions.lines, _utcnow())
            self._take_sessions(syntax.with_known(found, self._sessions))
        if not paths.is_done:
            return
        known = self._rib or {}
        self._rib = {
            key: known.get(key) for key in syntax.paths_from(paths.lines)
        }
        wanted = self._next or self._wanted
        if wanted and self._generations == {wanted.generation}:
            self._loaded = self._wish

    def _send_differences(
        self,
        link: ExabgpLink,
        paths: frozenset[Path],
        rib: dict[syntax.RibKey, str | None],
    ) -> None:
        wanted = syntax.announcements(self._wish.speakers, paths)
        commands = {
            key: syntax.withdrawal(*key) for key in rib if key not in wanted
        }
        for key in commands:
            LOG.info("Withdraw %s from %s", key[1], key[0])
        for key, command in wanted.items():
            # To a session that is down nothing is sent: a path that waits
            # in ExaBGP would make it lose a reload.
            if rib.get(key) != command and self._is_established(key[0]):
                commands[key] = command
                if key not in rib:
                    LOG.info("Announce %s to %s", key[1], key[0])
        answers = link.ask(*commands.values())
        for (key, command), answer in zip(
            commands.items(), answers, strict=True
        ):
            rib.pop(key, None)
            if not answer.is_done:
                LOG.warning("ExaBGP refused: %s", command)
                self._audited_at = 0.0
            elif key in wanted:
                rib[key] = command

    def _reload(self, link: ExabgpLink) -> None:
        assert self._wanted is not None
        now, settings = time.monotonic(), self._settings
        if self._generations == {self._wanted.generation}:
            self._outdated_since = None
            if self._next is None:
                return
            self._put(self._next)
            self._next = None
            self._reloaded_at = 0.0
        if self._outdated_since is None:
            self._outdated_since = now
        elif now - self._outdated_since > settings.reload_limit_seconds:
            LOG.warning(
                "ExaBGP did not load its files; it is killed and starts again"
            )
            self._restart()
            return
        if now - self._reloaded_at < settings.reload_seconds:
            return
        self._reloaded_at = now
        LOG.info("ExaBGP reloads its configuration")
        link.ask("reload")
        self._audited_at = now - settings.audit_seconds + _RELOADING_SECONDS

    def _session_key(self, peer: Peer) -> IPAddress:
        return peer.peer_ip

    def _is_established(self, peer_ip: IPAddress) -> bool:
        session = self._sessions.get(peer_ip)
        return session is not None and session.is_established

    def _sent(self) -> object:
        return dict(self._rib or {})

    def _paths_out(self) -> frozenset[Path]:
        rib, found = self._rib or {}, set()
        peers = syntax.by_peer_id(self._wish.speakers)
        for path in self._wish.paths or ():
            if path.peer_id not in peers:
                continue
            speaker, peer = peers[path.peer_id]
            session = self._session(peer)
            if (
                session.is_established
                and path.vip_ip.version in session.exported
                and rib.get((peer.peer_ip, path.prefix))
                == syntax.announcement(path, speaker, peer)
            ):
                found.add(path)
        return frozenset(found)


def _utcnow() -> datetime:
    return datetime.now(UTC)
