# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the drivers of all BGP daemons have in common.

A driver keeps its daemon as it is wanted, in a thread of its own. Level
triggered: each turn writes the files that are wanted, asks the daemon what it
has and has it do the rest. A daemon that does not answer is killed and comes
back, by its service.

Layer: agent.
"""

import hashlib
import logging
import os
import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Generic, TypeVar

from octavia_anycast.agent import atomic_file
from octavia_anycast.agent.loop import Loop
from octavia_anycast.agent.speakers.base import (
    Path,
    Service,
    SpeakerStatus,
    Wish,
)
from octavia_anycast.model.bgp import Peer, SessionState
from octavia_anycast.model.wire import SessionReport

LOG = logging.getLogger(__name__)

_CHUNK = 262_144
Files = dict[str, str]  # file name -> text


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """Where a daemon's files are, and its driver's patience (seconds).

    ``group`` may read the files, which hold passwords; ``main_file`` is the
    one that the daemon is started with. ``rest_seconds``: between two looks
    when nothing has changed for ``settle_seconds``.
    """

    directory: str
    main_file: str
    group: str | None
    socket_path: str
    poll_seconds: float = 0.2
    rest_seconds: float = 0.5
    settle_seconds: float = 10.0
    hang_seconds: float = 5.0
    connect_seconds: float = 0.05
    start_seconds: float = 2.0

    @property
    def config_path(self) -> str:
        """The path of the main file."""
        return os.path.join(self.directory, self.main_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A peer as the daemon sees it.

    ``exported``: IP version -> number of paths sent (None: not counted), of
    those families only that the session carries now. ``error``: why the
    session ended last or did not come up, in the daemon's words. ``bfd``: the
    state of the BFD session with the peer; None: there is none to be.
    """

    state: SessionState = SessionState.UNKNOWN
    since: datetime | None = None
    exported: Mapping[int, int | None] = field(default_factory=dict)
    error: str = ""
    bfd: str | None = None

    @property
    def is_established(self) -> bool:
        """Whether paths reach the peer now."""
        return self.state is SessionState.ESTABLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All files of a daemon; ``generation`` names their content."""

    generation: str
    files: Files


def render(
    main_file: str, values: Mapping[str, object], files: Files
) -> Configuration:
    """Render the main file from its template, beside the other files.

    The template writes the generation down, so that the daemon can tell
    which files it has loaded.
    """
    template = _template(f"{main_file}.j2")
    draft = template.render(generation="", **values)
    digest = hashlib.sha256(draft.encode())
    for name, text in files.items():
        digest.update(f"{name}\n{text}".encode())
    generation = digest.hexdigest()[:16]
    text = template.render(generation=generation, **values)
    return Configuration(
        generation=generation, files={**files, main_file: text}
    )


@cache
def _template(name: str) -> Any:
    # Late: Jinja2 takes longer to import than the rest of the agent.
    from jinja2 import Environment, StrictUndefined

    source = resources.files("octavia_anycast.agent") / "templates"
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string((source / name).read_text(encoding="utf-8"))


class LinkLost(Exception):
    """The connection ended or could not be made."""


class NoAnswer(LinkLost):
    """The daemon is there but does not answer."""


class Link:
    """A connection to a daemon, made in the constructor; both talk in lines.

    It blocks, but for ``timeout_seconds`` without an answer at the most.

    :raises LinkLost: from every method; :class:`NoAnswer` if time is up.
    """

    def __init__(self, path: str, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._lines: deque[str] = deque()
        self._partial = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_seconds)
        try:
            self._socket.connect(path)
        except OSError as e:
            self.close()
            raise LinkLost(str(e)) from e

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it; unanswered commands stay so."""
        self._socket.close()

    def _send(self, *commands: str) -> None:
        text = "".join(f"{command}\n" for command in commands)
        try:
            self._socket.settimeout(self._timeout_seconds)
            self._socket.sendall(text.encode("ascii"))
        except TimeoutError as e:
            raise NoAnswer(str(e)) from e
        except OSError as e:
            raise LinkLost(str(e)) from e

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout_seconds

    def _next_line(self, deadline: float) -> str:
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0 or not self._receive(left):
                raise NoAnswer("it does not answer")
        return self._lines.popleft()

    def _receive(self, seconds: float) -> bool:
        """Take what has arrived; False if nothing came in time."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(_CHUNK)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as e:
            raise LinkLost(str(e)) from e
        if not data:
            raise LinkLost("it was closed")
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines.extend(line.decode("ascii", "replace") for line in lines)
        return True


S = TypeVar("S", bound=DaemonSettings)
L = TypeVar("L", bound=Link)


class DaemonDriver(ABC, Generic[S, L]):
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`.

    A subclass sets its own attributes before it calls this constructor,
    which starts the thread.
    """

    def __init__(self, name: str, settings: S, service: Service) -> None:
        self._name = name
        self._settings = settings
        self._service = service
        self._asked: Wish | None = None
        self._status = SpeakerStatus()
        # From here on: the thread's own.
        self._link: L | None = None
        self._wish = Wish()
        self._wanted: Configuration | None = None
        # The last wish that the daemon is known to have loaded.
        self._loaded: Wish | None = None
        # The daemon's name of a peer -> its session.
        self._sessions: Mapping[Any, Session] = {}
        # What the status was made of.
        self._published: object = None
        self._changed_at = 0.0
        self._started_at: float | None = None
        self._loop = Loop(name, self._turn, self._link_descriptor)
        self._loop.start()

    # -- the interface ---------------------------------------------------

    def want(self, wish: Wish) -> None:
        if wish != self._asked:
            self._asked = wish
            self._loop.wake()

    def status(self) -> SpeakerStatus:
        return self._status

    def close(self) -> None:
        self._loop.close()
        self._disconnect()

    # -- the thread ------------------------------------------------------

    def _link_descriptor(self) -> int | None:
        return None if self._link is None else self._link.fileno()

    def _turn(self) -> float:
        wish = self._asked
        if wish is None:
            return self._settings.poll_seconds
        try:
            if wish.peers():
                self._keep(wish)
            else:
                self._rest(wish)
        except Exception:
            self._disconnect()
            raise
        self._publish()
        if self._link is None:
            return self._settings.connect_seconds
        return self._pause()

    def _rest(self, wish: Wish) -> None:
        """Without peers, stop the daemon and remove its files."""
        if self._wish == wish:
            return
        self._disconnect()
        self._service.stop()
        for name in self._stored():
            os.unlink(os.path.join(self._settings.directory, name))
        self._wish = self._loaded = wish
        self._wanted = self._started_at = None

    def _keep(self, wish: Wish) -> None:
        if wish != self._wish:
            self._take(wish)
            self._wish = wish
        try:
            if self._link is None:
                self._link = self._connect()
            self._look(self._link)
        except NoAnswer:
            LOG.error(
                "%s does not answer; it is killed and starts again", self._name
            )
            self._restart()
        except LinkLost as e:
            if self._link is not None:
                LOG.info("The connection to %s is lost: %s", self._name, e)
            self._disconnect()
            self._keep_started()

    def _keep_started(self) -> None:
        """Start the daemon, and again if it does not come up."""
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

    def _restart(self) -> None:
        self._service.kill()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            # It is on its way back, by its service.
            self._started_at = time.monotonic()
        self._link = self._loaded = None
        self._sessions = {}

    def _write(self) -> None:
        """Make the files as they are wanted; the main one last.

        It holds the generation, which is true only once all others are there.
        """
        if self._wanted is None:
            return
        settings, wanted = self._settings, self._wanted.files
        stored = self._stored()
        for name, text in sorted(
            wanted.items(), key=lambda item: item[0] == settings.main_file
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

    def _stored(self) -> Files:
        directory, files = self._settings.directory, {}
        if not os.path.isdir(directory):
            return {}
        for name in os.listdir(directory):
            if name == self._settings.main_file or self._is_path_file(name):
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8", errors="replace") as stream:
                    files[name] = stream.read()
        return files

    def _take_sessions(self, found: Mapping[Any, Session]) -> None:
        for peer in self._wish.peers():
            before = self._session(peer)
            after = found.get(self._session_key(peer), Session())
            if before.is_established != after.is_established:
                LOG.info(
                    "The session with %s is %s", peer.peer_ip, after.state
                )
        self._sessions = found

    def _session(self, peer: Peer) -> Session:
        return self._sessions.get(self._session_key(peer), Session())

    def _publish(self) -> None:
        wish, loaded = self._wish, self._loaded
        is_running = self._link is not None
        seen = (wish, loaded, is_running, self._sessions, self._sent())
        if seen == self._published:
            return
        self._published, self._changed_at = seen, time.monotonic()
        self._status = SpeakerStatus(
            is_running=is_running,
            speakers=loaded.speakers if loaded else None,
            sessions=tuple(self._report(peer) for peer in wish.peers()),
            paths=self._paths_out(),
        )

    def _report(self, peer: Peer) -> SessionReport:
        session = self._session(peer)
        return SessionReport(
            peer_id=peer.id,
            peer_ip=peer.peer_ip,
            state=session.state,
            since=session.since,
            error=session.error,
            # None of a session that has just come up: not known yet.
            ip_versions=tuple(sorted(session.exported)) or None
            if session.is_established
            else None,
            bfd=session.bfd if session.is_established else None,
        )

    def _is_at_rest(self) -> bool:
        """Whether all is as it is wanted, and has been for a while."""
        settings, peers = self._settings, self._wish.peers()
        return (
            self._loaded == self._wish
            and all(self._session(peer).is_established for peer in peers)
            and time.monotonic() - self._changed_at > settings.settle_seconds
        )

    # -- what differs from daemon to daemon ------------------------------

    def _pause(self) -> float:
        settings = self._settings
        if self._is_at_rest():
            return settings.rest_seconds
        return settings.poll_seconds

    def _is_path_file(self, name: str) -> bool:
        return False

    def _sent(self) -> object:
        """What :meth:`_paths_out` is made of beside the sessions."""
        return None

    @abstractmethod
    def _take(self, wish: Wish) -> None:
        """Render and write what is wanted now, in the place of ``_wish``."""

    @abstractmethod
    def _connect(self) -> L:
        """Connect to the daemon.

        :raises LinkLost: it does not run, or not yet.
        """

    @abstractmethod
    def _look(self, link: L) -> None:
        """Ask the daemon what it has, and have it do what is missing.

        :raises LinkLost: see :class:`Link`.
        """

    @abstractmethod
    def _session_key(self, peer: Peer) -> object:
        """The daemon's name of a peer."""

    @abstractmethod
    def _paths_out(self) -> frozenset[Path]:
        """The paths in the Adj-RIB-Out of established sessions."""
