# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agent client against a TLS server on the loopback."""

import datetime
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from octavia_anycast.agent_client.amphora_client import AmphoraClient, Timeout
from octavia_anycast.model import codec
from octavia_anycast.model.errors import (
    InvalidRequest,
    NoConnection,
    NotYetValid,
    Permanent,
    Retryable,
)
from octavia_anycast.tests.unit.agent.states import AMPHORA, state
from octavia_anycast.tests.unit.agent.test_control import REPORT

LOCALHOST = ip_address("127.0.0.1")

DAY = datetime.timedelta(days=1)


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = self._write(f"{name}.pem", self._issue(name, self.key))

    def issue(self, name, begins_in=-DAY):
        """A file with certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._issue(name, key, begins_in)
        return self._write(f"{self.name}-{name}", made, key)

    def _issue(self, name, key, begins_in=-DAY):
        def named(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins_in)
            .not_valid_after(now + DAY)
        )
        if name == self.name:
            constraint = x509.BasicConstraints(ca=True, path_length=None)
            builder = builder.add_extension(constraint, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name, certificate, key=None):
        data = certificate.public_bytes(serialization.Encoding.PEM)
        if key is not None:
            data += key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        path = self.directory / name
        path.write_bytes(data)
        return str(path)


class Agent(ThreadingHTTPServer):
    """An agent: mutual TLS, and the answer that the test wants."""

    def __init__(self, server_file, client_ca_file):
        super().__init__((str(LOCALHOST), 0), _Handler)
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=client_ca_file
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(server_file)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.answer = (200, codec.to_document(REPORT))
        self.received = []
        self.busy_seconds = 0.0
        self.was_busy = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        """Shake hands and answer, once it is free."""
        if self.busy_seconds:
            time.sleep(self.busy_seconds)
            self.was_busy = True
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        """Refused certificates are part of the test."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.received.append((self.command, self.path, body))
        status, document = self.server.answer
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_GET

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    return Authority(directory, "servers"), Authority(directory, "clients")


@pytest.fixture
def agent(authorities):
    servers, clients = authorities
    made = Agent(servers.issue(AMPHORA), clients.file)
    yield made
    made.shutdown()
    made.server_close()


def client_of(agent, authorities, **changes):
    servers, clients = authorities
    values = {
        "ca_file": servers.file,
        "client_cert_file": clients.issue("controller"),
        "port": agent.server_address[1],
        "timeout": Timeout(connect_seconds=2, read_seconds=2),
        **changes,
    }
    return AmphoraClient(**values)


@pytest.fixture
def client(agent, authorities):
    return client_of(agent, authorities)


def test_report_and_state(agent, client):
    assert client.get_report(AMPHORA, LOCALHOST) == REPORT
    client.put_state(AMPHORA, LOCALHOST, state())
    (_, (method, path, body)) = agent.received
    assert (method, path) == ("PUT", "/1.0/anycast")
    assert codec.desired_state_from(json.loads(body)) == state()


