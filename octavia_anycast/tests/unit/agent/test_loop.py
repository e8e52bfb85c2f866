# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The loop of a thread that has to live."""

import threading

from octavia_anycast.agent.loop import Loop


def test_it_goes_on_whatever_fails():
    turns, is_third = [], threading.Event()

    def turn():
        turns.append(len(turns))
        if len(turns) == 1:
            raise RuntimeError("the turn")
        if len(turns) == 3:
            is_third.set()
        return 0.01

    def source():
        return -1 if len(turns) == 2 else None  # no selector takes that

    loop = Loop("test", turn, source)
    loop.start()
    try:
        assert is_third.wait(5)
    finally:
        loop.close()
