# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bringing interfaces up in a child; the namespace itself is the lab's."""

import os

import pytest
from octavia.amphorae.backends.agent.api_server import osutils
from octavia.cmd import interface as octavia_interface

from octavia_anycast.octavia_adapter.amphora import amphora_interfaces

EXCEPTION = osutils.exceptions.HTTPException


class Found:
    """Stands for Octavia's utilities of a distribution."""

    def write_port_interface_file(self, interface):
        return f"{interface}.json"

    def bring_interface_up(self, interface, name):
        raise AssertionError("a program was to be started")


@pytest.fixture
def utilities(monkeypatch):
    monkeypatch.setattr(amphora_interfaces.netns, "setns", lambda name: None)
    return amphora_interfaces.OsUtils(Found())


def _command(monkeypatch, command):
    monkeypatch.setattr(octavia_interface, "interface_cmd", command)


def test_what_is_not_an_interface_is_octavias(utilities):
    assert utilities.write_port_interface_file("eth2") == "eth2.json"


def test_a_child_does_it(utilities, monkeypatch, tmp_path):
    """Not this process, whose network namespace must stay as it is."""
    record = tmp_path / "record"
    _command(
        monkeypatch,
        lambda name, action: record.write_text(
            f"{name} {action} {os.getpid()}"
        ),
    )
    utilities.bring_interface_up("eth2", "network")
    name, action, pid = record.read_text().split()
    assert (name, action) == ("eth2", "up")
    assert int(pid) != os.getpid()


def test_octavias_complaint_is_the_answer(utilities, monkeypatch):
    def fail(name, action):
        raise octavia_interface.InterfaceException(msg=f"no {name}")

    _command(monkeypatch, fail)
    with pytest.raises(EXCEPTION) as refusal:
        utilities.bring_interface_up("eth2", "network")
    answer = refusal.value.response
    assert answer.status_code == 500
    assert answer.json["message"] == "Error plugging network"
    assert "no eth2" in answer.json["details"]


def test_a_child_that_dies_is_an_error(utilities, monkeypatch):
    _command(monkeypatch, lambda name, action: os._exit(9))
    with pytest.raises(EXCEPTION) as refusal:
        utilities.bring_interface_up("eth2", "network")
    assert "died" in refusal.value.response.json["details"]


def test_a_child_that_hangs_is_ended(utilities, monkeypatch, tmp_path):
    record = tmp_path / "pid"

    def hang(name, action):
        record.write_text(str(os.getpid()))
        while True:
            os.read(os.pipe()[0], 1)

    monkeypatch.setattr(amphora_interfaces, "_DEADLINE_SECONDS", 0.5)
    _command(monkeypatch, hang)
    with pytest.raises(EXCEPTION) as refusal:
        utilities.bring_interface_up("eth2", "network")
    assert "it did not end" in refusal.value.response.json["details"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(record.read_text()), 0)
