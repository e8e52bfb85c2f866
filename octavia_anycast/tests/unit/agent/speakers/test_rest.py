# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How often a BGP daemon is looked at."""

import time

import pytest

from octavia_anycast.agent.speakers.base import Wish
from octavia_anycast.agent.speakers.bird import bird_syntax
from octavia_anycast.agent.speakers.bird.bird import BirdSettings, BirdSpeaker
from octavia_anycast.agent.speakers.driver import Configuration, Session
from octavia_anycast.agent.speakers.exabgp.exabgp import (
    _LISTINGS,
    Answer,
    ExabgpSettings,
    ExabgpSpeaker,
)
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.tests.unit.agent.states import PEER4, speaker

SETTINGS = BirdSettings(directory="/nonexistent", socket_path="/nonexistent")
WISH = Wish(router_id="10.1.0.5", speakers=(speaker(PEER4),))
UP, DOWN = SessionState.ESTABLISHED, SessionState.ACTIVE


class AtRest(BirdSpeaker):
    """A driver that is what a test says, without a thread."""

    def __init__(self, loaded, state, settled_seconds):
        self._settings, self._wish, self._loaded = SETTINGS, WISH, loaded
        name = bird_syntax.protocol_name(PEER4.id)
        self._sessions = {name: Session(state=state)}
        self._changed_at = time.monotonic() - settled_seconds

    def pause(self):
        return self._pause()


@pytest.mark.parametrize(
    ("loaded", "state", "settled_seconds", "is_at_rest"),
    [
        (WISH, UP, 60, True),
        (WISH, UP, 0, False),  # something has just changed
        (WISH, DOWN, 60, False),
        (None, UP, 60, False),  # what is wanted is not loaded yet
    ],
)
def test_only_what_is_settled_is_looked_at_less_often(
    loaded, state, settled_seconds, is_at_rest
):
    pause = AtRest(loaded, state, settled_seconds).pause()
    wanted = SETTINGS.rest_seconds if is_at_rest else SETTINGS.poll_seconds
    assert pause == wanted


class ExabgpAt(ExabgpSpeaker):
    """Likewise, of ExaBGP: last asked for all, and for anything, ago."""

    def __init__(self, settled_seconds, audited_seconds, answered_seconds):
        now = time.monotonic()
        self._settings = ExabgpSettings(
            directory="/nonexistent", socket_path="/nonexistent"
        )
        self._wish = self._loaded = WISH
        self._wanted = Configuration(generation="7", files={})
        self._generations, self._next = frozenset({"7"}), None
        self._outdated_since = None
        self._sessions = {PEER4.peer_ip: Session(state=UP)}
        self._changed_at = now - settled_seconds
        self._audited_at = now - audited_seconds
        self._answered_at = now - answered_seconds
        self._rib = {}
        self.asked = []

    def ask(self, *commands):
        """In the place of a link; refused, so that nothing changes."""
        self.asked += commands
        return [Answer(is_done=False, lines=[])] * len(commands)

    def read_events(self):
        """There are none."""

    def look(self):
        self._look(self)
        return self.asked, self._pause()


@pytest.mark.parametrize(
    ("settled", "audited", "answered", "asked", "pause"),
    [
        (60, 3, 0.2, [], 0.8),
        (60, 3, 1.1, ["version"], 1.0),
        (60, 5.1, 0.2, "all", 1.0),
        (60, 4.6, 0.2, [], 0.4),
        (0, 0.2, 0.2, [], 0.2),
        (0, 1.1, 1.1, "all", 0.2),  # something has just changed
    ],
)
def test_exabgp_at_rest_is_asked_a_short_question(
    settled, audited, answered, asked, pause
):
    made = ExabgpAt(settled, audited, answered)
    found = made.look()
    assert found[0] == (list(_LISTINGS) if asked == "all" else asked)
    assert found[1] == pytest.approx(pause, abs=0.1)
