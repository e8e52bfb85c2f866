# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What systemd's watchdog is told."""

import socket

import pytest

from octavia_anycast.agent.watchdog import Watchdog


@pytest.fixture
def manager(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        made.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield made


def told(manager):
    found = []
    while True:
        try:
            found.append(manager.recv(100))
        except BlockingIOError:
            return found


def test_it_tells_of_the_start_and_at_most_once_a_second(manager):
    watchdog = Watchdog()
    watchdog.ready()
    for _ in range(1000):
        watchdog.beat()
    assert told(manager)[0] == b"READY=1"
    watchdog.beat()
    assert len(told(manager)) <= 1


def test_a_manager_that_does_not_read_holds_nobody_up(manager, monkeypatch):
    for _ in range(5000):
        Watchdog().beat()
    assert told(manager)


def test_without_systemd_nobody_is_told(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Watchdog().beat()
