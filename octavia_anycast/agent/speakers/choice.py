# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The BGP daemons of an amphora: those that the desired state asks for.

A daemon is of a driver and in a network: one that peers over the front end
runs inside the namespace of HAProxy. Peers over both networks are two
daemons; one that has no peers does not run. A driver object is made when it
is needed first: an amphora that never changes never has a second one.

Before a daemon gets its peers, it is asked what it says of the file. A file
that is refused is looked at peer by peer: the refused peers are named, and
the others need not go with them.

Layer: agent.
"""

import logging
import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from octavia_anycast.agent import process
from octavia_anycast.agent.speakers.base import BgpSpeaker, SpeakerStatus, Wish
from octavia_anycast.model.bgp import (
    IPAddress,
    Peer,
    PeeringNetwork,
    SessionState,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import SessionReport

LOG = logging.getLogger(__name__)

Place = tuple[SpeakerDriver, PeeringNetwork]
# Of so many speakers is remembered what the daemons said.
_LOOKS_KEPT = 4
ROUTER_ID = "192.0.2.1"  # of files that are only looked at
_POSITION = re.compile(r"^\S*\.conf:(\d+):\d+ ")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """Has a daemon look at a file.

    ``argv``: its command; the file's path is put behind it. ``render``: the
    speakers of the daemon, a directory of its own -> the file's text.
    """

    argv: tuple[str, ...]
    render: Callable[[tuple[Speaker, ...], str], str]

    def refused(self, speakers: tuple[Speaker, ...]) -> dict[str, str]:
        """Tell which peers the daemon refuses: peer_id -> its sentence.

        Empty if it takes the file, or refuses a file without peers too. All
        peers if it refuses the file but takes each peer alone.
        """
        complaint = self._ask(speakers)
        if not complaint:
            return {}
        if broken := self._ask(()):
            LOG.error("%s cannot check files: %s", self.argv[0], broken)
            return {}
        alone = {
            peer.id: self._ask((replace(speaker, peers=(peer,)),))
            for speaker in speakers
            for peer in speaker.peers
        }
        found = {peer_id: text for peer_id, text in alone.items() if text}
        return found or dict.fromkeys(alone, complaint)

    def _ask(self, speakers: tuple[Speaker, ...]) -> str:
        with tempfile.TemporaryDirectory(prefix="oa-check-") as directory:
            path = os.path.join(directory, "check.conf")
            # Only its owner reads what is in there (mkdtemp).
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(self.render(speakers, directory))
            said = process.complaint([*self.argv, path])
        return _sentence(said, [p for s in speakers for p in s.peers])


def _sentence(said: str, peers: list[Peer]) -> str:
    """The last line, which says what is wrong; no password is in it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not lines:
        return ""
    sentence = lines[-1].removeprefix("bird: ")
    for password in {peer.password for peer in peers if peer.password}:
        for secret in (password, b64encode(password.encode()).decode()):
            sentence = sentence.replace(secret, "...")
    return _POSITION.sub(r"line \1: ", sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A daemon to choose.

    ``program`` must be installed; ``config_path`` exists for as long as the
    daemon may run. ``check`` None: its files are not checked before.
    """

    make: Callable[[], BgpSpeaker]
    program: str
    config_path: str
    check: FileCheck | None = None


class ChosenSpeaker:
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`."""

    def __init__(self, choices: Mapping[Place, Choice]) -> None:
        self._choices = choices
        self._made: dict[Place, BgpSpeaker] = {}
        self._speakers: tuple[Speaker, ...] = ()
        # Which daemon has which of them.
        self._wanted: dict[Place, tuple[Speaker, ...]] = {}
        # Speakers that were looked at -> the peers refused, and why.
        self._looked_at: dict[tuple[Speaker, ...], dict[str, str]] = {}
        # The last status, and what it was made of.
        self._reported: tuple[list[object], SpeakerStatus] = (
            [],
            SpeakerStatus(),
        )

    def check(self, speakers: tuple[Speaker, ...]) -> None:
        """Refuse what the drivers of this image cannot do.

        :raises InvalidRequest: naming the field.
        """
        places = {(s.driver, PeeringNetwork.MANAGEMENT) for s in speakers}
        for place in sorted(places | set(by_place(speakers))):
            choice = self._choices.get(place)
            if choice is None or not os.access(choice.program, os.X_OK):
                raise InvalidRequest(
                    "driver", f"this amphora's image has no {place[0]}"
                )
        check_addresses(speakers)
        refused = self._refused(speakers)
        for i, speaker in enumerate(speakers):
            for j, peer in enumerate(speaker.peers):
                if peer.id in refused:
                    raise InvalidRequest(
                        f"speakers[{i}].peers[{j}]",
                        f"{speaker.driver} refuses the peer {peer.peer_ip}: "
                        f"{refused[peer.id]}",
                    )

    def _refused(self, speakers: tuple[Speaker, ...]) -> dict[str, str]:
        """Ask the daemons, once for the same speakers."""
        found = self._looked_at.get(speakers)
        if found is None:
            found = {}
            for place, share in by_place(speakers).items():
                check = self._choices[place].check
                found |= check.refused(share) if check else {}
            kept = list(self._looked_at.items())[1 - _LOOKS_KEPT :]
            self._looked_at = {**dict(kept), speakers: found}
        return found

    def want(self, wish: Wish) -> None:
        """Have these peers and paths, each by its daemon.

        But for the peers that :meth:`check` found refused: a state that was
        on the disk may hold them, and the others do not go with them.
        """
        if wish.speakers != self._speakers:
            refused = self._looked_at.get(wish.speakers, {})
            self._wanted = by_place(_without(wish.speakers, refused))
            self._speakers = wish.speakers
        # First those that end: an address has one session at a time.
        for place in sorted(self._in_use() - set(self._wanted)):
            self._get(place).want(Wish(router_id=wish.router_id))
        for place, share in self._wanted.items():
            self._get(place).want(replace(wish, speakers=share))

    def status(self) -> SpeakerStatus:
        """Report from memory; a refused peer has its session too."""
        shares, speakers = self._wanted, self._speakers
        found = {place: made.status() for place, made in self._made.items()}
        # Asked ten times a second. A driver has a new object for new news.
        made_of = [shares, speakers, self._looked_at, *found.values()]
        known, status = self._reported
        if len(known) != len(made_of) or any(
            one is not other for one, other in zip(known, made_of, strict=True)
        ):
            status = self._merged(shares, speakers, found)
            self._reported = made_of, status
        return status

    def _merged(
        self,
        shares: Mapping[Place, tuple[Speaker, ...]],
        speakers: tuple[Speaker, ...],
        found: Mapping[Place, SpeakerStatus],
    ) -> SpeakerStatus:
        wanted = [found[place] for place in shares if place in found]
        are_loaded = len(wanted) == len(shares) and all(
            status.speakers == shares.get(place, ())
            for place, status in found.items()
        )
        return SpeakerStatus(
            is_running=bool(wanted) and all(s.is_running for s in wanted),
            speakers=speakers if are_loaded else None,
            sessions=tuple(x for s in wanted for x in s.sessions)
            + self._refused_sessions(speakers),
            paths=frozenset().union(*(s.paths for s in wanted)),
        )

    def _refused_sessions(
        self, speakers: tuple[Speaker, ...]
    ) -> tuple[SessionReport, ...]:
        refused = self._looked_at.get(speakers, {})
        return tuple(
            SessionReport(
                peer_id=peer.id,
                peer_ip=peer.peer_ip,
                state=SessionState.IDLE,
                since=None,
                error=f"{speaker.driver} refuses it: {refused[peer.id]}",
            )
            for speaker in speakers
            for peer in speaker.peers
            if peer.id in refused
        )

    def close(self) -> None:
        for speaker in self._made.values():
            speaker.close()

    def _in_use(self) -> set[Place]:
        """Daemons that were made, or that run since before a restart."""
        return set(self._made) | {
            place
            for place, choice in self._choices.items()
            if place not in self._made and os.path.exists(choice.config_path)
        }

    def _get(self, place: Place) -> BgpSpeaker:
        if place not in self._made:
            made = self._choices[place].make()
            # At once: others ask for the status meanwhile.
            self._made = {**self._made, place: made}
        return self._made[place]


def check_addresses(speakers: tuple[Speaker, ...]) -> None:
    """Refuse two sessions with one address: no daemon here has them."""
    seen: set[IPAddress] = set()
    for i, speaker in enumerate(speakers):
        for j, peer in enumerate(speaker.peers):
            if peer.peer_ip in seen:
                raise InvalidRequest(
                    f"speakers[{i}].peers[{j}].peer_ip",
                    "an amphora has one session with an address",
                )
            seen.add(peer.peer_ip)


def _without(
    speakers: tuple[Speaker, ...], refused: Mapping[str, str]
) -> tuple[Speaker, ...]:
    return tuple(
        replace(
            speaker,
            peers=tuple(p for p in speaker.peers if p.id not in refused),
        )
        for speaker in speakers
    )


def by_place(
    speakers: tuple[Speaker, ...],
) -> dict[Place, tuple[Speaker, ...]]:
    """Split the speakers: daemon -> the speakers with the peers it has."""
    shares: dict[Place, list[Speaker]] = {}
    for speaker in speakers:
        for network in PeeringNetwork:
            peers = tuple(
                p for p in speaker.peers if p.peering_network is network
            )
            if peers:
                shares.setdefault((speaker.driver, network), []).append(
                    replace(speaker, peers=peers)
                )
    return {place: tuple(share) for place, share in shares.items()}
