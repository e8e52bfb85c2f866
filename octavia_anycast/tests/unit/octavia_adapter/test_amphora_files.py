# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates by Octavia's own generator."""

import datetime
import hashlib
import ssl
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from octavia.common import config  # noqa: F401 - registers the options
from oslo_config import cfg

from octavia_anycast.agent import certificate as agent_certificate
from octavia_anycast.agent.tenant_metrics.identity import Contexts, is_one_of
from octavia_anycast.agent.tenant_metrics.told import Told
from octavia_anycast.model.wire import TenantMetrics
from octavia_anycast.octavia_adapter.amphora.amphora_files import (
    AmphoraFiles,
    agents_authority,
)

AMPHORA = "7d1f8a52-5a5e-4c62-9c7b-0d7f4c1d2e3f"
OTHER = "8d1f8a52-5a5e-4c62-9c7b-0d7f4c1d2e3f"
VALID_SECONDS = 86_400


def _without(public_key):
    return None


def _of_sha256(public_key):
    """RFC 7093, section 2, method 1."""
    encoded = public_key.public_bytes(
        serialization.Encoding.X962,
        serialization.PublicFormat.UncompressedPoint,
    )
    return hashlib.sha256(encoded).digest()[:20]


def _of_eight_octets(public_key):
    return b"\1\2\3\4\5\6\7\x08"


def _of_sha1(public_key):
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest


@pytest.fixture(params=[_without, _of_sha1, _of_sha256, _of_eight_octets])
def authority(tmp_path, request):
    """A CA, named in Octavia's settings; its key identifier is anything."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
    )
    identifier = request.param(key.public_key())
    if identifier is not None:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier(identifier), critical=False
        )
    made = builder.sign(key, hashes.SHA256())
    (tmp_path / "ca.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
    )
    (tmp_path / "ca.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    settings = {
        "ca_certificate": f"{tmp_path}/ca.pem",
        "ca_private_key": f"{tmp_path}/ca.key",
        "ca_private_key_passphrase": None,
        "cert_validity_time": VALID_SECONDS,
        "cert_generator": "local_cert_generator",
    }
    # Not oslo's fixture: it forgets what other tests have read.
    for name, value in settings.items():
        cfg.CONF.set_override(name, value, group="certificates")
    yield made
    for name in settings:
        cfg.CONF.clear_override(name, group="certificates")


def test_certificate(authority, tmp_path):
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    assert files.certificate_seconds == VALID_SECONDS
    first, second = (files.issue_certificate(AMPHORA) for _ in range(2))
    assert first.serial != second.serial
    shown = x509.load_pem_x509_certificate(first.pem.encode())
    shown.verify_directly_issued_by(authority)
    assert shown.serial_number == first.serial
    assert shown.not_valid_after_utc == first.expires_at
    left = first.expires_at - datetime.datetime.now(datetime.UTC)
    assert VALID_SECONDS - 60 < left.total_seconds() <= VALID_SECONDS
    # It is what the agent takes.
    path = tmp_path / "server.pem"
    agent_certificate.replace(str(path), first.pem.encode(), AMPHORA)
    assert path.read_text() == first.pem


def test_the_key_is_in_no_text_of_it(authority):
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    assert "PRIVATE KEY" not in repr(files.issue_certificate(AMPHORA))


def test_openssl_finds_the_issuer_by_any_key_identifier(authority, tmp_path):
    """As the controller does at each call, and after each rotation."""
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    for _ in range(2):
        made = files.issue_certificate(AMPHORA)
        (tmp_path / "server.pem").write_text(made.pem)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "server.pem")
        server = context.wrap_bio(to_server, to_client, server_side=True)
        trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        client = trusting.wrap_bio(
            to_client, to_server, server_hostname=AMPHORA
        )
        assert _shake_hands(client, server)
        shown = client.getpeercert(binary_form=True)
        assert (
            x509.load_der_x509_certificate(shown).serial_number == made.serial
        )


def test_amphorae_know_each_other_by_their_certificates(authority, tmp_path):
    """Octavia makes them for servers and for clients (tenants' metrics)."""
    files = AmphoraFiles(heartbeat_controllers=(), heartbeat_interval=3)
    pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    sides = {}
    for amphora_id in (AMPHORA, OTHER):
        path = tmp_path / amphora_id
        path.write_text(files.issue_certificate(amphora_id).pem)
        sides[amphora_id] = Told(
            amphora_id=amphora_id,
            certificate_path=str(path),
            tenant_metrics=TenantMetrics(members=(), authority=pem),
        )
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = (
        Contexts()
        .answering(sides[OTHER])
        .wrap_bio(to_server, to_client, server_side=True)
    )
    client = (
        Contexts()
        .asking(sides[AMPHORA])
        .wrap_bio(to_client, to_server, server_hostname=OTHER)
    )
    assert _shake_hands(client, server)
    assert is_one_of(server, {AMPHORA})
    assert not is_one_of(server, {OTHER})


@pytest.fixture
def server_ca(tmp_path):
    path = tmp_path / "server_ca.pem"
    cfg.CONF.set_override("server_ca", str(path), group="haproxy_amphora")
    yield path
    cfg.CONF.clear_override("server_ca", group="haproxy_amphora")


ONE, TWO = (
    f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    for text in ("AAAA", "BBBB")
)


def test_amphorae_are_told_certificates_alone_and_in_one_order(server_ca):
    server_ca.write_text(f"Issuer: a\n{TWO}between{ONE}{TWO}\xe9")
    assert agents_authority() == ONE + TWO


@pytest.mark.parametrize("text", [None, "", "nonsense", ONE.replace("A", "?")])
def test_an_authority_that_says_nothing_is_logged(server_ca, caplog, text):
    if text is not None:
        server_ca.write_text(text)
    assert agents_authority() == ""
    assert "[haproxy_amphora] server_ca" in caplog.text


def _shake_hands(client, server):
    """:raises ssl.SSLError: one does not like the other."""
    open_sides = [client, server]
    for _ in range(10):
        for side in tuple(open_sides):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
                open_sides.remove(side)
        if not open_sides:
            return True
    return False