def test_many_threads(agent, client):
    threads = [
        threading.Thread(target=client.get_report, args=(AMPHORA, LOCALHOST))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(agent.received) == 8


def test_another_amphora_at_the_address(agent, client):
    with pytest.raises(Retryable):
        client.get_report("not-the-amphora", LOCALHOST)
    assert agent.received == []


def test_a_server_of_another_authority(agent, authorities):
    _, clients = authorities
    client = client_of(agent, authorities, ca_file=clients.file)
    with pytest.raises(Retryable, match="shows a certificate that is not va"):
        client.get_report(AMPHORA, LOCALHOST)
    assert agent.received == []


def test_a_client_of_another_authority(agent, authorities):
    servers, _ = authorities
    stranger = servers.issue("stranger")
    client = client_of(agent, authorities, client_cert_file=stranger)
    # Its alert may be overtaken by the end of the connection.
    with pytest.raises(Retryable, match=r"refuses the controller's cert|EOF"):
        client.get_report(AMPHORA, LOCALHOST)
    assert agent.received == []


def test_nobody_there(authorities, agent):
    client = client_of(agent, authorities, port=1)
    with pytest.raises(Retryable):
        client.get_report(AMPHORA, LOCALHOST)


@pytest.mark.parametrize("content", [None, "", "half a file"])
def test_a_certificate_that_is_being_renewed(authorities, agent, content):
    client = client_of(agent, authorities)
    mine = Path(authorities[1].issue("controller"))
    mine.unlink()
    if content is not None:
        mine.write_text(content)
    for call in (client.get_report, client.served_serial):
        with pytest.raises(Retryable):
            call(AMPHORA, LOCALHOST)


def test_a_certificate_of_a_time_to_come(authorities):
    """Of a controller whose clock is ahead of ours."""
    servers, clients = authorities
    ahead = datetime.timedelta(minutes=5)
    made = Agent(servers.issue(AMPHORA, begins_in=ahead), clients.file)
    client = client_of(made, authorities)
    for call in (client.get_report, client.served_serial):
        with pytest.raises(NotYetValid, match="not yet valid"):
            call(AMPHORA, LOCALHOST)
    made.shutdown()
    made.server_close()


def test_a_busy_agent_has_longer_than_its_kernel(authorities, agent):
    """It takes the connection at once and shakes hands when it is free."""
    patient = Timeout(
        connect_seconds=0.2, handshake_seconds=10, read_seconds=10
    )
    client = client_of(agent, authorities, timeout=patient)
    agent.busy_seconds = 0.6
    assert client.get_report(AMPHORA, LOCALHOST) == REPORT
    assert agent.was_busy


def test_a_machine_that_is_gone_is_told_from_a_busy_agent(authorities, agent):
    short = Timeout(
        connect_seconds=0.2, handshake_seconds=0.3, read_seconds=0.2
    )
    with socket.create_server((str(LOCALHOST), 0), backlog=0) as silent:
        client = client_of(
            agent,
            authorities,
            port=silent.getsockname()[1],
            timeout=short,
        )
        with pytest.raises(Retryable) as busy:
            client.get_report(AMPHORA, LOCALHOST)
        assert not isinstance(busy.value, NoConnection)
        # Nobody took that one from the queue: the next SYN is dropped.
        with pytest.raises(NoConnection):
            client.get_report(AMPHORA, LOCALHOST)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {"field": "router_id", "reason": "bad"}), InvalidRequest),
        ((400, {"error": "other"}), Permanent),
        ((403, {}), Permanent),
        ((404, {}), Retryable),
        ((500, {}), Retryable),
        ((503, {"reason": "no speakerd"}), Retryable),
    ],
)
def test_answers_are_mapped(agent, client, answer, error):
    agent.answer = answer
    with pytest.raises(error) as caught:
        client.put_state(AMPHORA, LOCALHOST, state())
    if error is InvalidRequest:
        assert caught.value.field == "router_id"


@pytest.mark.parametrize(
    "document",
    [[], {}, {**codec.to_document(REPORT), "amphora_id": "another"}],
)
def test_what_is_no_report_of_it(agent, client, document):
    agent.answer = (200, document)
    with pytest.raises(Permanent):
        client.get_report(AMPHORA, LOCALHOST)


def test_serial_of_the_certificate_that_is_shown(agent, authorities):
    servers, _ = authorities
    client = client_of(agent, authorities)
    with open(f"{servers.directory}/servers-{AMPHORA}", "rb") as stream:
        issued = x509.load_pem_x509_certificate(stream.read())
    assert client.served_serial(AMPHORA, LOCALHOST) == issued.serial_number


def test_serial_of_a_certificate_that_is_not_valid_there(agent, authorities):
    client = client_of(agent, authorities)
    with pytest.raises(Retryable, match="Hostname mismatch"):
        client.served_serial("somebody", LOCALHOST)
    _, clients = authorities
    stranger = client_of(agent, authorities, ca_file=clients.file)
    with pytest.raises(Retryable, match="verify failed"):
        stranger.served_serial(AMPHORA, LOCALHOST)
    agent.shutdown()
    agent.server_close()
    with pytest.raises(Retryable, match="cannot be reached"):
        client.served_serial(AMPHORA, LOCALHOST)
