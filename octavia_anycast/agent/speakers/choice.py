# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One of several BGP daemons: the one that the desired state names.

The others do not run. A driver is made when it is needed first: an amphora
whose driver never changes never has a second one.

Layer: agent.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from octavia_anycast.agent.speakers import addresses
from octavia_anycast.agent.speakers.base import (
    BgpSpeaker,
    Path,
    SpeakerFactory,
    SpeakerStatus,
)
from octavia_anycast.model.bgp import Speaker, SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A driver to choose.

    ``program`` must be installed; ``config_path`` is there for as long as
    the daemon may run.
    """

    make: SpeakerFactory
    program: str
    config_path: str


class ChosenSpeaker:
    """Implements :class:`~octavia_anycast.agent.speakers.base.BgpSpeaker`."""

    def __init__(self, choices: Mapping[SpeakerDriver, Choice]) -> None:
        self._choices = choices
        self._made: dict[SpeakerDriver, BgpSpeaker] = {}
        self._driver: SpeakerDriver | None = None
        self._paths: frozenset[Path] | None = None

    def check(self, speakers: tuple[Speaker, ...]) -> None:
        """Refuse what no driver here can do.

        :raises InvalidRequest: naming the field.
        """
        for driver in sorted({speaker.driver for speaker in speakers}):
            choice = self._choices.get(driver)
            if choice is None or not os.access(choice.program, os.X_OK):
                raise InvalidRequest(
                    "driver", f"this amphora's image has no {driver}"
                )
        addresses.check(speakers)

    def configure(self, router_id: str, speakers: tuple[Speaker, ...]) -> None:
        """Have exactly these peers, by their driver."""
        driver = speakers[0].driver if speakers else None
        if driver is None:
            for candidate in sorted(self._in_use()):
                self._get(candidate).configure(router_id, ())
                self._driver = self._driver or candidate
            return
        if driver is not self._driver:
            for candidate in sorted(self._in_use() - {driver}):
                self._get(candidate).configure(router_id, ())
            chosen = self._get(driver)
            if self._paths is not None:
                chosen.set_paths(self._paths)
            self._driver = driver
        self._made[driver].configure(router_id, speakers)

    def set_paths(self, paths: frozenset[Path]) -> None:
        """Announce exactly these paths."""
        self._paths = paths
        if self._driver is not None:
            self._made[self._driver].set_paths(paths)

    def status(self) -> SpeakerStatus:
        """Tell what is, from memory."""
        if self._driver is None:
            return SpeakerStatus(speakers=())
        return self._made[self._driver].status()

    def close(self) -> None:
        """Let go of the daemons, which go on as they are (fail-static)."""
        for speaker in self._made.values():
            speaker.close()

    def _in_use(self) -> set[SpeakerDriver]:
        """Drivers that were made, or whose daemon another agent has left."""
        return set(self._made) | {
            driver
            for driver, choice in self._choices.items()
            if os.path.exists(choice.config_path)
        }

    def _get(self, driver: SpeakerDriver) -> BgpSpeaker:
        if driver not in self._made:
            self._made[driver] = self._choices[driver].make()
        return self._made[driver]
