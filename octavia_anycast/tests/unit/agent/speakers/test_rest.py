# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How often a BGP daemon is looked at."""

import time

import pytest

from octavia_anycast.agent.speakers.base import Wish
from octavia_anycast.agent.speakers.bird import bird_syntax
from octavia_anycast.agent.speakers.bird.bird import BirdSettings, BirdSpeaker
from octavia_anycast.agent.speakers.driver import Session
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
