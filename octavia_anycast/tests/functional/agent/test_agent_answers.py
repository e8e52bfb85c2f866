# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent contract, byte for byte: what an older controller reads."""

import json
import re

import flask
import pytest
import requests

from octavia_anycast.agent.control import ControlClient, ControlServer
from octavia_anycast.agent.direct import DirectServer, DirectSettings
from octavia_anycast.agent.http import make_blueprint
from octavia_anycast.model import codec
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.tests.functional.distributor.test_amphora_client import (
    LOCALHOST,
    Authority,
)
from octavia_anycast.tests.unit.agent.states import AMPHORA
from octavia_anycast.tests.unit.agent.test_control import REPORT

DISK = OSError(28, "No space left on device")
DRAIN = f"/amphorae/{AMPHORA}/drain"


class Engine:
    """Raises what it is told to."""

    error = None
    answer = None

    def apply(self, document):
        if self.error:
            raise self.error

    def report(self):
        return REPORT

    def call(self, call, name, body):
        self.apply(body)
        return self.answer


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def http(engine, tmp_path):
    """The agent, with speakerd behind its control socket."""
    path = str(tmp_path / "control.sock")
    server = ControlServer(path, engine)
    server.start()
    app = flask.Flask(__name__)
    app.register_blueprint(make_blueprint(ControlClient(path)))
    yield app.test_client()
    server.shutdown()
    server.server_close()


def ask(http, method, path="", **body):
    answer = http.open(f"/1.0/anycast{path}", method=method, **body)
    return answer.status_code, answer.content_type, answer.get_data(True)


JSON = "application/json"
OK = 200, JSON, '{"message":"OK"}\n'


def test_a_report(http):
    status, kind, text = ask(http, "GET")
    expected = {**codec.to_document(REPORT), "cpu": 0}
    written = json.dumps(expected, sort_keys=True, separators=(",", ":"))
    assert (status, kind) == (200, JSON)
    assert re.sub(r'"cpu":\{[^}]*\}', '"cpu":0', text) == f"{written}\n"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (None, 200, '{"message":"OK"}\n'),
        (
            InvalidRequest("vips[0].vip_ip", "no"),
            400,
            '{"field":"vips[0].vip_ip","reason":"no"}\n',
        ),
        (
            NotFound("VIP", "x"),
            404,
            '{"reason":"VIP x could not be found."}\n',
        ),
        (Conflict("Not now."), 409, '{"reason":"Not now."}\n'),
        (
            DISK,
            503,
            '{"reason":"speakerd failed: '
            '[Errno 28] No space left on device"}\n',
        ),
    ],
)
def test_an_answer_to_a_change(http, engine, error, status, text):
    engine.error = error
    for path in ("", DRAIN):
        assert ask(http, "PUT", path, json={}) == (status, JSON, text)


def test_a_list(http, engine):
    engine.answer = {"vips": [{"vip_ip": "192.0.2.1", "peer_ids": None}]}
    assert ask(http, "GET", "/vips") == (
        200,
        JSON,
        '{"vips":[{"peer_ids":null,"vip_ip":"192.0.2.1"}]}\n',
    )


def test_what_is_no_json(http):
    for path in ("", DRAIN):
        assert ask(http, "PUT", path, data=b"{") == (
            400,
            JSON,
            '{"field":"document","reason":"it is not a JSON object"}\n',
        )


def test_speakerd_does_not_run(tmp_path):
    app = flask.Flask(__name__)
    app.register_blueprint(make_blueprint(ControlClient(str(tmp_path / "x"))))
    for method, path in (("GET", ""), ("PUT", ""), ("PUT", DRAIN)):
        assert ask(app.test_client(), method, path, json={}) == (
            503,
            JSON,
            '{"reason":"speakerd does not answer: '
            '[Errno 2] No such file or directory"}\n',
        )


@pytest.fixture
def direct(engine, tmp_path):
    """Call speakerd's own port."""
    servers, clients = (Authority(tmp_path, x) for x in ("s", "c"))
    server = DirectServer(
        DirectSettings(
            address=str(LOCALHOST),
            port=0,
            certificate_path=servers.issue("127.0.0.1"),
            client_ca_path=clients.file,
        ),
        engine,
    )
    server.start()

    def call(method, path="/1.0/anycast", **body):
        url = f"https://127.0.0.1:{server.server_address[1]}{path}"
        pair = {"verify": False, "cert": clients.issue("controller")}
        answer = requests.request(method, url, **pair, **body)
        return (
            answer.status_code,
            answer.headers["Content-Type"],
            answer.text,
        )

    yield call
    server.shutdown()
    server.server_close()


def test_past_an_agent_that_hangs(direct, engine):
    report = json.dumps(codec.to_document(REPORT))
    assert direct("GET") == (200, JSON, report)
    assert direct("PUT", json={}) == (200, JSON, "{}")
    engine.error = InvalidRequest("vips", "no")
    refusal = '{"field": "vips", "reason": "no"}'
    assert direct("PUT", json={}) == (400, JSON, refusal)
    engine.error = DISK
    failure = '{"reason": "[Errno 28] No space left on device"}'
    assert direct("PUT", json={}) == (503, JSON, failure)
    assert direct("GET", "/1.0/anycast/vips")[0] == 404
