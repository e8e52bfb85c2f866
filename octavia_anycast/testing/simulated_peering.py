# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The BGP sessions of one simulated amphora.

They start over when anything that a session is made of changes, stay down
with a password that the fabric refuses, and do not care for path attributes.

Layer: testing. No I/O; the time is a parameter.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from octavia_anycast.model.bgp import SessionState, Speaker
from octavia_anycast.model.wire import SessionReport

START = datetime(2026, 1, 1, tzinfo=UTC)
RESET_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Peering:
    """All sessions of an amphora; they rise and fall together."""

    speakers: tuple[Speaker, ...] = ()
    changed_at: datetime = START
    refused: frozenset[str] = frozenset()
    is_tried_out: bool = False

    def configure(
        self,
        speakers: tuple[Speaker, ...],
        now: datetime,
        *,
        was_announcing: bool = False,
    ) -> None:
        """Have these speakers from now on."""
        if _essence(speakers) != _essence(self.speakers):
            self.is_tried_out = self.is_tried_out or was_announcing
            self.changed_at = now
        self.speakers = speakers

    def is_up(self, now: datetime) -> bool:
        """Whether the sessions are Established."""
        passwords = {p.password for s in self.speakers for p in s.peers}
        return self._up_at <= now and not passwords & self.refused

    def was_taken_off(self, now: datetime) -> bool:
        """Whether a change took it off and it has not come back."""
        if self.is_up(now):
            self.is_tried_out = False
        return self.is_tried_out

    def sessions(
        self, now: datetime, *, is_cut: bool
    ) -> tuple[SessionReport, ...]:
        """What the agent reports of them."""
        is_up = self.is_up(now) and not is_cut
        return tuple(
            SessionReport(
                peer_id=peer.id,
                peer_ip=peer.peer_ip,
                state=SessionState.ESTABLISHED if is_up else SessionState.IDLE,
                since=self._up_at if is_up else self.changed_at,
            )
            for speaker in self.speakers
            for peer in speaker.peers
        )

    @property
    def _up_at(self) -> datetime:
        return self.changed_at + timedelta(seconds=RESET_SECONDS)


def _essence(speakers: tuple[Speaker, ...]) -> object:
    return [
        (speaker.local_as, peer.peer_ip, peer.remote_as, peer.password)
        for speaker in speakers
        for peer in speaker.peers
    ]
