# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A process that takes locks as a controller does, and records what it does.

    python -m octavia_anycast_lab.ha.contender URL HISTORY [--careless]

It works until it is stopped. ``--careless``: it takes no locks; it is what
the check of a history has to find. ``--ask``: what it asks before an act,
``lock`` (the time of the lock) or ``nothing``. ``--pause``: after its first
act it stops itself (SIGSTOP), once; whoever started it lets it go on.
"""

import argparse
import contextlib
import os
import pathlib
import random
import signal
import time

from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.daemon import REFRESH_SECONDS
from octavia_anycast.model.errors import Retryable
from octavia_anycast_lab.ha.history import Recorder

NAMES = ("one", "two")
_ACTS = 3
_ACT_SECONDS = 0.05


class Contender:
    """One process among several."""

    def __init__(self, words: argparse.Namespace) -> None:
        self._words = words
        self._recorder = Recorder(words.history)
        self._count = 0
        self._may_pause = words.pause
        self._refresh_due = 0.0
        self._coordination = Coordination(words.url)

    def run(self) -> None:
        """Take one lock after the other until the process ends."""
        if not self._words.careless:
            self._coordination.start()
        while True:
            self._refresh()
            name = random.choice(NAMES)
            with (
                contextlib.suppress(Retryable),
                self._taken(name) as is_held,
            ):
                if is_held:
                    self._work(name)
            time.sleep(random.uniform(0, _ACT_SECONDS))

    def _refresh(self) -> None:
        """Release what could not be released, as a controller does."""
        if not self._words.careless and time.monotonic() > self._refresh_due:
            self._coordination.refresh()
            self._refresh_due = time.monotonic() + REFRESH_SECONDS

    def _taken(self, name: str) -> contextlib.AbstractContextManager[bool]:
        if self._words.careless:
            return contextlib.nullcontext(True)
        return self._coordination.lock(name)

    def _work(self, name: str) -> None:
        self._count += 1
        tenure = f"{os.getpid()}.{self._count}"
        for _ in range(_ACTS):
            if not self._may_act(name):
                return
            self._recorder.record(name, tenure)
            if self._may_pause:
                self._may_pause = False
                os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(_ACT_SECONDS)

    def _may_act(self, name: str) -> bool:
        if self._words.careless or self._words.ask == "nothing":
            return True
        return self._coordination.holds(name)


def main() -> None:
    """Run until a signal ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("history", type=pathlib.Path)
    parser.add_argument("--careless", action="store_true")
    parser.add_argument("--ask", choices=("lock", "nothing"), default="lock")
    parser.add_argument("--pause", action="store_true")
    Contender(parser.parse_args()).run()


if __name__ == "__main__":
    main()
