# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Knocks at real ports: one that listens, one that refuses, one that drops."""

import socket
import time
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from octavia_anycast.agent_client.knocking import Knocking

LISTENS, REFUSES, DROPS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
ALL = {name: ip_address(name) for name in (LISTENS, REFUSES, DROPS)}
ROUND_SECONDS = 0.1
DEADLINE_SECONDS = 10.0


def fill(stack, address):
    """Take the room of a socket that nobody accepts from."""
    for _ in range(8):
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        client.connect_ex(address)


@pytest.fixture
def port():
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((LISTENS, 0)))
        number = listening.getsockname()[1]
        full = stack.enter_context(socket.socket())
        full.bind((DROPS, number))
        full.listen(0)
        fill(stack, (DROPS, number))
        yield number


@pytest.fixture
def knocking(port):
    made = Knocking(port=port, patience=2 * ROUND_SECONDS)
    yield made
    made.close()


def test_a_kernel_that_lives_answers(knocking):
    found = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while found < {LISTENS, REFUSES} and time.monotonic() < deadline:
        found |= knocking.knock(ALL, ROUND_SECONDS)
    assert found == {LISTENS, REFUSES}


def test_knocks_that_nothing_answers_are_given_up(knocking):
    for _ in range(5):
        assert DROPS not in knocking.knock(ALL, ROUND_SECONDS)
    # Each lives for two rounds, and one is made in each.
    assert len(knocking._under_way) <= 3
    knocking.knock({}, 3 * ROUND_SECONDS)
    assert knocking._under_way == []


def test_an_answer_is_taken_after_a_pause(knocking):
    """However little time is left for it."""
    found = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while LISTENS not in found and time.monotonic() < deadline:
        found |= knocking.knock({LISTENS: ALL[LISTENS]}, 0.0)
    assert found == {LISTENS}


def test_there_is_no_path_to_it(port):
    """Such as on a machine without IPv6: that is no answer."""
    knocking = Knocking(port=port, patience=ROUND_SECONDS)
    nowhere = {"a": ip_address("2001:db8::1")}
    assert knocking.knock(nowhere, ROUND_SECONDS) == set()
    knocking.close()
