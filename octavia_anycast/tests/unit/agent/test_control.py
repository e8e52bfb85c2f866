# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The way of a call: HTTP route, control socket, engine's interface."""

import json
import os
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime

import flask
import pytest

from octavia_anycast.agent.control import (
    _TIMEOUT_SECONDS,
    NEWS_SECONDS_MAX,
    ControlClient,
    ControlServer,
)
from octavia_anycast.agent.http import make_blueprint
from octavia_anycast.model import codec
from octavia_anycast.model.wire import GateReport, GateState, Report
from octavia_anycast.tests.unit.agent.states import AMPHORA, state

REPORT = Report(
    amphora_id=AMPHORA,
    digest="d",
    revision="r",
    gate=GateReport(
        state=GateState.UP, reason="", since=datetime(2026, 1, 1, tzinfo=UTC)
    ),
    speaker_is_running=True,
    frontend_is_up=True,
    connections={"198.51.100.1": 3},
)


class Engine:
    """Takes only what parses, as the engine does."""

    def __init__(self):
        self.applied = []
        self.error = None

    def apply(self, document):
        if self.error:
            raise self.error
        self.applied.append(codec.desired_state_from(document))

    def report(self):
        return REPORT

    def await_news(self, known, seconds):
        return f"other than {known} within {seconds}"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run" / "control.sock")


@pytest.fixture
def engine(path):
    made = Engine()
    server = ControlServer(path, made)
    server.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def http(path):
    app = flask.Flask(__name__)
    app.register_blueprint(make_blueprint(ControlClient(path)))
    return app.test_client()


def test_put_applies(engine, http):
    answer = http.put("/1.0/anycast", json=codec.to_document(state()))
    assert answer.status_code == 200
    assert engine.applied == [state()]


def test_get_reports(engine, http):
    answer = http.get("/1.0/anycast")
    assert answer.status_code == 200
    report = codec.report_from(answer.get_json())
    assert report.cpu is not None
    assert 0 < report.cpu.busy_seconds < report.cpu.total_seconds
    assert replace(report, cpu=None) == REPORT


def spoil(**changes):
    return {**codec.to_document(state()), **changes}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "document"),
        ({}, "amphora_id"),
        (spoil(version="2.0"), "version"),
        (spoil(surprise=1), "surprise"),
        (spoil(router_id=7), "router_id"),
        (spoil(gate={"interval_ms": 1}), "gate.interval_ms"),
        (spoil(vips=[{"vip_ip": "x"}]), "vips[0].vip_ip"),
    ],
)
def test_bad_input_names_the_field(engine, http, document, field):
    answer = http.put("/1.0/anycast", json=document)
    assert answer.status_code == 400
    assert answer.get_json()["field"] == field
    assert answer.get_json()["reason"]
    assert engine.applied == []


def test_no_json_at_all(engine, http):
    answer = http.put("/1.0/anycast", data=b"\xff{")
    assert answer.status_code == 400


def test_without_speakerd_it_is_503(http):
    assert http.get("/1.0/anycast").status_code == 503
    answer = http.put("/1.0/anycast", json=codec.to_document(state()))
    assert answer.status_code == 503


def test_a_full_disk_is_503(engine, http):
    engine.error = OSError(28, "No space left on device")
    answer = http.put("/1.0/anycast", json=codec.to_document(state()))
    assert answer.status_code == 503


def test_the_socket_is_roots(engine, path):
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_garbage_on_the_socket_harms_nobody(engine, path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"\xff\xfe\n[1]\n{}\n")
        lines = client.makefile("rb")
        assert all(b"503" in lines.readline() for _ in range(3))
    status, report = ControlClient(path).call("report")
    assert (status, report["amphora_id"]) == (200, AMPHORA)


@pytest.mark.parametrize("length", [-1, 1.5, "3", None, [], 2**40])
def test_a_length_that_is_none_takes_nothing_from_the_socket(
    path, engine, length
):
    """What stands behind the line is then the next call."""
    request = {"call": "apply", "length": length, "body": None}
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        lines = json.dumps(request) + '\n{"call": "report"}\n'
        client.sendall(lines.encode())
        answers = client.makefile("rb")
        assert json.loads(answers.readline())["status"] == 400
        assert json.loads(answers.readline())["status"] == 200
    assert engine.applied == []


def test_a_document_is_handed_on_as_it_is(engine, http, path):
    """With lines in it, too; what is no JSON is refused by speakerd."""
    text = json.dumps(codec.to_document(state()), indent=1)
    assert http.put("/1.0/anycast", data=text).status_code == 200
    assert engine.applied == [state()]
    client = ControlClient(path)
    for data in (b"", b"{", b"[]", b"\xff", b'{"call": "report"}\n{'):
        assert client.call("apply", body=data) == (
            400,
            {"field": "document", "reason": "it is not a JSON object"},
        )
    assert engine.applied == [state()]


def test_client_errors(engine, path, tmp_path):
    assert ControlClient(path).call("apply", body={})[0] == 400
    assert ControlClient(str(tmp_path / "nobody")).call("report")[0] == 503


def test_news_are_awaited_for_so_long_at_most(engine, path):
    client = ControlClient(path)
    said = client.await_news("abc", 2.5)
    assert said == "other than abc within 2.5"
    said = client.await_news("abc", 3600)
    assert said == f"other than abc within {NEWS_SECONDS_MAX}"


def test_without_speakerd_there_is_no_digest(path):
    assert ControlClient(path).await_news("abc", 1.0) == ""


def test_a_speakerd_that_hangs_delays_no_heartbeat(path, tmp_path):
    """It takes the connection, and does not answer."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        began = time.monotonic()
        assert ControlClient(path).await_news("", 0.0) == ""
    assert time.monotonic() - began < _TIMEOUT_SECONDS / 2
