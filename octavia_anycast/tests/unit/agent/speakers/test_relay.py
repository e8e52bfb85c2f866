# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ExaBGP's API process, between two pipes and a socket."""

import os
import socket
import threading

import pytest

from octavia_anycast.agent.speakers.exabgp.relay import Relay, listen


class Bench:
    """Plays ExaBGP; clients connect as speakerd does."""

    def __init__(self, path):
        self.path = str(path)
        stdin, self.to_relay = os.pipe()
        self.from_relay, stdout = os.pipe()
        self.listener = listen(self.path)
        self.relay = Relay(self.listener, stdin, stdout)
        self.thread = threading.Thread(target=self.relay.run, daemon=True)
        self.thread.start()
        self.commands = os.fdopen(self.from_relay, "rb")

    def say(self, text):
        os.write(self.to_relay, text.encode())

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(self.path)
        return client

    def close(self):
        os.close(self.to_relay)
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.listener.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "relay.sock")
    yield made
    made.close()


def test_commands_and_answers_pass(bench):
    client = bench.connect()
    client.sendall(b"show neighbor json\n")
    assert bench.commands.readline() == b"show neighbor json\n"
    bench.say("[]\ndone\n")
    assert client.makefile().readline() == "[]\n"


def test_the_socket_is_the_owners(bench):
    assert os.stat(bench.path).st_mode & 0o777 == 0o600


def test_without_a_client_everything_is_read(bench):
    for _ in range(100):
        bench.say("x" * 8000 + "\n")  # more than a pipe holds
    client = bench.connect()
    client.sendall(b"version\n")
    assert bench.commands.readline() == b"version\n"


def test_answers_to_a_former_client_are_dropped(bench):
    first = bench.connect()
    first.sendall(b"one\ntwo\n")
    assert bench.commands.readline() == b"one\n"
    assert bench.commands.readline() == b"two\n"
    first.close()
    second = bench.connect()
    second.sendall(b"three\n")
    assert bench.commands.readline() == b"three\n"
    bench.say("answer to one\ndone\nerror\nanswer to three\ndone\n")
    lines = second.makefile()
    assert lines.readline() == "answer to three\n"
    assert lines.readline() == "done\n"


def test_the_newest_client_wins(bench):
    first = bench.connect()
    first.sendall(b"one\n")
    assert bench.commands.readline() == b"one\n"
    bench.connect()
    assert first.recv(100) == b""


def test_half_a_command_is_never_passed_on(bench):
    first = bench.connect()
    first.sendall(b"one\nneighbor 10.0.0.1 withdr")
    assert bench.commands.readline() == b"one\n"
    first.close()
    second = bench.connect()
    second.sendall(b"two\n")
    assert bench.commands.readline() == b"two\n"


def test_lines_in_pieces(bench):
    client = bench.connect()
    client.sendall(b"on")
    client.sendall(b"e\n")
    assert bench.commands.readline() == b"one\n"
    bench.say("do")
    bench.say("ne\n")
    assert client.makefile().readline() == "done\n"


def test_a_file_of_a_dead_relay_is_replaced(tmp_path):
    path = str(tmp_path / "relay.sock")
    listen(path).close()
    listener = listen(path)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.close()
    listener.close()
