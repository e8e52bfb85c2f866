# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Octavia's agent answers beyond its own words."""

import os

import pytest
import webob
from octavia.amphorae.backends.agent.api_server import (
    keepalivedlvs,
    loadbalancer,
    util,
)
from octavia.cmd import agent

from octavia_anycast.octavia_adapter.amphora import amphora_agent
from octavia_anycast.octavia_adapter.amphora.amphora_agent import Loadbalancer

ALERT = "[ALERT]    (7) : config : no memory left"


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A ``journalctl`` that answers its arguments and a line of HAProxy."""

    def install(exit_code=0):
        script = tmp_path / "journalctl"
        script.write_text(
            f'#!/bin/sh\necho "$@"\necho "{ALERT}"\nexit {exit_code}\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


def answer(monkeypatch, status):
    body = {"message": "Error starting haproxy", "details": "Job failed.\n"}
    monkeypatch.setattr(
        loadbalancer.Loadbalancer,
        "start_stop_lb",
        lambda self, lb_id, action: webob.Response(json=body, status=status),
    )
    return Loadbalancer().start_stop_lb("lb", "start")


def test_a_haproxy_that_does_not_start_says_why(journal, monkeypatch):
    journal()
    found = answer(monkeypatch, 500)
    assert found.status_code == 500
    told = found.json["details"].splitlines()
    assert told[0] == "Job failed."
    assert "--unit=haproxy-lb.service" in told[2]
    assert "--since=@" in told[2]
    assert told[3] == ALERT


@pytest.mark.parametrize("status", [202, 400, 404])
def test_other_answers_are_octavias(journal, monkeypatch, status):
    journal()
    assert answer(monkeypatch, status).json["details"] == "Job failed.\n"


def test_a_reload_tells_no_neighbour_of_the_vips(monkeypatch):
    """Octavia's main function is called with Octavia's call replaced."""
    monkeypatch.setattr(util, "send_vip_advertisements", None)
    seen = []
    monkeypatch.setattr(
        agent, "main", lambda: seen.append(util.send_vip_advertisements)
    )
    for name in ("server", "AmphoraAgent"):
        monkeypatch.setattr(agent, name, getattr(agent, name))
    monkeypatch.setattr(amphora_agent.lvs_heartbeat, "install", seen.append)
    monkeypatch.setattr(
        amphora_agent.heartbeat_digest, "install", lambda *_: None
    )
    amphora_agent.main(None, None, None, None, None)
    assert seen.pop(0) is None
    assert seen == [amphora_agent.advertise_nothing]
    assert loadbalancer.util is util  # where a reload looks for it
    assert keepalivedlvs.util is util


def test_without_a_journal_octavias_words_are_told(journal, monkeypatch):
    journal(exit_code=1)
    assert answer(monkeypatch, 500).json["details"].strip() == "Job failed."
    monkeypatch.setenv("PATH", "/nonexistent")
    assert answer(monkeypatch, 500).json["details"].strip() == "Job failed."
