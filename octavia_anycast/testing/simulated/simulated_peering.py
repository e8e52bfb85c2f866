# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The BGP sessions of one simulated amphora.

Each starts over when anything that it is made of changes, stays down with a
password that the fabric refuses, and does not care for path attributes.

Layer: testing. No I/O; the time is a parameter.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from octavia_anycast.model.bgp import Peer, SessionState, Speaker
from octavia_anycast.model.wire import SessionReport

START = datetime(2026, 1, 1, tzinfo=UTC)
RESET_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Peering:
    """All sessions of an amphora.

    ``is_split``: a session carries the paths of its own IP version only, as
    many fabrics are set up; else those of both.
    """

    speakers: tuple[Speaker, ...] = ()
    is_split: bool = False
    refused: frozenset[str] = frozenset()
    # peer_id -> since when its session is made of what it is made of
    changed_at: dict[str, datetime] = field(default_factory=dict)
    # IP versions that were announced before a change and are not again
    owed: frozenset[int] = frozenset()

    def configure(
        self,
        speakers: tuple[Speaker, ...],
        now: datetime,
        *,
        announced: frozenset[int] = frozenset(),
    ) -> None:
        """Have these speakers from now on.

        :param announced: the IP versions of the VIPs announced so far
        """
        before, after = _essence(self.speakers), _essence(speakers)
        if before != after:
            self.owed |= announced
        self.changed_at = {
            peer_id: (
                self.changed_at[peer_id]
                if before.get(peer_id) == after[peer_id]
                else now
            )
            for peer_id in after
        }
        self.speakers = speakers

    def carriers(self, version: int, now: datetime) -> list[str]:
        """The peers whose sessions carry paths of an IP version now."""
        return [
            peer.id
            for speaker in self.speakers
            for peer in speaker.peers
            if self._is_up(speaker, peer, now)
            and (not self.is_split or speaker.ip_version == version)
        ]

    def was_taken_off(self, now: datetime) -> bool:
        """Whether a change took paths off that have not come back."""
        self.owed = frozenset(
            v for v in self.owed if not self.carriers(v, now)
        )
        return bool(self.owed)

    def sessions(
        self, now: datetime, *, is_cut: bool
    ) -> tuple[SessionReport, ...]:
        """What the agent reports of them."""
        return tuple(
            self._report(speaker, peer, now, is_cut)
            for speaker in self.speakers
            for peer in speaker.peers
        )

    def _report(
        self, speaker: Speaker, peer: Peer, now: datetime, is_cut: bool
    ) -> SessionReport:
        is_up = self._is_up(speaker, peer, now) and not is_cut
        return SessionReport(
            peer_id=peer.id,
            peer_ip=peer.peer_ip,
            state=SessionState.ESTABLISHED if is_up else SessionState.IDLE,
            since=self._up_at(peer) if is_up else self.changed_at[peer.id],
        )

    def _is_up(self, speaker: Speaker, peer: Peer, now: datetime) -> bool:
        passwords = {
            str(peer.password),
            f"{speaker.ip_version}:{peer.password}",
        }
        return self._up_at(peer) <= now and not passwords & self.refused

    def _up_at(self, peer: Peer) -> datetime:
        return self.changed_at[peer.id] + timedelta(seconds=RESET_SECONDS)


def _essence(speakers: tuple[Speaker, ...]) -> dict[str, object]:
    """What each session is made of: peer_id -> essence."""
    return {
        peer.id: (
            speaker.local_as,
            peer.peer_ip,
            peer.remote_as,
            peer.password,
        )
        for speaker in speakers
        for peer in speaker.peers
    }
