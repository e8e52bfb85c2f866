# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Arguments with a structure, and passwords, before any request is made."""

import argparse
import getpass
import sys

import pytest
from octavia_anycast_client.osc import arguments
from octavia_anycast_client.osc.bgp import password
from osc_lib import exceptions

SECRET = "a-secret-password"


def test_a_speaker():
    assert arguments.speaker(
        "ip-version=4,local-as=65010,driver=bird,peer=tor-1,peer=tor-2"
    ) == {
        "ip_version": 4,
        "local_as": 65010,
        "driver": "bird",
        "peers": ["tor-1", "tor-2"],
    }


def test_a_speaker_leaves_the_driver_to_the_api():
    assert "driver" not in arguments.speaker("local-as=1,ip-version=6")


def test_a_zone():
    assert arguments.zone(
        "availability-zone=rack-1,network=front,subnet=v4,subnet=v6"
    ) == {
        "availability_zone": "rack-1",
        "frontend_network_id": "front",
        "frontend_subnet_ids": ["v4", "v6"],
    }


def test_bfd_leaves_what_is_not_given_to_the_api():
    assert arguments.bfd("min-tx-ms=50,multiplier=4") == {
        "min_tx_ms": 50,
        "multiplier": 4,
    }


@pytest.mark.parametrize(
    ("read", "text", "complaint"),
    [
        (arguments.speaker, "ip-version=4", "local-as=... is missing"),
        (arguments.speaker, "", "'' is not one of"),
        (arguments.speaker, "ip-version=4,local-as=x", "'x' is not a number"),
        (
            arguments.speaker,
            "ip-version=4,ip-version=6,local-as=1",
            "ip-version is given more than once",
        ),
        (
            arguments.speaker,
            "ip-version=4,local-as=1,peers=a",
            "'peers=a' is not one of driver=..., ip-version=...",
        ),
        (arguments.zone, "rack-1", "'rack-1' is not one of"),
        (arguments.zone, "network=", "'network=' is not one of"),
        (arguments.bfd, "min-tx-ms=1.5", "'1.5' is not a number"),
    ],
)
def test_a_wrong_structure_is_told_apart(read, text, complaint):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read(text)
    assert complaint in str(caught.value)


@pytest.fixture
def parser():
    made = argparse.ArgumentParser()
    password.add_options(made)
    return made


def test_a_password_of_the_command_line(parser):
    parsed = parser.parse_args(["--password", SECRET])
    assert password.attributes(parsed) == {
        "auth_type": "md5",
        "password": SECRET,
    }
    assert SECRET not in repr(parsed)


def test_without_a_password_nothing_is_sent(parser):
    assert password.attributes(parser.parse_args([])) == {}


def test_a_password_from_a_file_loses_its_line_end(parser, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    parsed = parser.parse_args(["--password-file", str(tmp_path / "secret")])
    assert password.attributes(parsed)["password"] == SECRET


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_without_a_password(parser, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    parsed = parser.parse_args(["--password-file", str(path)])
    with pytest.raises(exceptions.CommandError, match=str(path)):
        password.attributes(parsed)


def test_no_terminal_to_ask(parser):
    parsed = parser.parse_args(["--password-prompt"])
    with pytest.raises(exceptions.CommandError, match="no terminal"):
        password.attributes(parsed)


@pytest.mark.parametrize("again", [SECRET, "something else"])
def test_a_password_is_asked_for_twice(parser, monkeypatch, again):
    answers = iter([SECRET, again])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    parsed = parser.parse_args(["--password-prompt"])
    if again == SECRET:
        assert password.attributes(parsed)["password"] == SECRET
        return
    with pytest.raises(exceptions.CommandError, match="not the same"):
        password.attributes(parsed)


def test_only_one_way_to_give_a_password(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--password", SECRET, "--password-prompt"])
    assert SECRET not in capsys.readouterr().err
