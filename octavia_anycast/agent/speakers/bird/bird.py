# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The BIRD driver.

Everything is in BIRD's files, paths too, so that a BIRD that dies comes back
with them without anybody's help. A change is written and loaded with
``configure``, which leaves alone what did not change: sessions stay up, and
only paths that differ are sent. Each ``poll_seconds`` BIRD is asked which
files it has loaded (by the generation) and what its sessions are.

Layer: agent.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from octavia_anycast.agent.speakers.base import Path, Service, Wish
from octavia_anycast.agent.speakers.bird import bird_syntax as syntax
from octavia_anycast.agent.speakers.choice import ROUTER_ID, FileCheck
from octavia_anycast.agent.speakers.driver import (
    DaemonDriver,
    DaemonSettings,
    Link,
    LinkLost,
    Session,
)
from octavia_anycast.model.bgp import IPAddress, Peer, Speaker

LOG = logging.getLogger(__name__)

# A distributor has thousands.
_LOGGED_ONE_BY_ONE = 100
_CODE_LENGTH = 4
_BFD_SECONDS = 1.0
_NO_BFD = "Down"  # there is no session with this neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class BirdSettings(DaemonSettings):
    """``retry_seconds``: when refused files are loaded again."""

    main_file: str = syntax.MAIN_FILE
    group: str | None = "bird"
    retry_seconds: float = 1.0


def file_check(program: str) -> FileCheck:
    """BIRD's own check: ``bird -p``."""
    return FileCheck(argv=(program, "-p", "-c"), render=_render_for_check)


def _render_for_check(speakers: tuple[Speaker, ...], directory: str) -> str:
    made = syntax.render(ROUTER_ID, speakers, {}, directory)
    return made.files[syntax.MAIN_FILE]


class BirdLink(Link):
    """BIRD's control socket, as birdc has it.

    A command is a line. The answer's lines begin with a code of four digits
    and ``-`` (more follow) or a space (the last one); a line that begins with
    a space goes on with the code before it.
    """

    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__(path, timeout_seconds)
        try:
            self._read_reply()  # its greeting
        except LinkLost:
            self.close()
            raise

    def ask(self, command: str) -> syntax.Reply:
        """Give a command and wait for the answer."""
        self._send(command)
        return self._read_reply()

    def _read_reply(self) -> syntax.Reply:
        deadline = self._deadline()
        entries: list[tuple[int, list[str]]] = []
        while True:
            line = self._next_line(deadline)
            if line.startswith("+"):  # a message to all, not an answer
                continue
            if line.startswith(" "):
                if entries:
                    entries[-1][1].append(line[1:])
                continue
            try:
                code = int(line[:_CODE_LENGTH])
            except ValueError as e:
                raise LinkLost(f"it is no answer: {line[:80]!r}") from e
            entries.append((code, [line[_CODE_LENGTH + 1 :]]))
            if line[_CODE_LENGTH : _CODE_LENGTH + 1] != "-":
                return syntax.Reply(
                    lines=tuple((code, "\n".join(t)) for code, t in entries)
                )


class BirdSpeaker(DaemonDriver[BirdSettings, BirdLink]):
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`."""

    def __init__(self, settings: BirdSettings, service: Service) -> None:
        self._slots: syntax.Slots = {}  # of the wish's paths
        self._refused_at: float | None = None
        self._bfd: dict[IPAddress, str] = {}
        self._bfd_asked_at = 0.0
        super().__init__("BIRD", settings, service)

    def _take(self, wish: Wish) -> None:
        routes = self._stored()
        routes.pop(syntax.MAIN_FILE, None)
        if wish.paths is not None:  # else what is announced is left alone
            stored = routes
            targets = syntax.channels(wish.speakers, wish.paths)
            self._slots = syntax.assign(targets, stored)
            routes = syntax.render_routes(
                targets, self._slots, adds_paths=wish.adds_paths
            )
            if routes != stored:
                _log_changes(wish, self._wish.paths or frozenset())
        self._wanted = syntax.render(
            wish.router_id,
            wish.speakers,
            routes,
            self._settings.directory,
            adds_paths=wish.adds_paths,
        )
        self._write()
        self._refused_at = None

    def _is_path_file(self, name: str) -> bool:
        return syntax.file_of(name) is not None

    def _connect(self) -> BirdLink:
        settings = self._settings
        return BirdLink(settings.socket_path, settings.hang_seconds)

    def _look(self, link: BirdLink) -> None:
        assert self._wanted is not None
        wanted = self._wanted.generation
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
        self._take_sessions(sessions | self._with_bfd(link, sessions))

    def _with_bfd(
        self, link: BirdLink, sessions: Mapping[str, Session]
    ) -> dict[str, Session]:
        """The sessions with BFD beside them, asked once a second."""
        wanted = {
            self._session_key(peer): peer.peer_ip
            for peer in self._wish.peers()
            if peer.bfd is not None
        }
        if not wanted or self._loaded is None:
            return {}
        now = time.monotonic()
        if now - self._bfd_asked_at >= _BFD_SECONDS:
            self._bfd_asked_at = now
            self._bfd = syntax.bfd_states_from(link.ask(syntax.ASK_BFD))
        return {
            key: replace(sessions[key], bfd=self._bfd.get(peer_ip, _NO_BFD))
            for key, peer_ip in wanted.items()
            if key in sessions
        }

    def _may_load(self) -> bool:
        if self._refused_at is None:
            return True
        waited = time.monotonic() - self._refused_at
        return waited >= self._settings.retry_seconds

    def _session_key(self, peer: Peer) -> str:
        return syntax.protocol_name(peer.id)

    def _paths_out(self) -> frozenset[Path]:
        """The paths that BIRD has sent, checked by its own counts."""
        if self._loaded is None or not self._loaded.paths:
            return frozenset()
        by_channel: dict[tuple[str, int], set[Path]] = {}
        for path in self._loaded.paths:
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


def _log_changes(wish: Wish, before: frozenset[Path]) -> None:
    addresses = {peer.id: peer.peer_ip for peer in wish.peers()}
    wanted = wish.paths or frozenset()
    # Of thousands only the few that differ are looked at.
    gone, new = before - wanted, wanted - before
    for verb, found in (
        ("Announce", _of_others(new, gone)),
        ("Withdraw", _of_others(gone, new)),
    ):
        if len(found) > _LOGGED_ONE_BY_ONE:
            LOG.info("%s %d paths", verb, len(found))
            continue
        for path in sorted(found, key=_log_order):
            if path.peer_id in addresses:
                LOG.info(
                    "%s %s via %s, peer %s",
                    verb,
                    path.prefix,
                    path.nexthop_ip,
                    addresses[path.peer_id],
                )


def _log_order(path: Path) -> tuple[str, str, str]:
    return path.prefix, str(path.nexthop_ip), path.peer_id


def _of_others(paths: frozenset[Path], others: frozenset[Path]) -> list[Path]:
    """Those of which ``others`` has not the same with other attributes."""
    same = {(p.vip_ip, p.nexthop_ip, p.peer_id) for p in others}
    return [
        p for p in paths if (p.vip_ip, p.nexthop_ip, p.peer_id) not in same
    ]
