# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The synthetic request, made to a real server on the loopback."""

import datetime
import http.server
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from octavia_anycast.agent.gate.gate import Verdict
from octavia_anycast.agent.gate.synthetic import (
    Course,
    RequestProbe,
    ask,
    step,
    verdict,
)
from octavia_anycast.model.wire import (
    ListenerSocket,
    Scheme,
    SyntheticRequest,
)

LOCALHOST = ip_address("127.0.0.1")
REQUEST = SyntheticRequest(
    path="/health", codes="200", interval_ms=50, timeout_ms=300, fall_count=2
)


def at(port, scheme=Scheme.HTTP):
    return ListenerSocket(
        listener_id="l", ip_address=LOCALHOST, port=port, scheme=scheme
    )


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the test sets; remembers who asked."""

    status = 200
    seen: list

    def do_GET(self):
        self.seen.append((self.path, self.headers["Host"]))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        """Be quiet."""


@contextmanager
def serving(tls=None):
    handler = type("Handler", (Server,), {"seen": []})
    server = http.server.HTTPServer((str(LOCALHOST), 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        scheme = Scheme.HTTPS if tls else Scheme.HTTP
        yield handler, at(server.server_port, scheme)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tls(tmp_path):
    """TLS with a certificate of nobody's, for a name that nobody asks."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=tenant.example")
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "pair.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def eventually(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_answer_is_judged_by_its_status():
    with serving() as (handler, listener):
        assert ask(REQUEST, listener) == ""
        assert handler.seen == [("/health", "127.0.0.1")]
        handler.status = 503
        assert ask(REQUEST, listener) == "status 503 is not one of 200"
        named = SyntheticRequest(path="/", codes="503", host="www.example")
        assert ask(named, listener) == ""
        assert handler.seen[-1] == ("/", "www.example")


def test_tls_is_spoken_and_its_certificate_not_judged(tls):
    names = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with serving(tls) as (handler, listener):
        assert ask(REQUEST, listener) == ""
        named = SyntheticRequest(path="/", codes="200", host="www.example")
        assert ask(named, listener) == ""
        handler.status = 503
        assert ask(REQUEST, listener) == "status 503 is not one of 200"
    assert names == [None, "www.example", None]


def test_a_listener_that_speaks_no_tls_fails_where_tls_is_expected():
    with serving() as (handler, listener), pytest.raises(OSError):
        ask(REQUEST, at(listener.port, Scheme.HTTPS))
    assert not handler.seen


def test_a_server_that_accepts_and_says_nothing_is_noticed_in_time():
    with (
        socket.create_server((str(LOCALHOST), 0)) as mute,
        pytest.raises(TimeoutError),
    ):
        ask(REQUEST, at(mute.getsockname()[1]))


def test_the_probe_follows_what_happens():
    probe = RequestProbe(None)
    with serving() as (handler, listener):
        sample = probe.look(REQUEST, (listener,))
        assert sample.verdict in (Verdict.UNKNOWN, Verdict.GOOD)
        eventually(
            lambda: probe.look(REQUEST, (listener,)).verdict is Verdict.GOOD
        )
        handler.status = 500
        eventually(
            lambda: probe.look(REQUEST, (listener,)).verdict is Verdict.BAD
        )
        sample = probe.look(REQUEST, (listener,))
        assert sample.reason.endswith(f"port {listener.port} failed")
        assert sample.measured == "status 500 is not one of 200"
        handler.status = 200
        eventually(
            lambda: probe.look(REQUEST, (listener,)).verdict is Verdict.GOOD
        )
    eventually(lambda: probe.look(REQUEST, (listener,)).verdict is Verdict.BAD)
    probe.close()


def asking():
    return [t for t in threading.enumerate() if t.name == "request"]


def test_nothing_is_asked_unasked_or_of_what_is_opaque():
    # One of an earlier test ends after the question under way.
    eventually(lambda: not asking())
    probe = RequestProbe(None)
    with serving() as (handler, listener):
        opaque = at(listener.port, Scheme.OPAQUE)
        assert probe.look(None, (listener,)) is None
        assert probe.look(REQUEST, (opaque,)) is None
        assert not asking()
        assert handler.seen == []


def course(problems, request=REQUEST):
    made = Course()
    for problem in problems:
        made = step(made, request, problem)
    return made


@pytest.mark.parametrize(
    ("problems", "is_good"),
    [
        ([], None),
        ([""], True),
        (["x"], None),
        (["x", "x"], False),
        (["x", "", "x"], True),
        (["", "x"], True),
        (["", "x", "x"], False),
        (["", "x", "", "x"], True),
        (["x", "x", ""], True),
    ],
)
def test_courses(problems, is_good):
    assert course(problems).is_good is is_good


def test_rising_counts_good_answers_in_a_row():
    slow = SyntheticRequest(path="/", rise_count=3)
    assert course(["x", "x", ""], slow).is_good is None
    assert course(["x", "", "", ""], slow).is_good


@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        ([[""]], Verdict.GOOD),
        ([[""], []], Verdict.UNKNOWN),
        ([["x", "x"]], Verdict.BAD),
        # The path that one listener never had, beside another that answers.
        ([[""], ["x", "x"]], Verdict.PARTIAL),
        ([["", "x", "x"], [""]], Verdict.BAD),
    ],
)
def test_all_listeners_together(courses, expected):
    made = {at(80 + n): course(c) for n, c in enumerate(courses)}
    assert verdict(made).verdict is expected
