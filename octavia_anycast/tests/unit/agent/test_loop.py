# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The loop of a thread that has to live."""

import threading
import time

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


def test_what_is_new_does_not_wait_for_the_pause_after_a_failure():
    turns = []
    is_woken = threading.Event()

    def turn():
        turns.append(time.monotonic())
        if len(turns) == 1:
            loop.wake()
            raise RuntimeError("the turn")
        is_woken.set()
        return 60.0

    loop = Loop("test", turn)
    loop.start()
    try:
        assert is_woken.wait(5)
        assert turns[1] - turns[0] < 0.15
    finally:
        loop.close()
